// SPDX-License-Identifier: MIT

#include "contextsource.h"

#include "racedetector.h"

#include <algorithm>
#include <memory>
#include <new>

// What belongs to the GSource itself is kept in it: another thread that runs the context may still
// be looking at it when its owner is gone.
struct ContextSource::Source
{
    GSource base;
    ContextSource *wrapper;
    Owner *owner;
    GThread *thread;
    std::vector<std::unique_ptr<GPollFD>> polled; // GLib keeps the addresses

    void poll(const std::vector<GPollFD> &fds)
    {
        const auto same = [](const std::unique_ptr<GPollFD> &a, const GPollFD &b) {
            return a->fd == b.fd && a->events == b.events;
        };
        if (polled.size() == fds.size()
            && std::equal(polled.begin(), polled.end(), fds.begin(), same))
            return;
        for (const auto &fd : polled)
            g_source_remove_poll(&base, fd.get());
        polled.clear();
        for (const GPollFD &fd : fds) {
            polled.push_back(std::make_unique<GPollFD>(GPollFD{fd.fd, fd.events, 0}));
            g_source_add_poll(&base, polled.back().get());
        }
        RaceDetector::doneBefore(this);
    }

    /// Only for whoever owns the context, which orders the accesses.
    bool isHere()
    {
        RaceDetector::seenAfter(this);
        const bool here = thread == g_thread_self();
        if (!here && !g_source_is_destroyed(&base))
            poll({});
        return here;
    }

    static Source *from(GSource *source) { return reinterpret_cast<Source *>(source); }

    // An exception cannot pass through GLib; better to end here than somewhere in its middle.
    static gboolean prepare(GSource *base, int *timeout) noexcept
    {
        Source *source = from(base);
        *timeout = -1;
        return source->isHere() && source->owner->prepare(source->wrapper, timeout);
    }

    static gboolean check(GSource *base) noexcept
    {
        Source *source = from(base);
        return source->isHere() && source->owner->check(source->wrapper);
    }

    static gboolean dispatch(GSource *base, GSourceFunc, gpointer) noexcept
    {
        Source *source = from(base);
        if (source->isHere())
            source->owner->dispatch(source->wrapper);
        return G_SOURCE_CONTINUE;
    }

    static void finalize(GSource *base) noexcept
    {
        RaceDetector::seenAfter(base);
        std::destroy_at(&from(base)->polled);
    }
};

ContextSource::ContextSource(GMainContext *context, Owner *owner, const char *name)
{
    static GSourceFuncs functions = {
        Source::prepare, Source::check, Source::dispatch, Source::finalize, nullptr, nullptr};
    GSource *base = g_source_new(&functions, sizeof(Source));
    m_source = Source::from(base);
    m_source->wrapper = this;
    m_source->owner = owner;
    m_source->thread = g_thread_self();
    new (&m_source->polled) std::vector<std::unique_ptr<GPollFD>>;
    g_source_set_name(base, name);
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

int ContextSource::priority() const
{
    return g_source_get_priority(&m_source->base);
}

void ContextSource::setPollFds(const std::vector<GPollFD> &fds)
{
    m_source->poll(fds);
}

bool ContextSource::isPolledReady() const
{
    return std::any_of(m_source->polled.begin(), m_source->polled.end(),
                       [](const std::unique_ptr<GPollFD> &fd) { return fd->revents != 0; });
}
