// SPDX-License-Identifier: MIT

#include "glibselector_p.h"

#include <algorithm>
#include <cerrno>
#include <limits>

#include <poll.h>

using namespace std::chrono_literals;

static_assert(sizeof(GPollFD) == sizeof(pollfd), "GLib documents them to be the same");

namespace {

using Duration = GLibSelectorPrivate::Duration;
using TimePoint = GLibSelectorPrivate::TimePoint;

constexpr GLibSelector::Events AllEvents =
    GLibSelector::Read | GLibSelector::Write | GLibSelector::Exception;

/// While another thread owns the context: when to ask again. Nothing can be waited for there, so the
/// interval doubles; a start-up that lasts a moment is noticed in a moment, and a thread that never
/// gives the context up costs next to nothing.
constexpr Duration FirstRetry = 1ms;
constexpr Duration LastRetry = 100ms;

/// How often the look at the descriptors alone is left out after it found nothing.
constexpr int QuickTryPause = 8;

std::error_code error(std::errc code)
{
    return std::make_error_code(code);
}

TimePoint after(TimePoint now, Duration duration)
{
    return duration < GLibSelectorPrivate::Never - now ? now + duration
                                                       : GLibSelectorPrivate::Never;
}

/// For interfaces that count whole milliseconds; up, because early is wrong and makes a busy loop.
int toMilliseconds(Duration duration)
{
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
    return int(std::clamp<decltype(ms)>(ms, 0, std::numeric_limits<int>::max()));
}

/// poll(2) with the resolution of the clock. A signal counts as nothing ready.
int pollFor(std::vector<GPollFD> &fds, Duration timeout)
{
    auto *const polled = reinterpret_cast<pollfd *>(fds.data());
    const auto seconds = std::chrono::floor<std::chrono::seconds>(timeout);
    timespec limit{};
    limit.tv_sec = time_t(seconds.count());
    limit.tv_nsec = long((timeout - seconds).count());
    const int count = ppoll(polled, nfds_t(fds.size()),
                            timeout == Duration::max() ? nullptr : &limit, nullptr);
    if (count < 0) {
        // It need not have told; and what is there may be what an earlier poll has found.
        for (GPollFD &fd : fds)
            fd.revents = 0;
    }
    return count;
}

template<typename Iterator>
bool anyReady(Iterator first, Iterator last)
{
    return std::any_of(first, last, [](const GPollFD &fd) { return fd.revents != 0; });
}

/// What counts as work of the loop in guest mode: everything.
const GLibSelectorPrivate::Wait GuestWait = [] {
    GLibSelectorPrivate::Wait wait;
    wait.loopsTimers = true;
    return wait;
}();

}

/// Notes on which level of GLib's dispatching an iteration of ours runs. They nest.
struct GLibSelectorPrivate::Iteration
{
    explicit Iteration(GLibSelectorPrivate *selector)
        : depth(g_main_depth())
        , m_selector(selector)
        , m_outer(selector->m_iteration)
    {
        selector->m_iteration = this;
    }
    ~Iteration() { m_selector->m_iteration = m_outer; }
    Iteration(const Iteration &) = delete;
    Iteration &operator=(const Iteration &) = delete;

    const int depth;
    bool loopHasWork = false;
    bool loopHasIdleWork = false;
    bool loopWasDispatched = false;
    int loopPriority = 0; // at which it was

private:
    GLibSelectorPrivate *m_selector;
    Iteration *m_outer;
};

GLibSelectorPrivate::GLibSelectorPrivate(GMainContext *context)
    : m_context(g_main_context_ref(context ? context : g_main_context_default()))
    , m_readiness(Readiness::create())
{
}

GLibSelectorPrivate::~GLibSelectorPrivate()
{
    close();
    g_main_context_unref(m_context);
}

void GLibSelectorPrivate::close()
{
    m_closed = true;
    detach();
    releaseContext();
    m_found.clear();
    m_nextFound = 0;
    m_entries.clear();
    m_readiness.reset();
}

std::error_code GLibSelectorPrivate::checkUse() const
{
    if (m_closed)
        return error(std::errc::bad_file_descriptor);
    const GThread *thread = m_thread.load(std::memory_order_relaxed);
    if (thread && thread != g_thread_self())
        return error(std::errc::operation_not_permitted);
    return {};
}

