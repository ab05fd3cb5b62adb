// SPDX-License-Identifier: MIT

#include "glibselector_p.h"

#include "../diagnosis/activity.h"

#include <algorithm>
#include <iterator>
#include <cerrno>
#include <limits>
#include <thread>

#include <poll.h>

using namespace std::chrono_literals;

static_assert(sizeof(GPollFD) == sizeof(pollfd), "GLib documents them to be the same");

namespace {

/// In quick looks: how often a loop that has work polls, and how often GLib's sources are asked, if none of their
/// descriptors has become ready meanwhile.
constexpr Descriptors::Duration PollInterval = 5us;
constexpr Descriptors::Duration SourcesInterval = 50us;
/// With more descriptors a poll costs as much as it does to ask the sources.
constexpr std::size_t FewDescriptors = 16;
/// How long a poll that fails is followed by a sleep, lest the loop runs at full speed.
constexpr Descriptors::Duration SleepAfterFailure = 10ms;

void enter(Activity *activity, Activity::Step step)
{
    if (activity)
        activity->enter(step);
}

bool isReady(const GPollFD &fd)
{
    return fd.revents != 0;
}

bool isAnyReady(const GPollFD *fds, std::size_t count)
{
    return std::any_of(fds, fds + count, isReady);
}

/// poll(2) with the resolution of the clock.
int pollFor(std::vector<GPollFD> &fds, Descriptors::Duration timeout)
{
    const auto seconds = std::chrono::floor<std::chrono::seconds>(timeout);
    timespec limit{};
    limit.tv_sec = time_t(std::min<std::chrono::seconds::rep>(seconds.count(),
                                                              std::numeric_limits<time_t>::max()));
    limit.tv_nsec = long((timeout - seconds).count());
    return ppoll(reinterpret_cast<pollfd *>(fds.data()), nfds_t(fds.size()),
                 timeout == Descriptors::Duration::max() ? nullptr : &limit, nullptr);
}

}

int toMilliseconds(Descriptors::Duration duration)
{
    if (duration == Descriptors::Duration::max())
        return -1;
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
    return int(std::clamp<decltype(ms)>(ms, 0, std::numeric_limits<int>::max()));
}

GLibSelectorPrivate::GLibSelectorPrivate(GMainContext *context)
    : m_context(g_main_context_ref(context ? context : g_main_context_default()))
    , m_wakeUp(m_context)
    , m_ownership(m_context)
{
}

GLibSelectorPrivate::~GLibSelectorPrivate()
{
    close();
    g_main_context_unref(m_context);
}

void GLibSelectorPrivate::close()
{
    m_isClosed = true;
    detach();
    m_ownership.release();
    m_descriptors.clear();
}

std::error_code GLibSelectorPrivate::checkUse() const
{
    if (m_isClosed)
        return std::make_error_code(std::errc::bad_file_descriptor);
    if (m_thread.load(std::memory_order_relaxed) && !isBoundToThisThread())
        return std::make_error_code(std::errc::operation_not_permitted);
    return {};
}

bool GLibSelectorPrivate::watch(int fd, GLibSelector::Events events)
{
    if (!m_descriptors.watch(fd, events))
        return false;
    noteChange();
    return true;
}

bool GLibSelectorPrivate::takeWakeUp()
{
    m_hasTakenWakeUp = false;
    if (m_activity)
        m_activity->noteWaker(m_wakeUp.waker().take());
    return m_wakeUp.take();
}

void GLibSelectorPrivate::noteChange()
{
    const auto isPolling = [this] { return m_wakeUp.polling() != WakeUp::Polling::Nothing; };
    // A look() asks for the demand after the sources were prepared.
    if (!isPolling() || m_iterations.isRunBy(ContextIteration::Phase::Preparing))
        return;
    if (m_glibDriver)
        m_glibDriver->dropEndedPolls(false);
    if (isPolling())
        m_wakeUp.requestHere();
}

void GLibSelectorPrivate::beginWait()
{
    if (m_glibDriver)
        m_glibDriver->dropEndedPolls(true);
}

