// SPDX-License-Identifier: MIT

#ifndef CONTEXTSOURCE_H
#define CONTEXTSOURCE_H

#include <glib.h>

#include <vector>

/**
 * A GSource that asks its owner.
 *
 * It speaks only to the thread that made it: while another thread runs the context, the source is never
 * ready and polls nothing. It may be dispatched while it is being dispatched, by a loop that is nested
 * in what it does.
 */
class ContextSource
{
public:
    class Owner
    {
    public:
        /// Whether the source is ready; if not, @p timeout may be set to when to ask again, in ms.
        virtual bool prepare(ContextSource *source, int *timeout) = 0;
        virtual bool check(ContextSource *source) = 0;
        virtual void dispatch(ContextSource *source) = 0;

    protected:
        ~Owner() = default;
    };

    /// Attaches a source called @p name to @p context. @p owner must outlive it.
    ContextSource(GMainContext *context, Owner *owner, const char *name);
    ~ContextSource();
    ContextSource(const ContextSource &) = delete;
    ContextSource &operator=(const ContextSource &) = delete;

    void setPriority(int priority);
    int priority() const;

    /// Has the context poll @p fds as well. To be called from prepare().
    void setPollFds(const std::vector<GPollFD> &fds);
    /// Whether the context found one of them ready.
    bool isPolledReady() const;

private:
    struct Source;
    Source *m_source;
};

#endif