void GLibSelectorPrivate::bindToThread()
{
    m_thread.store(g_thread_self(), std::memory_order_relaxed);
}

std::error_code GLibSelectorPrivate::watch(int fd, GLibSelector::Events events, void *data)
{
    if (std::size_t(fd) >= m_entries.size()) {
        // The tables are as long as the largest number, which the limit of open files bounds only if it is open.
        if (const std::error_code closed = checkOpen(fd))
            return closed;
        m_entries.resize(std::size_t(fd) + 1);
    }
    Entry &changed = m_entries[std::size_t(fd)];
    changed.data = data;
    changed.events = events;
    changed.ready &= events;
    m_readiness->set(fd, events);
    noteChange();
    return {};
}

/// As watch(), but if the kernel refuses it, it says why and nothing has changed.
std::error_code GLibSelectorPrivate::tryWatch(int fd, GLibSelector::Events events, void *data)
{
    if (!events || (events & ~AllEvents))
        return error(std::errc::invalid_argument);
    const Entry before = std::size_t(fd) < m_entries.size() ? m_entries[std::size_t(fd)] : Entry();
    if (const std::error_code refused = watch(fd, events, data))
        return refused;
    const std::error_code refused = m_readiness->confirm(fd);
    if (refused) {
        m_readiness->set(fd, before.events);
        m_entries[std::size_t(fd)] = before;
    }
    return refused;
}

void GLibSelectorPrivate::wakeUp()
{
    if (m_wakeUp.exchange(WakeUp::Requested, std::memory_order_seq_cst) != WakeUp::Requested
        && m_polling.load(std::memory_order_seq_cst))
        m_channel.signal();
}

void GLibSelectorPrivate::noteChange()
{
    // An iteration of ours looks again before it polls.
    if (m_polling.load(std::memory_order_relaxed) && !isIterating(0))
        wakeUp();
}

/// Results that nobody took are found again, except that a descriptor was closed.
void GLibSelectorPrivate::dropResults()
{
    std::size_t kept = 0;
    for (; m_nextFound < m_found.size(); ++m_nextFound) {
        const Readiness::Found found = m_found[m_nextFound];
        Entry *left = entry(found.fd);
        if (left && left->ready == GLibSelector::Invalid)
            m_found[kept++] = found;
        else if (left)
            left->ready = 0;
    }
    m_found.erase(m_found.begin() + std::ptrdiff_t(kept), m_found.end());
    m_nextFound = 0;
}

void GLibSelectorPrivate::collect(bool thorough, Readiness::Polled polled)
{
    dropResults();
    std::size_t i = m_found.size();
    m_readiness->collect(m_found, thorough, polled);
    for (; i < m_found.size(); ++i) {
        if (Entry *ready = entry(m_found[i].fd))
            ready->ready = m_found[i].events;
    }
}

void GLibSelectorPrivate::collect()
{
    m_now = Clock::now();
    collect(false, {});
}

bool GLibSelectorPrivate::hasReady() const
{
    return std::any_of(m_found.begin() + std::ptrdiff_t(m_nextFound), m_found.end(),
                       [this](const Readiness::Found &found) {
                           return m_entries[std::size_t(found.fd)].ready != 0;
                       });
}

/// Whether this thread owns the context now; if so, g_main_context_release() has to follow.
bool GLibSelectorPrivate::acquire()
{
    if (!g_main_context_acquire(m_context)) {
        if (m_ownership != Ownership::Foreign)
            m_foreignSince = Clock::now();
        m_ownership = Ownership::Foreign;
        return false;
    }
    if (m_keep && m_ownership != Ownership::Kept) {
        m_ownership = Ownership::Kept;
        g_main_context_acquire(m_context);
        if (m_context != g_main_context_default())
            g_main_context_push_thread_default(m_context);
    } else if (!m_keep) {
        m_ownership = Ownership::Borrowed;
    }
    return true;
}

void GLibSelectorPrivate::keepContext()
{
    m_keep = true;
    if (m_ownership != Ownership::Kept && acquire())
        g_main_context_release(m_context);
}

