// SPDX-License-Identifier: MIT

#include "glibdriver.h"

#include "forks.h"
#include "glibselector_p.h"

#include "../diagnosis/activity.h"

#include <algorithm>

namespace {

/// @p callbacks: how many of the loop's callbacks are running.
void enterGLibLoop(Activity *activity, Activity::Step step, int callbacks = 0)
{
    if (activity)
        activity->enterGLibLoop(step, g_main_depth() - callbacks);
}

int idlePriority(int priority)
{
    return std::max(priority, G_PRIORITY_DEFAULT_IDLE);
}

}

/// The time of one step. To read the clock is a good part of what a step costs, so that is left until somebody asks.
class GLibDriver::Time
{
public:
    GLibSelectorPrivate::TimePoint now()
    {
        if (!m_now)
            m_now = GLibSelectorPrivate::Clock::now();
        return *m_now;
    }

private:
    std::optional<GLibSelectorPrivate::TimePoint> m_now;
};

GLibDriver::GLibDriver(GLibSelectorPrivate *selector, EventLoop *loop, int priority)
    : m_selector(selector)
    , m_loop(loop)
    , m_priority(priority)
    , m_work(this, selector->context(), priority)
{
}

void GLibDriver::setPriority(int priority)
{
    m_priority = priority;
    m_work.setPriority(priority);
    if (m_idleWork)
        m_idleWork->setPriority(idlePriority(priority));
}

/// The sources have nothing to tell then. If GLib polls something for the loop, prepare() drops that; but not if GLib does not
/// get so far, because it is asking a source already, or one of higher priority is ready.
void GLibDriver::beginPreparing()
{
    setPrepares(!m_work.pollFds().empty());
}

void GLibDriver::setPrepares(bool prepares)
{
    m_work.setPrepares(prepares);
    if (m_idleWork)
        m_idleWork->setPrepares(prepares);
}

int GLibDriver::lowestPriority(bool hasWork, bool hasIdleWork) const
{
    return hasWork ? m_priority : hasIdleWork ? idlePriority(m_priority) : G_MAXINT;
}

void GLibDriver::rank(bool hasWork, bool hasIdleWork)
{
    m_isAsked = false;
    if (hasIdleWork)
        attachIdleSource();
    m_work.rank(hasWork);
    if (m_idleWork)
        m_idleWork->rank(hasIdleWork);
}

bool GLibDriver::unrank()
{
    m_work.unrank();
    if (m_idleWork)
        m_idleWork->unrank();
    return m_isAsked;
}

void GLibDriver::attachIdleSource()
{
    if (!m_idleWork)
        m_idleWork.emplace(this, m_selector->context(), idlePriority(m_priority));
}

void GLibDriver::prepare(int *timeout)
{
    // If the last poll found a source of higher priority ready, GLib has not asked for what it found for the loop.
    takeLatePolled();
    if (m_selector->iterations().isRunBy(ContextIteration::Phase::Preparing)) {
        m_work.setPollFds({});
        return;
    }
    m_drives = true;
    enterGLibLoop(m_selector->activity(), Activity::Step::Awake);
    m_loop->awake();

    Time time;
    EventLoop::Demand demand = m_loop->demand();
    bool isChanged = false;
    if (!demand.hasIdleWork && !hasWork(demand, time)) {
        enterGLibLoop(m_selector->activity(), Activity::Step::AboutToBlock);
        isChanged = m_loop->aboutToBlock();
    }
    beginPolling(__builtin_frame_address(0));
    if (isChanged) {
        demand = m_loop->demand();
        time = {};
    }

    if (demand.hasIdleWork)
        attachIdleSource(); // it is asked after this one

    Descriptors &descriptors = m_selector->descriptors();
    auto limit = Descriptors::Duration::max();
    if (demand.descriptors) {
        descriptors.beginLook();
        if (descriptors.needsCheck())
            limit = descriptors.checkSet(time.now());
        descriptors.flush(Descriptors::Changes::ToSet);
    }
    const bool pollsOwn = m_selector->wakeUp().polling() == WakeUp::Polling::Descriptor;
    setPollFds(pollsOwn ? m_selector->wakeUp().fd() : -1, demand.descriptors);
    m_hadWork = hasWork(demand, time);
    enterGLibLoop(m_selector->activity(), m_hadWork ? Activity::Step::GLibSources : Activity::Step::Asleep);
    if (m_hadWork)
        limit = Descriptors::Duration::zero();
    else if (demand.deadline != EventLoop::Never)
        limit = std::min(limit, demand.deadline - time.now());
    if (limit != Descriptors::Duration::max())
        *timeout = toMilliseconds(limit);
}

