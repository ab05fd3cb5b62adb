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
    , m_idleWork(this, selector->context(), idlePriority(priority))
{
}

void GLibDriver::setPriority(int priority)
{
    m_priority = priority;
    m_work.setPriority(priority);
    m_idleWork.setPriority(idlePriority(priority));
}

int GLibDriver::rank(bool hasWork, bool hasIdleWork)
{
    m_work.ranks = hasWork;
    m_idleWork.ranks = hasIdleWork;
    return hasWork ? m_priority : hasIdleWork ? idlePriority(m_priority) : G_MAXINT;
}

bool GLibDriver::prepare(int *timeout)
{
    // If the last poll found a source of higher priority ready, GLib has not asked for what it found for the loop.
    takeLatePolled();
    if (m_selector->iterations().isRunBy(ContextIteration::Phase::Preparing)) {
        m_work.setPollFds({});
        return false;
    }
    m_drives = true;
    enterGLibLoop(m_selector->activity(), Activity::Step::Awake);
    m_loop->awake();

    // GLib polls a descriptor of its own for wake-ups. A forked process has the same one, and takes what is for this.
    const auto polling = hasForked() ? WakeUp::Polling::Descriptor : WakeUp::Polling::Context;
    beginPolling(polling);
    Time time;
    EventLoop::Demand demand = m_loop->demand();
    if (!demand.hasIdleWork && !hasWork(demand, time)) {
        enterGLibLoop(m_selector->activity(), Activity::Step::AboutToBlock);
        m_loop->aboutToBlock();
        demand = m_loop->demand();
    }
    enterGLibLoop(m_selector->activity(), Activity::Step::Asleep);

    Descriptors &descriptors = m_selector->descriptors();
    auto limit = Descriptors::Duration::max();
    if (demand.descriptors) {
        descriptors.beginLook();
        if (descriptors.needsCheck())
            limit = descriptors.checkSet(time.now());
        descriptors.flush(Descriptors::Changes::ToSet);
    }
    setPollFds(polling == WakeUp::Polling::Descriptor ? m_selector->wakeUp().fd() : -1, demand.descriptors);
    if (hasWork(demand, time)) {
        enterGLibLoop(m_selector->activity(), Activity::Step::GLibSources); // GLib does not ask again before it dispatches
        return true;
    }
    if (demand.deadline != EventLoop::Never)
        limit = std::min(limit, demand.deadline - time.now());
    if (limit != Descriptors::Duration::max())
        *timeout = toMilliseconds(limit);
    return false;
}

bool GLibDriver::check()
{
    if (m_selector->iterations().isRunBy(ContextIteration::Phase::Checking))
        return m_work.ranks;
    endPolling();
    enterGLibLoop(m_selector->activity(), Activity::Step::GLibSources);
    Time time;
    return hasWork(m_loop->demand(), time);
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
    if (m_isPolling)
        endPolling(); // GLib does not check a source that was ready before the poll
    enterGLibLoop(m_selector->activity(), Activity::Step::GLibSources, 1);
    m_selector->descriptors().requireCheck();
    m_loop->turn();
}

bool GLibDriver::hasWork(const EventLoop::Demand &demand, Time &time) const
{
    return m_selector->hasWork(demand)
        || (demand.deadline != EventLoop::Never && demand.deadline <= time.now());
}

void GLibDriver::beginPolling(WakeUp::Polling polling)
{
    WakeUp &wakeUp = m_selector->wakeUp();
    // A poll function of the program's may run this loop, and polls after that.
    const bool mayBeInPoll = wakeUp.polling() != WakeUp::Polling::Nothing
        && g_main_context_get_poll_func(m_selector->context()) != g_poll;
    m_outerPolling = mayBeInPoll ? wakeUp.polling() : WakeUp::Polling::Nothing;
    wakeUp.setPolling(polling);
    m_isPolling = true;
}

void GLibDriver::endPolling()
{
    m_isPolling = false;
    m_selector->wakeUp().setPolling(std::exchange(m_outerPolling, WakeUp::Polling::Nothing));
    takePolled(Results::New);
}

void GLibDriver::takeLatePolled()
{
    m_isPolling = false;
    takePolled(Results::Late);
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