void GLibSelectorPrivate::releaseContext()
{
    m_keep = false;
    if (m_ownership != Ownership::Kept)
        return;
    m_ownership = Ownership::Borrowed;
    // Each thread has its own stack of thread-default contexts; another's cannot be reached.
    if (m_context != g_main_context_default() && m_thread == g_thread_self())
        g_main_context_pop_thread_default(m_context);
    g_main_context_release(m_context);
}

GLibSelectorPrivate::TimePoint GLibSelectorPrivate::deadline(const Wait &wait) const
{
    return wait.loopsTimers ? std::min(wait.deadline, m_loop->deadline()) : wait.deadline;
}

bool GLibSelectorPrivate::hasWork(const Wait &wait, TimePoint now) const
{
    return isWokenUp() || hasReady() || (wait.descriptors && m_readiness->hasUnpolled())
        || deadline(wait) <= now;
}

bool GLibSelectorPrivate::hasIdleWork(const Wait &wait) const
{
    return wait.loopsTimers && m_loop->hasIdleWork();
}

bool GLibSelectorPrivate::iterate(const Wait &wait)
{
    dropResults();
    m_now = Clock::now();
    const TimePoint patienceEnd = m_now + wait.patience;
    bool busy = hasWork(wait, m_now) || hasIdleWork(wait);

    if (m_glibIsCalm && m_now - m_lastLook < wait.patience) {
        if (busy)
            return false;
        if (wait.descriptors && wait.mayBlock && m_skipQuickTries-- <= 0) {
            collect(false, {});
            if (hasReady()) {
                m_skipQuickTries = 0;
                return false;
            }
            m_skipQuickTries = QuickTryPause;
        }
    }

    const Ownership before = m_ownership;
    bool glibHadWork = false;
    for (;;) {
        const bool kept = m_ownership == Ownership::Kept;
        const bool acquired = !kept && acquire();
        // A change of the owner is told before it is slept over.
        const bool block = wait.mayBlock && !busy && m_ownership == before;
        const bool hadWork = look(wait, block, kept || acquired);
        if (acquired)
            g_main_context_release(m_context);
        glibHadWork |= hadWork;
        if (m_closed || m_ownership != before)
            return true;
        busy = hasWork(wait, m_now) || hasIdleWork(wait);
        if (busy || !wait.mayBlock || (glibHadWork && m_now >= patienceEnd))
            return glibHadWork;
    }
}

