// SPDX-License-Identifier: MIT

#include "contextsource.h"

#include "placeofthread.h"
#include "racedetector.h"

#include <memory>
#include <new>

// What belongs to the GSource itself is kept in it: another thread that runs the context may still be looking at it
// when its owner is gone.
struct ContextSource::Source
{
    GSource base;
    GSourceFuncs functions; // its own, to be changed
    ContextSource *owner;
    const void *thread; // its place
    std::deque<GPollFD> polled; // GLib keeps the addresses

    /// GLib is told as little as possible: it wakes itself up by a system call for each descriptor added.
    void poll(const std::vector<GPollFD> &fds)
    {
        std::size_t i = 0;
        for (const GPollFD &fd : fds) {
            if (fd.fd < 0)
                continue;
            if (i == polled.size()) {
                polled.push_back({fd.fd, fd.events, 0});
                g_source_add_poll(&base, &polled.back());
            } else if (polled[i].fd != fd.fd) {
                g_source_remove_poll(&base, &polled[i]);
                polled[i] = {fd.fd, fd.events, 0};
                g_source_add_poll(&base, &polled[i]);
            } else {
                polled[i].events = fd.events;
            }
            ++i;
        }
        for (std::size_t extra = i; extra < polled.size(); ++extra)
            g_source_remove_poll(&base, &polled[extra]);
        polled.resize(i);
        RaceDetector::doneBefore(this);
    }

    /// Only for whoever owns the context, which orders the accesses.
    bool isHere()
    {
        RaceDetector::seenAfter(this);
        const bool here = thread == placeOfThread();
        if (!here && !g_source_is_destroyed(&base))
            poll({});
        return here;
    }

    static Source *from(GSource *source) { return reinterpret_cast<Source *>(source); }

    // An exception cannot pass through GLib. It is better to end the program here than inside of GLib.
    static gboolean prepare(GSource *base, int *timeout) noexcept
    {
        Source *source = from(base);
        *timeout = -1;
        return source->isHere() && source->owner->prepare(timeout);
    }

    static gboolean check(GSource *base) noexcept
    {
        Source *source = from(base);
        return source->isHere() && source->owner->check();
    }

    static gboolean dispatch(GSource *base, GSourceFunc, gpointer) noexcept
    {
        Source *source = from(base);
        if (source->isHere())
            source->owner->dispatch();
        return G_SOURCE_CONTINUE;
    }

    static void finalize(GSource *base) noexcept
    {
        RaceDetector::seenAfter(base);
        std::destroy_at(&from(base)->polled);
    }
};

ContextSource::ContextSource(GMainContext *context, const char *name, int priority)
{
    static GSourceFuncs functions = {
        Source::prepare, Source::check, Source::dispatch, Source::finalize, nullptr, nullptr};
    GSource *base = g_source_new(&functions, sizeof(Source));
    m_source = Source::from(base);
    m_source->functions = functions;
    g_source_set_funcs(base, &m_source->functions);
    m_source->owner = this;
    m_source->thread = placeOfThread();
    new (&m_source->polled) std::deque<GPollFD>;
    g_source_set_name(base, name);
    g_source_set_priority(base, priority);
    g_source_set_can_recurse(base, true);
    RaceDetector::doneBefore(base);
    g_source_attach(base, context);
}

ContextSource::~ContextSource()
{
    RaceDetector::doneBefore(m_source);
    g_source_destroy(&m_source->base);
    g_source_unref(&m_source->base);
}

void ContextSource::setPriority(int priority)
{
    g_source_set_priority(&m_source->base, priority);
}

void ContextSource::setPrepares(bool prepares)
{
    m_source->functions.prepare = prepares ? Source::prepare : nullptr;
}

void ContextSource::setChecks(bool checks)
{
    m_source->functions.check = checks ? Source::check : nullptr;
}

void ContextSource::setPollFds(const std::vector<GPollFD> &fds)
{
    m_source->poll(fds);
}

std::deque<GPollFD> &ContextSource::pollFds()
{
    return m_source->polled;
}