/// Whether an iteration of the selector asks the sources.
bool GLibDriver::isRanking() const
{
    return m_selector->iterations().isRunBy(ContextIteration::Phase::Checking);
}

bool GLibDriver::check()
{
    endPolling();
    enterGLibLoop(m_selector->activity(), Activity::Step::GLibSources);
    Time time;
    return m_hadWork || hasWork(m_loop->demand(), time);
}

bool GLibDriver::prepareIdle()
{
    return !m_selector->iterations().isRunBy(ContextIteration::Phase::Preparing)
        && m_loop->demand().hasIdleWork;
}

void GLibDriver::dispatch()
{
    if (!m_drives)
        return;
    // GLib may have polled without asking: a source that it has found ready stays so until it is dispatched.
    takeLatePolled();
    enterGLibLoop(m_selector->activity(), Activity::Step::GLibSources, 1);
    m_selector->descriptors().requireCheck();
    m_loop->turn();
}

bool GLibDriver::hasWork(const EventLoop::Demand &demand, Time &time) const
{
    return m_selector->hasWork(demand)
        || (demand.deadline != EventLoop::Never && demand.deadline <= time.now());
}

/// To be called before the last look for work in front of a poll. Polls are nested if a poll function of the program's
/// runs this loop, or if the program itself takes the steps of an iteration and runs it in between.
void GLibDriver::beginPolling(const void *frame)
{
    dropEndedPolls(false);
    const int depth = g_main_depth();
    const auto before = std::find_if(m_polls.begin(), m_polls.end(), [=](const Poll &poll) {
        return poll.frame == frame && poll.depth == depth;
    });
    m_polls.erase(before, m_polls.end());
    m_polls.push_back({frame, depth, m_selector->iterations().innermost});
    setPolling();
}

void GLibDriver::endPolling()
{
    if (!m_polls.empty())
        m_polls.pop_back();
    setPolling();
    takePolled(Results::New);
}

/// Drops those that are over for certain. To drop one that is to come would lose wake-ups, and to keep one that is over
/// only costs system calls and turns in vain.
void GLibDriver::dropEnded(bool waits)
{
    const int depth = g_main_depth();
    const bool mayBeNested = g_main_context_get_poll_func(m_selector->context()) != g_poll;
    const std::size_t count = m_polls.size();
    while (!m_polls.empty()) {
        const int pollDepth = m_polls.back().depth;
        const bool isOver = pollDepth > depth || (!mayBeNested && (pollDepth < depth || waits));
        if (!isOver)
            break;
        m_polls.pop_back();
    }
    if (m_polls.size() < count)
        setPolling();
}

/// Tells other threads how to end the innermost poll.
void GLibDriver::setPolling()
{
    const ContextIteration::Stack &iterations = m_selector->iterations();
    const bool isSelectors = iterations.isRunBy(ContextIteration::Phase::Polling)
        && (m_polls.empty() || m_polls.back().iteration != iterations.innermost);
    auto polling = WakeUp::Polling::Nothing;
    if (isSelectors)
        polling = WakeUp::Polling::Descriptor;
    else if (!m_polls.empty()) // a forked process has GLib's descriptor as well, and takes what is for this one
        polling = hasForked() ? WakeUp::Polling::Descriptor : WakeUp::Polling::Context;
    m_selector->wakeUp().setPolling(polling);
}

/// Has GLib poll @p wakeUpFd, unless it is negative, and the descriptors if @p withOthers. Mostly it does already.
void GLibDriver::setPollFds(int wakeUpFd, bool withOthers)
{
    const Descriptors &descriptors = m_selector->descriptors();
    const std::optional<unsigned> others = withOthers ? std::optional(descriptors.pollFdsState()) : std::nullopt;
    const std::deque<GPollFD> &polled = m_work.pollFds();
    if (polled.empty() == m_pollsNothing && wakeUpFd == m_polledWakeUpFd && others == m_polledOthers)
        return;
    m_pollFds.assign(1, {wakeUpFd, G_IO_IN, 0});
    if (withOthers)
        m_pollFds.insert(m_pollFds.end(), descriptors.pollFds().begin(), descriptors.pollFds().end());
    m_work.setPollFds(m_pollFds);
    m_pollsNothing = polled.empty();
    m_polledWakeUpFd = wakeUpFd;
    m_polledOthers = others;
}

void GLibDriver::takePolled(Results results)
{
    std::deque<GPollFD> &polled = m_work.pollFds();
    for (GPollFD &fd : polled) {
        if (!fd.revents)
            continue;
        if (&fd == &polled.front() && m_polledWakeUpFd >= 0)
            m_selector->wakeUp().drain();
        else if (results == Results::New)
            m_selector->descriptors().note(fd);
        else
            m_selector->descriptors().noteLate(fd);
        fd.revents = 0;
    }
}
