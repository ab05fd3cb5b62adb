// SPDX-License-Identifier: MIT

#ifndef GLIBDRIVER_H
#define GLIBDRIVER_H

#include "contextsource.h"
#include "eventloop.h"

#include <utility>
#include <vector>

class GLibSelectorPrivate;

/**
 * Serves an event loop while somebody else iterates the context in the loop's thread.
 *
 * GLib polls for the loop then, and the loop has a turn when it has work. Idle work is served by a source of lower
 * priority. In the selector's own iterations neither source is ever ready.
 */
class GLibDriver
{
public:
    GLibDriver(GLibSelectorPrivate *selector, EventLoop *loop, int priority);

    void setPriority(int priority);

    /// To be called when an iteration of the selector starts to dispatch; returns what to give to restore() at its end.
    bool suspend() { return std::exchange(m_drives, false); }
    void restore(bool drove) { m_drives = drove; }

private:
    class WorkSource final : public ContextSource
    {
    public:
        WorkSource(GLibDriver *driver, GMainContext *context, int priority)
            : ContextSource(context, Asks::Always, "GLibEventDispatcher", priority)
            , m_driver(driver)
        {
        }
        using ContextSource::setPollFds;
        using ContextSource::takePolled;

    protected:
        bool prepare(int *timeout) override { return m_driver->prepare(timeout); }
        bool check() override { return m_driver->check(); }
        void dispatch() override { m_driver->dispatch(); }

    private:
        GLibDriver *const m_driver;
    };

    class IdleSource final : public ContextSource
    {
    public:
        IdleSource(GLibDriver *driver, GMainContext *context, int priority)
            : ContextSource(context, Asks::WhenPreparing, "GLibEventDispatcher, idle", priority)
            , m_driver(driver)
        {
        }

    protected:
        bool prepare(int *) override { return m_driver->prepareIdle(); }
        void dispatch() override { m_driver->dispatch(); }

    private:
        GLibDriver *const m_driver;
    };

    bool prepare(int *timeout);
    bool check();
    bool prepareIdle();
    void dispatch();
    void endPolling();
    void takePolled();

    GLibSelectorPrivate *const m_selector;
    EventLoop *const m_loop;
    WorkSource m_work;
    IdleSource m_idleWork;
    // Somebody else's loop has prepared the sources. A source that is ready stays so until it is dispatched, by an
    // iteration of the selector even.
    bool m_drives = false;
    std::vector<GPollFD> m_pollFds; // kept for its memory
};

#endif
