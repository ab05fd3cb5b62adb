// SPDX-License-Identifier: MIT

#ifndef CONTEXTOWNERSHIP_H
#define CONTEXTOWNERSHIP_H

#include "../timers/monotonicclock.h"

#include <glib.h>

#include <chrono>

/// Whether this thread owns a GMainContext, and for how long.
class ContextOwnership
{
public:
    using Clock = MonotonicClock;

    enum State {
        Borrowed, ///< Acquired for the length of each look.
        Kept,
        Foreign, ///< Another thread had it when it was last asked for.
    };

    /// Takes no reference.
    explicit ContextOwnership(GMainContext *context)
        : m_context(context)
    {
    }
    ContextOwnership(const ContextOwnership &) = delete;
    ContextOwnership &operator=(const ContextOwnership &) = delete;

    State state() const { return m_state; }

    /// Acquires the context, now or as soon as it is free, and keeps it; also as the thread-default one unless it is
    /// the default context.
    void keep();
    void release();

    /// While another thread owns the context: how long to wait before asking again. GLib does not tell.
    Clock::duration retryInterval(Clock::time_point now) const;

    /// Owns the context to the end of its scope, if that is possible.
    class Scope
    {
    public:
        explicit Scope(ContextOwnership &ownership);
        ~Scope();
        Scope(const Scope &) = delete;
        Scope &operator=(const Scope &) = delete;

        bool isOwned() const { return m_isOwned; }

    private:
        GMainContext *const m_context;
        const bool m_isKept;
        const bool m_isOwned;
    };

private:
    bool acquire();

    GMainContext *const m_context;
    State m_state = Borrowed;
    bool m_keeps = false;
    const void *m_thread = nullptr; // the place of the one that keeps it
    Clock::time_point m_foreignSince;
};

#endif
