// SPDX-License-Identifier: MIT

#include "glibdriver.h"

#include "glibselector_p.h"

#include "../diagnosis/activity.h"

namespace {

/// @p callbacks: how many of the loop's callbacks are running.
void enterGLibLoop(Activity *activity, Activity::Step step, int callbacks = 0)
{
    if (activity)
        activity->enterGLibLoop(step, g_main_depth() - callbacks);
}

}

GLibDriver::GLibDriver(GLibSelectorPrivate *selector, EventLoop *loop, int priority)
    : m_selector(selector)
    , m_loop(loop)
    , m_work(this, selector->context(), priority)
    , m_idleWork(this, selector->context(), Ranking::idlePriority(priority))
{
}

void GLibDriver::setPriority(int priority)
{
    m_work.setPriority(priority);
    m_idleWork.setPriority(Ranking::idlePriority(priority));
}

bool GLibDriver::prepare(int *timeout)
{
    // If the last poll found a source of higher priority ready, GLib has not asked for what it found for the loop.
    takePolled();
    if (m_selector->iterations().isRunBy(ContextIteration::Phase::Preparing)) {
        m_work.setPollFds({});
        return false;
    }
    m_drives = true;
    enterGLibLoop(m_selector->activity(), Activity::Step::Awake);
    m_loop->awake();

    WakeUp &wakeUp = m_selector->wakeUp();
    wakeUp.setPolling(true);
    const GLibSelectorPrivate::TimePoint now = GLibSelectorPrivate::Clock::now();
    EventLoop::Demand demand = m_loop->demand();
    if (!demand.hasIdleWork && !m_selector->hasWork(demand, now)) {
        enterGLibLoop(m_selector->activity(), Activity::Step::AboutToBlock);
        m_loop->aboutToBlock();
        demand = m_loop->demand();
    }
    enterGLibLoop(m_selector->activity(), Activity::Step::Asleep);

    Descriptors &descriptors = m_selector->descriptors();
    auto limit = Descriptors::Duration::max();
    m_pollFds.assign(1, {wakeUp.fd(), G_IO_IN, 0});
    if (demand.descriptors) {
        descriptors.beginLook();
        limit = descriptors.checkSet(now);
        descriptors.flush(Descriptors::Changes::ToSet);
        const std::vector<GPollFD> &fds = descriptors.pollFds();
        m_pollFds.insert(m_pollFds.end(), fds.begin(), fds.end());
    }
    m_work.setPollFds(m_pollFds);
    if (m_selector->hasWork(demand, now)) {
        enterGLibLoop(m_selector->activity(), Activity::Step::GLibSources); // GLib does not ask again before it dispatches
        return true;
    }
    if (demand.deadline != EventLoop::Never)
        limit = std::min(limit, demand.deadline - now);
    if (limit != Descriptors::Duration::max())
        *timeout = toMilliseconds(limit);
    return false;
}

bool GLibDriver::check()
{
    if (m_selector->iterations().isRunBy(ContextIteration::Phase::Checking))
        return false;
    endPolling();
    enterGLibLoop(m_selector->activity(), Activity::Step::GLibSources);
    takePolled();
    return m_selector->hasWork(m_loop->demand(), GLibSelectorPrivate::Clock::now());
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
    endPolling();
    enterGLibLoop(m_selector->activity(), Activity::Step::GLibSources, 1);
    takePolled();
    m_selector->descriptors().requireCheck();
    m_selector->setNow(GLibSelectorPrivate::Clock::now());
    m_loop->turn();
}

/// A poll function that the selector has called may run a GLib loop, and polls after that.
void GLibDriver::endPolling()
{
    m_selector->wakeUp().setPolling(m_selector->iterations().isRunBy(ContextIteration::Phase::Polling));
}

void GLibDriver::takePolled()
{
    m_pollFds.clear();
    if (!m_work.takePolled(m_pollFds))
        return;
    if (m_pollFds.front().revents)
        m_selector->wakeUp().drain();
    m_selector->descriptors().note(m_pollFds.data() + 1, m_pollFds.size() - 1);
}
