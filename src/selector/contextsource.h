// SPDX-License-Identifier: MIT

#ifndef CONTEXTSOURCE_H
#define CONTEXTSOURCE_H

#include <glib.h>

#include <deque>
#include <vector>

/**
 * A GSource, to be subclassed.
 *
 * It works only in the thread that made it: while another thread runs the context, the source is never ready and polls
 * nothing. It may be dispatched while it is being dispatched, by a loop that is nested in what it does.
 */
class ContextSource
{
public:
    ContextSource(const ContextSource &) = delete;
    ContextSource &operator=(const ContextSource &) = delete;

    void setPriority(int priority);

    /// Whether the context calls prepare(), and check(), at first true. A source that it does not call is not ready. A call
    /// takes longer than what most calls do: the context is unlocked for it. Only for whoever owns the context.
    void setPrepares(bool prepares);
    void setChecks(bool checks);

protected:
    /// Attaches a source called @p name to @p context.
    ContextSource(GMainContext *context, const char *name, int priority);
    /// Never deleted by a pointer to this class.
    ~ContextSource();

    /// Whether the source is ready; if not, @p timeout may be set to when to ask again, in ms.
    virtual bool prepare(int *timeout) = 0;
    virtual bool check() = 0;
    virtual void dispatch() = 0;

    /// Has the context poll @p fds, except those with a negative number. To be called from prepare().
    void setPollFds(const std::vector<GPollFD> &fds);
    /// They, with what the context's poll has found, until somebody clears it. They may have been dropped by another thread.
    std::deque<GPollFD> &pollFds();

private:
    struct Source;
    Source *m_source;
};

#endif