GLibSelectorPrivate::Result GLibSelectorPrivate::look(EventLoop &loop, const Look &look)
{
    m_now = Clock::now();
    if (m_glibDriver)
        m_glibDriver->takeLatePolled();
    Result result;
    if (isSettledWithoutSources(loop, look)) {
        m_hasTakenWakeUp = result.wasWoken = m_wakeUp.take();
        m_descriptors.requireCheck();
        return result;
    }

    m_counters.add(m_counters.inQt, m_now);
    enter(m_activity, Activity::Step::Preparing);
    const ContextOwnership::Scope owner(m_ownership);
    ContextIteration iteration(m_context, m_iterations);
    EventLoop::Demand demand;
    std::size_t ownCount = 0; // of m_pollFds
    std::size_t glibCount = 0; // ... that follow
    bool isPrepared = false; // one of GLib's sources is ready without a poll
    bool isGLibReady = false; // ... or may be after it
    {
        const PollingScope polling(m_wakeUp);
        const TimePoint start = m_now;
        isPrepared = owner.isOwned() && iteration.prepare();
        demand = loop.demand(); // sources may have changed it while they were prepared
        if (demand.descriptors) {
            m_descriptors.beginLook();
            m_descriptors.flush(Descriptors::Changes::AreOftenUndone);
        }
        std::optional<Duration> glibLimit;
        if (owner.isOwned())
            glibLimit = iteration.query(m_glibFds);
        else
            m_glibFds.clear();
        glibCount = m_glibFds.size();
        m_quickFds.clear();

        Duration limit = timeout(demand, look.mayBlock, owner.isOwned());
        limit = std::min(limit, glibLimit.value_or(limit));
        // A poll that neither sleeps nor looks at descriptors could only find wake-ups. The loop's are known without
        // it, and the context's are left to a later poll: their descriptor is the one that query() always
        // returns, unless only higher priorities matter.
        const std::size_t glibWakeUps = iteration.priority() >= G_PRIORITY_DEFAULT ? 1 : 0;
        const bool pollsDescriptors = demand.descriptors && m_descriptors.isPolled();
        if (!m_glibReports.empty())
            limit = Duration::zero();
        ownCount = collectPollFds(m_pollFds, pollsDescriptors, true);
        if (limit > Duration::zero() || pollsDescriptors || glibCount > glibWakeUps)
            poll(owner.isOwned(), ownCount, limit, &result);
        takeGLibReports(m_pollFds.data() + ownCount, glibCount, iteration.priority() == G_MAXINT);
        m_hasTakenWakeUp = result.wasWoken = m_wakeUp.take();
        if (glibLimit && *glibLimit > Duration::zero())
            m_now = Clock::now();
        m_lastPoll = m_lastIteration = m_now;
        isGLibReady = isAnyReady(m_pollFds.data() + ownCount, glibCount)
            || (glibLimit && m_now - start >= *glibLimit - 1ms); // GLib has rounded it up
    }

    if (owner.isOwned()) {
        const int lowest = m_glibDriver ? m_glibDriver->rank(hasWork(demand, m_now), demand.hasIdleWork) : G_MAXINT;
        const bool isDispatching = iteration.check(m_pollFds.data() + ownCount, glibCount);
        if (m_glibDriver)
            m_glibDriver->unrank();
        if (isDispatching) {
            const bool drove = m_glibDriver && m_glibDriver->suspend();
            enter(m_activity, Activity::Step::GLibSources);
            iteration.dispatch();
            if (m_isClosed)
                return result;
            if (m_glibDriver)
                m_glibDriver->restore(drove);
        }
        // GLib does not tell what it has dispatched. If the loop had work, it may have been that alone.
        result.glibWorked = isDispatching
            && (lowest == G_MAXINT || isGLibReady || (isPrepared && iteration.priority() <= lowest));
        const bool isKnown = !result.error.value_or(std::error_code()); // the poll may have failed
        m_glibIsIdle = isKnown && !isGLibReady && !result.glibWorked;
        if (result.glibWorked) {
            m_now = Clock::now();
            m_counters.add(m_counters.inGLib, m_now);
        }
    }
    if (demand.descriptors) {
        // What has become ready since is left to the next look, in which GLib's priorities count.
        if ((result.glibWorked && m_descriptors.hasReady()) || m_descriptors.isChanged())
            m_descriptors.lookAgain();
        m_descriptors.finishLook(!look.mayBeQuick);
    }
    result.isEmpty = !result.glibWorked && !demand.hasIdleWork && !hasWork(demand, m_now);
    if (!result.isEmpty)
        m_descriptors.requireCheck();
    return result;
}