/// Looks at GLib, if this thread @p ownsContext, and at the kernel; answers whether GLib had work.
bool GLibSelectorPrivate::look(const Wait &wait, bool block, bool ownsContext)
{
    Iteration iteration(this);
    m_channel.renewAfterFork();
    const Duration auditTimeout =
        wait.descriptors ? m_readiness->audit(m_now) : Duration::max();

    m_polling.store(true, std::memory_order_seq_cst);

    const TimePoint start = m_now;
    int priority = 0;
    int glibCount = 0;
    int glibTimeout = -1;
    bool prepared = false;
    if (ownsContext) {
        prepared = g_main_context_prepare(m_context, &priority);
        while ((glibCount = g_main_context_query(m_context, priority, &glibTimeout, m_polled.data(),
                                                 int(m_polled.size())))
               > int(m_polled.size()))
            m_polled.resize(std::size_t(glibCount));
    }

    // What a source has changed while it was asked whether it is ready counts already.
    m_readiness->flush();
    iteration.loopHasIdleWork = hasIdleWork(wait);
    Duration timeout = Duration::zero();
    if (block && !iteration.loopHasIdleWork && !hasWork(wait, m_now)) {
        timeout = auditTimeout;
        if (const TimePoint limit = deadline(wait); limit != Never)
            timeout = std::min(timeout, limit - m_now);
        if (!ownsContext)
            timeout = std::min(timeout, std::clamp((m_now - m_foreignSince) / 4, FirstRetry, LastRetry));
    }
    const bool limitIsGLibs = glibTimeout >= 0 && std::chrono::milliseconds(glibTimeout) < timeout;
    if (limitIsGLibs)
        timeout = std::chrono::milliseconds(glibTimeout);

    // Ours come behind GLib's, which have to be handed back as they came.
    m_polled.resize(std::size_t(glibCount));
    const bool pollDescriptors = wait.descriptors && !m_readiness->isEmpty();
    if (pollDescriptors) {
        const std::vector<GPollFD> &ours = m_readiness->pollFds();
        m_polled.insert(m_polled.end(), ours.begin(), ours.end());
    }
    m_polled.push_back({m_channel.fd(), G_IO_IN, 0});

    // If sources are ready without it, and nobody's descriptors matter, a poll could only find wake-ups.
    // GLib's own is among its descriptors unless the sources that are ready have a higher priority.
    const bool skipPoll = prepared && !pollDescriptors
        && glibCount <= (priority >= G_PRIORITY_DEFAULT ? 1 : 0);
    const int count = skipPoll ? 0 : pollFor(m_polled, timeout);
    m_polling.store(false, std::memory_order_relaxed);
    if (timeout > Duration::zero())
        m_now = Clock::now();
    m_lastLook = m_now;

    const auto glibEnd = m_polled.begin() + glibCount;
    if (m_polled.back().revents)
        m_channel.drain();
    const bool oursReady = anyReady(glibEnd, m_polled.end() - 1)
        || (wait.descriptors && m_readiness->hasUnpolled());
    const bool glibReady = anyReady(m_polled.begin(), glibEnd) || (count == 0 && limitIsGLibs);

    bool glibHadWork = false;
    bool timeoutCameDue = false;
    if (ownsContext) {
        iteration.loopHasWork = oursReady || hasWork(wait, m_now);
        if (g_main_context_check(m_context, priority, m_polled.data(), glibCount)) {
            g_main_context_dispatch(m_context);
            if (m_closed)
                return true;
            // GLib does not tell what it dispatched. It was the loop alone if the loop took part and
            // nothing else was seen to be ready at its priority.
            glibHadWork = glibReady || !iteration.loopWasDispatched
                || (prepared && priority <= iteration.loopPriority);
            if (glibHadWork || glibTimeout >= 0)
                m_now = Clock::now();
            // It may have been dispatched with the loop, then, of which nothing tells. GLib has rounded up.
            timeoutCameDue = glibTimeout >= 0
                && m_now - start >= std::chrono::milliseconds(glibTimeout - 1);
        }
    }
    m_glibIsCalm = !glibHadWork && !glibReady;

    if (oursReady) {
        // What GLib has called may have read or closed what was ready, or have run a loop.
        Readiness::Polled polled;
        if (pollDescriptors && !glibHadWork && !timeoutCameDue)
            polled = {m_polled.data() + glibCount, m_polled.size() - 1 - std::size_t(glibCount)};
        collect(wait.patience == Duration::zero(), polled);
    }
    return glibHadWork;
}

void GLibSelectorPrivate::attach(Loop *loop, int priority)
{
    m_loop = loop;
    if (!m_work) {
        ContextSource::Owner *const owner = this;
        m_work = std::make_unique<ContextSource>(m_context, owner, "GLibEventDispatcher");
        m_idle = std::make_unique<ContextSource>(m_context, owner, "GLibEventDispatcher, idle");
    }
    m_work->setPriority(priority);
    m_idle->setPriority(std::max(priority, G_PRIORITY_DEFAULT_IDLE));
}

void GLibSelectorPrivate::detach()
{
    m_work.reset();
    m_idle.reset();
}

/// Whether it is an iterate() of ours that runs GLib, @p levels of dispatching below.
bool GLibSelectorPrivate::isIterating(int levels) const
{
    return m_iteration && g_main_depth() == m_iteration->depth + levels;
}

bool GLibSelectorPrivate::prepare(ContextSource *source, int *timeout)
{
    const bool guest = !isIterating(0);
    if (source == m_idle.get())
        return guest && m_loop->hasIdleWork();
    if (!guest) {
        source->setPollFds({});
        return false;
    }

    m_channel.renewAfterFork();
    m_readiness->flush();
    std::vector<GPollFD> fds = m_readiness->pollFds();
    fds.insert(fds.begin(), {m_channel.fd(), G_IO_IN, 0});
    source->setPollFds(fds);

    m_polling.store(true, std::memory_order_seq_cst);
    const TimePoint now = Clock::now();
    const Duration auditTimeout = m_readiness->audit(now);
    if (hasWork(GuestWait, now))
        return true;
    const TimePoint limit = m_loop->deadline();
    if (limit != Never || auditTimeout != Duration::max())
        *timeout = toMilliseconds(std::min(limit - now, auditTimeout));
    return false;
}

