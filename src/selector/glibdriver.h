// SPDX-License-Identifier: MIT

#ifndef GLIBDRIVER_H
#define GLIBDRIVER_H

#include "contextsource.h"
#include "eventloop.h"
#include "wakeup.h"

#include <optional>
#include <utility>
#include <vector>

class ContextIteration;
class GLibSelectorPrivate;

/**
 * An event loop's place among GLib's sources: one source for its work, and one of lower priority for its idle work, once it
 * has had any: GLib asks each source in each iteration.
 *
 * While somebody else iterates the context in the loop's thread, they serve the loop: GLib polls for it, and it has a
 * turn when it has work.
 *
 * In the selector's own iterations they rank it, and do nothing: GLib dispatches no source of lower priority than one
 * that is ready, and so they are ready while the loop has work, or idle work; GLib need not ask them otherwise. One that is
 * ready stays so until it is dispatched. If a callback runs a loop before that, it is dispatched there, whoever runs that loop.
 */
class GLibDriver
{
public:
    GLibDriver(GLibSelectorPrivate *selector, EventLoop *loop, int priority);

    void setPriority(int priority);

    /// For the time of a ContextIteration::prepare().
    void beginPreparing();
    void endPreparing() { setPrepares(true); }
    /// The lowest priority that is dispatched while the loop has that work.
    int lowestPriority(bool hasWork, bool hasIdleWork) const;
    /// For the time of a ContextIteration::check().
    void rank(bool hasWork, bool hasIdleWork);
    /// Returns whether GLib has asked a source that ranks: then none of higher priority was ready.
    bool unrank();

    /// To be called when other code may have run since GLib has polled: takes in what it has found and not asked for.
    void takeLatePolled()
    {
        if (!m_work.pollFds().empty())
            takePolled(Results::Late);
    }
    /// To be called before it counts whether GLib is polling. @p waits: the loop is about to wait by itself.
    void dropEndedPolls(bool waits)
    {
        if (!m_polls.empty())
            dropEnded(waits);
    }
    /// To be called when an iteration of the selector starts to dispatch; returns what to give to restore() at its end.
    bool suspend() { return std::exchange(m_drives, false); }
    void restore(bool drove) { m_drives = drove; }

private:
    /// In the selector's iterations, GLib finds one that ranks ready, and does not ask one that does not rank.
    class DriverSource : public ContextSource
    {
    public:
        DriverSource(GLibDriver *driver, GMainContext *context, const char *name, int priority)
            : ContextSource(context, name, priority)
            , m_driver(driver)
        {
        }
        void rank(bool ranks)
        {
            m_ranks = ranks;
            setChecks(ranks);
        }
        void unrank()
        {
            m_ranks = false;
            setChecks(true);
        }

    protected:
        ~DriverSource() = default;
        bool checkRank()
        {
            m_driver->m_isAsked |= m_ranks;
            return m_ranks;
        }
        GLibDriver *driver() const { return m_driver; }
        void dispatch() override { m_driver->dispatch(); }

    private:
        GLibDriver *const m_driver;
        bool m_ranks = false;
    };

    class WorkSource final : public DriverSource
    {
    public:
        WorkSource(GLibDriver *driver, GMainContext *context, int priority)
            : DriverSource(driver, context, "GLibEventDispatcher", priority)
        {
        }
        using ContextSource::pollFds;
        using ContextSource::setPollFds;

    protected:
        bool prepare(int *timeout) override
        {
            driver()->prepare(timeout);
            // GLib does not ask a source that is ready for what it polls: not before it has polled again, if it dispatches
            // a source of higher priority first.
            return false;
        }
        bool check() override { return driver()->isRanking() ? checkRank() : driver()->check(); }
    };

    class IdleSource final : public DriverSource
    {
    public:
        IdleSource(GLibDriver *driver, GMainContext *context, int priority)
            : DriverSource(driver, context, "GLibEventDispatcher, idle", priority)
        {
        }

    protected:
        bool prepare(int *) override { return driver()->prepareIdle(); }
        bool check() override { return checkRank(); }
    };

    class Time;
    /// What a poll has found: other code has run since, or has not.
    enum class Results { New, Late };

    /// GLib tells when it prepares one, but not its end if a source of higher priority is ready. The next iteration of the same
    /// loop is prepared from the same stack frame; and callbacks run after a poll, unless a loop runs inside of it.
    struct Poll
    {
        const void *frame;
        int depth; // g_main_depth()
        const ContextIteration *iteration; // the selector's that it is in
    };

    void attachIdleSource();
    void setPrepares(bool prepares);
    void prepare(int *timeout);
    bool isRanking() const;
    bool check();
    bool prepareIdle();
    void dispatch();
    bool hasWork(const EventLoop::Demand &demand, Time &time) const;
    void beginPolling(const void *frame);
    void endPolling();
    void dropEnded(bool waits);
    void setPolling();
    void setPollFds(int wakeUpFd, bool withOthers);
    void takePolled(Results results);

    GLibSelectorPrivate *const m_selector;
    EventLoop *const m_loop;
    int m_priority;
    WorkSource m_work;
    std::optional<IdleSource> m_idleWork;
    // Somebody else's loop has prepared the sources, and no iteration of the selector is dispatching.
    bool m_drives = false;
    bool m_hadWork = false; // before the poll
    bool m_isAsked = false; // a source that ranks was
    std::vector<Poll> m_polls; // the ones to come or running, and some that have ended
    // What GLib polls, unless an iteration of the selector or another thread has dropped all of it.
    bool m_pollsNothing = true;
    int m_polledWakeUpFd = -1;
    std::optional<unsigned> m_polledOthers; // Descriptors::pollFdsState()
    std::vector<GPollFD> m_pollFds; // kept for its memory
};

#endif