/// Whether GLib's sources need not be asked: they had nothing to do a moment ago, and the loop has work. Their descriptors
/// are polled meanwhile, if they are few.
bool GLibSelectorPrivate::isSettledWithoutSources(EventLoop &loop, const Look &look)
{
    if (!look.mayBeQuick || !m_glibIsIdle)
        return false;
    const bool pollsGLib = m_glibFds.size() <= FewDescriptors && !m_hasPollFunction;
    if (m_now - m_lastIteration >= (pollsGLib ? SourcesInterval : PollInterval))
        return false;
    const EventLoop::Demand demand = loop.demand();
    const bool loopHasWork = demand.hasIdleWork || hasWork(demand, m_now);
    const bool isOutputNew = demand.descriptors && m_descriptors.isOutputNew();
    if (loopHasWork) {
        const bool isChanged = demand.descriptors && (m_descriptors.isChanged() || m_descriptors.isSetReady());
        if (!isChanged && m_now - m_lastPoll < PollInterval)
            return true;
    } else if (!look.mayBlock) {
        return false;
    } else if (!isOutputNew && !m_quickLooks.isDue()) {
        return false;
    }

    // To poll the context's wake-up alone takes longer than to ask the sources.
    const bool hasDescriptors = demand.descriptors && (m_descriptors.isPolled() || m_descriptors.isChanged());
    if (!hasDescriptors && m_glibFds.size() <= 1)
        return false;
    if (demand.descriptors) {
        m_descriptors.beginLook();
        m_descriptors.flush(Descriptors::Changes::AreOftenUndone);
    }
    const bool pollsOwn = demand.descriptors && m_descriptors.isPolled();
    if (m_quickFds.empty() || m_quickFdsState != m_descriptors.pollFdsState() || m_quickFdsHaveOwn != pollsOwn) {
        collectPollFds(m_quickFds, pollsOwn, pollsGLib);
        m_quickFdsState = m_descriptors.pollFdsState();
        m_quickFdsHaveOwn = pollsOwn;
    }
    const int count = g_poll(m_quickFds.data(), guint(m_quickFds.size()), 0);
    if (loopHasWork)
        m_lastPoll = m_now = Clock::now();
    if (count > 0) {
        const std::size_t ownCount = pollsOwn ? m_descriptors.pollFds().size() : 0;
        GPollFD *const end = m_quickFds.data() + m_quickFds.size();
        shareResults(m_quickFds.data(), ownCount, end);
        m_descriptors.note(m_quickFds.data(), ownCount);
        std::copy_if(m_quickFds.data() + ownCount, end, std::back_inserter(m_glibReports), isReady);
        if (!m_glibReports.empty())
            return false;
    }
    if (demand.descriptors)
        m_descriptors.finishLook(false);
    const bool hasFound = demand.descriptors && m_descriptors.hasReady();
    if (!loopHasWork && !isOutputNew)
        m_quickLooks.note(hasFound);
    return loopHasWork || hasFound;
}

/// Gives what a poll has found for a file to both the loop, whose descriptors come first, and GLib: a file that reports a change to one
/// poll only has told the first of two elements.
void GLibSelectorPrivate::shareResults(GPollFD *own, std::size_t ownCount, GPollFD *end)
{
    GPollFD *const glib = own + ownCount;
    std::for_each(glib, end, [&](GPollFD &second) {
        if (!m_descriptors.isPolled(second.fd))
            return;
        GPollFD *const first = std::find_if(own, glib, [&](const GPollFD &fd) { return fd.fd == second.fd; });
        if (first == glib)
            return;
        constexpr unsigned Always = G_IO_ERR | G_IO_HUP | G_IO_NVAL;
        const unsigned found = first->revents | second.revents;
        first->revents = gushort(found & (first->events | Always));
        second.revents = gushort(found & (second.events | Always));
    });
}

