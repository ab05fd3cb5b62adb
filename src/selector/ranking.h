// SPDX-License-Identifier: MIT

#ifndef RANKING_H
#define RANKING_H

#include "contextsource.h"

#include <algorithm>

/**
 * The place of an event loop's work among GLib's priorities, while the loop itself iterates the context.
 *
 * GLib dispatches no source of lower priority than one that is ready. So there are two sources that do nothing, and
 * are ready while the loop has work, or idle work.
 */
class Ranking
{
public:
    Ranking(GMainContext *context, int priority)
        : m_work(context, priority)
        , m_idleWork(context, idlePriority(priority))
        , m_priority(priority)
    {
    }

    static int idlePriority(int priority) { return std::max(priority, G_PRIORITY_DEFAULT_IDLE); }

    void setPriority(int priority)
    {
        m_priority = priority;
        m_work.setPriority(priority);
        m_idleWork.setPriority(idlePriority(priority));
    }

    /// For the time of a ContextIteration::check().
    void set(bool hasWork, bool hasIdleWork)
    {
        m_work.isReady = hasWork;
        m_idleWork.isReady = hasIdleWork;
    }

    /// The lowest priority that is dispatched now.
    int lowest() const
    {
        return m_work.isReady ? m_priority
            : m_idleWork.isReady ? idlePriority(m_priority)
                                 : G_MAXINT;
    }

private:
    class Source final : public ContextSource
    {
    public:
        Source(GMainContext *context, int priority)
            : ContextSource(context, Asks::WhenChecking, "GLibEventDispatcher, rank", priority)
        {
        }
        bool isReady = false;

    protected:
        bool check() override { return isReady; }
        void dispatch() override { }
    };

    Source m_work;
    Source m_idleWork;
    int m_priority;
};

#endif
