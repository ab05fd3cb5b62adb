// SPDX-License-Identifier: MIT

#include "glibselector_p.h"

#include "../diagnosis/activity.h"

#include <algorithm>
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
    if (G_UNLIKELY(activity))
        activity->enter(step);
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
    bool isPrepared = false; // one of GLib's sources is ready without a poll
    bool isGLibReady = false; // ... or may be after it
    {
        const PollingScope polling(m_wakeUp);
        const TimePoint start = m_now;
        if (owner.isOwned()) {
            if (m_glibDriver)
                m_glibDriver->beginPreparing();
            isPrepared = iteration.prepare();
            if (m_glibDriver)
                m_glibDriver->endPreparing();
        }
        demand = loop.demand(); // sources may have changed it while they were prepared
        if (demand.descriptors) {
            m_descriptors.beginLook();
            m_descriptors.flush(Descriptors::Changes::AreOftenUndone);
        }
        iteration.leaveOutBelow(lowestPriority(hasWork(demand, m_now), demand.hasIdleWork));
        if (owner.isOwned())
            m_poll.queryGLib(iteration);
        else
            m_poll.clearGLib();
        m_isQuickPollSafe.reset();

        const std::optional<Duration> glibLimit = iteration.timeout();
        Duration limit = timeout(demand, look.mayBlock, owner.isOwned());
        limit = std::min(limit, glibLimit.value_or(limit));
        // A poll that neither sleeps nor looks at descriptors could only find wake-ups. The loop's are known without
        // it, and the context's are left to a later poll: their descriptor is the one that query() always
        // returns, unless only higher priorities matter.
        const std::size_t glibWakeUps = iteration.lowestPriority() >= G_PRIORITY_DEFAULT ? 1 : 0;
        const bool pollsDescriptors = demand.descriptors && m_descriptors.isPolled();
        m_poll.setOwn(m_descriptors, pollsDescriptors);
        if (limit > Duration::zero() || pollsDescriptors || m_poll.glibCount() > glibWakeUps)
            poll(owner.isOwned(), limit, &result);
        m_hasTakenWakeUp = result.wasWoken = m_wakeUp.take();
        if (glibLimit && *glibLimit > Duration::zero())
            m_now = Clock::now();
        m_lastPoll = m_lastIteration = m_now;
        // A source that was ready before has made it zero. And GLib has rounded it up.
        isGLibReady = m_poll.isGLibReady() || (!isPrepared && glibLimit && m_now - start >= *glibLimit - 1ms);
    }

    if (owner.isOwned()) {
        const bool loopHasWork = hasWork(demand, m_now);
        const int lowest = lowestPriority(loopHasWork, demand.hasIdleWork);
        if (m_glibDriver)
            m_glibDriver->rank(loopHasWork, demand.hasIdleWork);
        const bool isDispatching = iteration.check(m_poll.glib(), m_poll.glibCount());
        const bool isRankReached = m_glibDriver && m_glibDriver->unrank();
        if (isDispatching) {
            const bool drove = m_glibDriver && m_glibDriver->suspend();
            enter(m_activity, Activity::Step::GLibSources);
            m_glibIsIdle = false; // for loops in the callbacks
            iteration.dispatch();
            if (m_isClosed)
                return result;
            if (m_glibDriver)
                m_glibDriver->restore(drove);
        }
        // GLib does not tell what it has dispatched. If it came to the loop's work, that may have been alone.
        result.glibWorked = isDispatching
            && (!isRankReached || isGLibReady || (isPrepared && iteration.priority() <= lowest));
        const bool isKnown = result.error.value_or(0) == 0; // the poll may have failed
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

/// GLib's sources below it wait for that work of the loop.
int GLibSelectorPrivate::lowestPriority(bool hasWork, bool hasIdleWork) const
{
    return m_glibDriver ? m_glibDriver->lowestPriority(hasWork, hasIdleWork) : G_MAXINT;
}

/// Whether GLib's sources need not be asked: they had nothing to do a moment ago, and the loop has work. Their descriptors
/// are polled meanwhile, if they are few. A file that reports a change to one poll only is not polled here: it may have a
/// source that is new, and one that is blocked or gone must not take the report.
bool GLibSelectorPrivate::isSettledWithoutSources(EventLoop &loop, const Look &look)
{
    if (!look.mayBeQuick || !m_glibIsIdle)
        return false;
    const bool pollsGLib = m_poll.glibCount() <= FewDescriptors && !m_hasPollFunction;
    if (m_now - m_lastIteration >= (pollsGLib ? SourcesInterval : PollInterval))
        return false;
    const EventLoop::Demand demand = loop.demand();
    const bool loopHasWork = demand.hasIdleWork || hasWork(demand, m_now);
    const bool isOutputNew = demand.descriptors && m_descriptors.isOutputNew();
    if (loopHasWork) {
        const bool isChanged = demand.descriptors && (m_descriptors.isChanged() || m_descriptors.isSetReady());
        if (!isChanged && m_now - m_lastPoll < PollInterval)
            return true;
    } else if (!look.mayBlock || (!isOutputNew && !m_quickLooks.isDue())) {
        return false;
    }

    // To poll the context's wake-up alone takes longer than to ask the sources.
    const bool hasDescriptors = demand.descriptors && (m_descriptors.isPolled() || m_descriptors.isChanged());
    if (!hasDescriptors && m_poll.glibCount() <= 1)
        return false;
    if (demand.descriptors) {
        m_descriptors.beginLook();
        m_descriptors.flush(Descriptors::Changes::AreOftenUndone);
    }
    const bool pollsOwn = demand.descriptors && m_descriptors.isPolled();
    if (m_poll.setOwn(m_descriptors, pollsOwn) || !m_isQuickPollSafe)
        m_isQuickPollSafe = (!pollsOwn || m_descriptors.areLevelTriggered()) && (!pollsGLib || areGLibsLevelTriggered());
    if (!*m_isQuickPollSafe) {
        if (!loopHasWork && !isOutputNew)
            m_quickLooks.note(false);
        return false;
    }
    const int count = g_poll(m_poll.own(), guint(m_poll.ownCount() + (pollsGLib ? m_poll.glibCount() : 0)), 0);
    if (loopHasWork)
        m_lastPoll = m_now = Clock::now();
    if (count > 0) {
        if (pollsGLib && m_poll.isGLibReady())
            return false;
        m_descriptors.note(m_poll.own(), m_poll.ownCount());
    }
    if (demand.descriptors)
        m_descriptors.finishLook(false);
    const bool hasFound = demand.descriptors && m_descriptors.hasReady();
    if (!loopHasWork && !isOutputNew)
        m_quickLooks.note(hasFound);
    return loopHasWork || hasFound;
}

/// Whether all files that GLib's sources poll are. The system is asked when they have changed.
bool GLibSelectorPrivate::areGLibsLevelTriggered()
{
    const auto isSame = [](const GPollFD &a, const GPollFD &b) { return a.fd == b.fd && a.events == b.events; };
    const GPollFD *const begin = m_poll.glib();
    const GPollFD *const end = begin + m_poll.glibCount();
    if (!std::equal(begin, end, m_knownGLibFds.begin(), m_knownGLibFds.end(), isSame)) {
        m_knownGLibFds.assign(begin, end);
        m_areGLibsLevelTriggered = std::all_of(begin, end, [](const GPollFD &fd) {
            return fileType(fd.fd) == FileType::LevelTriggered;
        });
    }
    return m_areGLibsLevelTriggered;
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

/// Polls m_poll.
void GLibSelectorPrivate::poll(bool isOwned, Duration timeout, Result *result)
{
    m_poll.setWakeUp(m_wakeUp.fd());
    if (timeout > Duration::zero()) {
        m_counters.endTurn(m_now);
        enter(m_activity, Activity::Step::Asleep);
    }
    const GPollFunc function = isOwned ? g_main_context_get_poll_func(m_context) : g_poll;
    m_hasPollFunction = function != g_poll;
    int count;
    if (!m_hasPollFunction) {
        count = pollFor(m_poll.fds(), timeout);
    } else {
        // It may run an event loop.
        PollArray polled = std::exchange(m_poll, {});
        polled.clearResults(); // it need not write what it has not found
        count = function(polled.fds().data(), guint(polled.fds().size()), toMilliseconds(timeout));
        m_poll = std::move(polled);
    }
    const int failure = count < 0 ? errno : 0;
    if (count < 0)
        m_poll.clearResults();
    m_poll.shareResults(m_descriptors);
    if (failure && failure != EINTR)
        std::this_thread::sleep_for(std::min(timeout, SleepAfterFailure));
    if (timeout > Duration::zero()) {
        m_now = Clock::now();
        const bool isWakeUp = m_poll.isWakeUpReady();
        m_counters.wake(m_now, count, isWakeUp, m_poll.isGLibReady());
        if (isWakeUp)
            result->wakeUpTime = m_now - m_wakeUp.signalTime();
        enter(m_activity, Activity::Step::Preparing);
    }

    if (m_poll.isWakeUpReady())
        m_wakeUp.drain();
    m_descriptors.note(m_poll.own(), m_poll.ownCount());
    if (function != g_poll)
        m_poll.setOwn(m_descriptors, false); // it may have changed what is polled, for this time
    result->error = failure == EINTR ? 0 : failure;
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