/// Adds to the results of a poll of @p fds what was found before, if no later poll would find it. @p areAll tells whether all
/// sources are polled, not only those of high priority.
void GLibSelectorPrivate::takeGLibReports(GPollFD *fds, std::size_t count, bool areAll)
{
    if (m_glibReports.empty())
        return;
    const auto isTaken = [=](const GPollFD &report) {
        GPollFD *const end = fds + count;
        GPollFD *const polled = std::find_if(fds, end, [&](const GPollFD &fd) { return fd.fd == report.fd; });
        if (polled != end && (polled->revents & report.revents) == report.revents)
            return true;
        const FileType type = fileType(report.fd);
        if (type == FileType::LevelTriggered || type == FileType::Unknown)
            return true;
        if (polled == end)
            return areAll;
        polled->revents |= report.revents & (polled->events | G_IO_ERR | G_IO_HUP);
        return true;
    };
    m_glibReports.erase(std::remove_if(m_glibReports.begin(), m_glibReports.end(), isTaken), m_glibReports.end());
}

/// Sets @p fds to the loop's descriptors, whose number is returned, and those of GLib's sources. The own ones come first:
/// they are ready more often, and once poll(2) has found one that is, it no longer enters itself in the queue of each file.
std::size_t GLibSelectorPrivate::collectPollFds(std::vector<GPollFD> &fds, bool own, bool glib) const
{
    fds.clear();
    if (own)
        fds = m_descriptors.pollFds();
    const std::size_t count = fds.size();
    if (glib)
        fds.insert(fds.end(), m_glibFds.begin(), m_glibFds.end());
    return count;
}

GLibSelectorPrivate::Duration GLibSelectorPrivate::timeout(const EventLoop::Demand &demand, bool mayBlock,
                                                           bool isOwned)
{
    auto limit = Duration::max();
    if (demand.descriptors)
        limit = m_descriptors.checkSet(m_now);
    if (!mayBlock || demand.hasIdleWork || hasWork(demand, m_now))
        return Duration::zero();
    if (demand.deadline != Never)
        limit = std::min(limit, demand.deadline - m_now);
    return isOwned ? limit : std::min(limit, m_ownership.retryInterval(m_now));
}

/// Polls m_pollFds, of which so many are the loop's descriptors.
void GLibSelectorPrivate::poll(bool isOwned, std::size_t ownCount, Duration timeout, Result *result)
{
    const std::size_t glibCount = m_pollFds.size() - ownCount;
    m_pollFds.push_back({m_wakeUp.fd(), G_IO_IN, 0});

    if (timeout > Duration::zero()) {
        m_counters.endTurn(m_now);
        enter(m_activity, Activity::Step::Asleep);
    }
    const GPollFunc function = isOwned ? g_main_context_get_poll_func(m_context) : g_poll;
    m_hasPollFunction = function != g_poll;
    int count;
    if (!m_hasPollFunction) {
        count = pollFor(m_pollFds, timeout);
    } else {
        // It may run an event loop.
        std::vector<GPollFD> fds = std::exchange(m_pollFds, {});
        count = function(fds.data(), guint(fds.size()), toMilliseconds(timeout));
        m_pollFds = std::move(fds);
    }
    const int failure = count < 0 ? errno : 0;
    if (count < 0) {
        for (GPollFD &fd : m_pollFds)
            fd.revents = 0;
    }
    shareResults(m_pollFds.data(), ownCount, m_pollFds.data() + ownCount + glibCount);
    if (failure && failure != EINTR)
        std::this_thread::sleep_for(std::min(timeout, SleepAfterFailure));
    if (timeout > Duration::zero()) {
        m_now = Clock::now();
        const bool isWakeUp = m_pollFds.back().revents != 0;
        m_counters.wake(m_now, count, isWakeUp, isAnyReady(m_pollFds.data() + ownCount, glibCount));
        if (isWakeUp)
            result->wakeUpTime = m_now - m_wakeUp.signalTime();
        enter(m_activity, Activity::Step::Preparing);
    }

    if (m_pollFds.back().revents)
        m_wakeUp.drain();
    m_descriptors.note(m_pollFds.data(), ownCount);
    result->error = std::error_code(failure == EINTR ? 0 : failure, std::generic_category());
}

void GLibSelectorPrivate::attach(EventLoop *loop, int priority)
{
    m_glibDriver = std::make_unique<GLibDriver>(this, loop, priority);
}

void GLibSelectorPrivate::setPriority(int priority)
{
    if (m_glibDriver)
        m_glibDriver->setPriority(priority);
}

void GLibSelectorPrivate::detach()
{
    m_glibDriver.reset();
}
