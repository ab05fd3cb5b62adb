// SPDX-License-Identifier: MIT

#ifndef WAKEUP_H
#define WAKEUP_H

#include "../diagnosis/waker.h"

#include <glib.h>

#include <atomic>

/**
 * Wakes a thread that polls, from any other thread.
 *
 * A wake-up costs a system call only if the thread is polling or about to: then fd() becomes readable. If the program has
 * closed that descriptor by mistake, it is replaced, and a context that the thread polls as well is woken up meanwhile.
 */
class WakeUp
{
public:
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
        if (!m_requested.exchange(true, std::memory_order_seq_cst)
            && m_polling.load(std::memory_order_seq_cst))
            signal();
    }

    bool isRequested() const { return m_requested.load(std::memory_order_seq_cst); }

    /// Returns whether a wake-up was requested, and forgets it. What it may be for has to be looked at after that.
    bool take()
    {
        return m_requested.load(std::memory_order_relaxed)
            && m_requested.exchange(false, std::memory_order_seq_cst);
    }

    /// To be set before the last look at isRequested() in front of a poll.
    void setPolling(bool polling) { m_polling.store(polling, std::memory_order_seq_cst); }
    bool isPolling() const { return m_polling.load(std::memory_order_relaxed); }

    /// Who has made fd() readable.
    Waker &waker() { return m_waker; }

    /// To be polled for readability, and drained when it was found readable.
    int fd();
    void drain();

private:
    void open();
    void close();
    void signal();

    std::atomic<bool> m_requested{false};
    std::atomic<bool> m_polling{false};
    GMainContext *const m_context;
    int m_readEnd = -1;
    std::atomic<int> m_writeEnd{-1}; // other threads write to it
    unsigned m_forks;
    Waker m_waker;
};

/// Says that a poll is being prepared or running, to the end of its scope. Scopes may be nested: a source's
/// prepare() or a poll function may run an event loop.
class PollingScope
{
public:
    explicit PollingScope(WakeUp &wakeUp)
        : m_wakeUp(wakeUp)
        , m_outer(wakeUp.isPolling())
    {
        m_wakeUp.setPolling(true);
    }
    ~PollingScope() { m_wakeUp.setPolling(m_outer); }
    PollingScope(const PollingScope &) = delete;
    PollingScope &operator=(const PollingScope &) = delete;

private:
    WakeUp &m_wakeUp;
    const bool m_outer;
};

#endif