bool GLibSelectorPrivate::check(ContextSource *source)
{
    if (isIterating(0))
        return source == m_idle.get() ? m_iteration->loopHasIdleWork : m_iteration->loopHasWork;
    if (source == m_idle.get())
        return m_loop->hasIdleWork();
    m_polling.store(false, std::memory_order_relaxed);
    return source->isPolledReady() || hasWork(GuestWait, Clock::now());
}

void GLibSelectorPrivate::dispatch(ContextSource *source)
{
    if (isIterating(1)) {
        m_iteration->loopWasDispatched = true;
        m_iteration->loopPriority = source->priority();
        return;
    }
    m_polling.store(false, std::memory_order_relaxed);
    if (m_work->isPolledReady())
        m_channel.drain();
    m_loop->serve();
}

GLibSelector::GLibSelector(GMainContext *context)
    : d(std::make_unique<GLibSelectorPrivate>(context))
{
}

GLibSelector::~GLibSelector() = default;

GMainContext *GLibSelector::context() const
{
    return d->context();
}

std::error_code GLibSelector::add(int fd, Events events, void *data)
{
    if (const std::error_code refused = d->checkUse())
        return refused;
    d->bindToThread();
    if (fd < 0)
        return error(std::errc::bad_file_descriptor);
    if (d->entry(fd))
        return error(std::errc::file_exists);
    return d->tryWatch(fd, events, data);
}

std::error_code GLibSelector::modify(int fd, Events events, void *data)
{
    if (const std::error_code refused = d->checkUse())
        return refused;
    if (fd < 0)
        return error(std::errc::bad_file_descriptor);
    if (!d->entry(fd))
        return error(std::errc::no_such_file_or_directory);
    return d->tryWatch(fd, events, data);
}

std::error_code GLibSelector::remove(int fd)
{
    if (const std::error_code refused = d->checkUse())
        return refused;
    if (!d->entry(fd))
        return error(fd < 0 ? std::errc::bad_file_descriptor : std::errc::no_such_file_or_directory);
    d->watch(fd, 0, nullptr);
    return {};
}

std::optional<GLibSelector::Descriptor> GLibSelector::find(int fd) const
{
    const GLibSelectorPrivate::Entry *found = d->checkUse() ? nullptr : d->entry(fd);
    if (!found)
        return std::nullopt;
    return Descriptor{fd, found->events, found->data};
}

std::vector<GLibSelector::Descriptor> GLibSelector::descriptors() const
{
    std::vector<Descriptor> all;
    if (d->checkUse())
        return all;
    for (std::size_t number = 0; number < d->m_entries.size(); ++number) {
        if (const GLibSelectorPrivate::Entry *found = d->entry(int(number)))
            all.push_back({int(number), found->events, found->data});
    }
    return all;
}

std::error_code GLibSelector::select(std::optional<Duration> timeout)
{
    if (const std::error_code refused = d->checkUse())
        return refused;
    d->bindToThread();

    GLibSelectorPrivate::Wait wait;
    wait.mayBlock = !timeout || *timeout > Duration::zero();
    if (timeout && wait.mayBlock)
        wait.deadline = after(GLibSelectorPrivate::Clock::now(), *timeout);
    do {
        d->iterate(wait);
    } while (wait.mayBlock && !d->m_closed && !d->hasReady() && !d->isWokenUp()
             && GLibSelectorPrivate::Clock::now() < wait.deadline);
    d->takeWakeUp();
    return {};
}

std::optional<GLibSelector::Descriptor> GLibSelector::takeReady()
{
    if (d->checkUse())
        return std::nullopt;
    return d->takeReady();
}

void GLibSelector::wakeUp()
{
    d->wakeUp();
}

void GLibSelector::close()
{
    d->close();
}
