// SPDX-License-Identifier: MIT

#ifndef WAKEUP_H
#define WAKEUP_H

#include "../diagnosis/waker.h"

#include <glib.h>

#include <atomic>
#include <chrono>

/**
 * Wakes a thread that polls, from any other thread.
 *
 * A wake-up costs a system call only if the thread is polling or about to: then fd() becomes readable, or a context is
 * woken up that is polled in its place. If the program has closed that descriptor by mistake, it is replaced, and the
 * context is woken up meanwhile.
 */
class WakeUp
{
public:
    /// What the thread polls, or is about to.
    enum class Polling { Nothing, Descriptor, Context };

    /// Takes no reference.
    explicit WakeUp(GMainContext *context);
    ~WakeUp();
    WakeUp(const WakeUp &) = delete;
    WakeUp &operator=(const WakeUp &) = delete;

    /// Ends the poll that is running, or keeps the next one from sleeping. From any thread; all other functions
    /// are for the thread that polls.
    void request()
    {
        // Both sides write their own flag and then read the other's, so one of them sees it.
        const bool wasRequested = m_requested.exchange(true, std::memory_order_seq_cst);
        const Polling polling = m_polling.load(std::memory_order_seq_cst);
        // If the process has forked before the library was loaded, a child may have taken what has woken the context up.
        // So that is done for each request, as by Qt's GLib dispatcher.
        if (polling == Polling::Context || (polling == Polling::Descriptor && !wasRequested))
            signal(polling);
    }
    /// The same for the thread that polls, without the cost of an exchange.
    void requestHere()
    {
        m_requestedHere.store(true, std::memory_order_relaxed);
        if (polling() != Polling::Nothing) // a source's prepare() or a poll function is running
            request();
    }

    bool isRequested() const { return m_requestedHere.load(std::memory_order_relaxed) || isRequestedElsewhere(); }
    /// Whether another thread has requested a wake-up.
    bool isRequestedElsewhere() const { return m_requested.load(std::memory_order_seq_cst); }

    /// Returns whether a wake-up was requested, and forgets it. What it may be for has to be looked at after that.
    bool take()
    {
        // What a signal handler of this thread requests between these two is covered by this call.
        const bool wasRequestedHere = m_requestedHere.load(std::memory_order_relaxed);
        if (wasRequestedHere)
            m_requestedHere.store(false, std::memory_order_relaxed);
        return takeElsewhere() || wasRequestedHere;
    }
    /// The same for what another thread has requested.
    bool takeElsewhere()
    {
        return m_requested.load(std::memory_order_relaxed)
            && m_requested.exchange(false, std::memory_order_seq_cst);
    }

    /// To be set before the last look at isRequested() in front of a poll.
    void setPolling(Polling polling)
    {
        if (polling == Polling::Descriptor)
            leaveParent();
        if (polling == Polling::Nothing) // then who sees it too late wakes in vain
            m_polling.store(polling, std::memory_order_relaxed);
        else
            m_polling.store(polling, std::memory_order_seq_cst);
    }
    Polling polling() const { return m_polling.load(std::memory_order_relaxed); }

    /// Who has ended the poll.
    Waker &waker() { return m_waker; }
    /// When that was the last time.
    std::chrono::steady_clock::time_point signalTime() const { return m_signalTime.load(std::memory_order_relaxed); }

    /// To be polled for readability, and drained when it was found readable. Another one after a fork.
    int fd() const { return m_readEnd; }
    void drain();

private:
    void open();
    void close();
    void leaveParent();
    void signal(Polling polling);

    std::atomic<bool> m_requested{false};
    std::atomic<bool> m_requestedHere{false};
    std::atomic<Polling> m_polling{Polling::Nothing};
    GMainContext *const m_context;
    int m_readEnd = -1;
    std::atomic<int> m_writeEnd{-1}; // other threads write to it
    unsigned m_forks;
    Waker m_waker;
    std::atomic<std::chrono::steady_clock::time_point> m_signalTime{std::chrono::steady_clock::time_point()};
};

/// Says that a poll of fd() is being prepared or running, to the end of its scope. Scopes may be nested: a source's
/// prepare() or a poll function may run an event loop.
class PollingScope
{
public:
    explicit PollingScope(WakeUp &wakeUp)
        : m_wakeUp(wakeUp)
        , m_outer(wakeUp.polling())
    {
        m_wakeUp.setPolling(WakeUp::Polling::Descriptor);
    }
    ~PollingScope() { m_wakeUp.setPolling(m_outer); }
    PollingScope(const PollingScope &) = delete;
    PollingScope &operator=(const PollingScope &) = delete;

private:
    WakeUp &m_wakeUp;
    const WakeUp::Polling m_outer;
};

#endif
