// SPDX-License-Identifier: MIT

#ifndef WAKER_H
#define WAKER_H

#include "threadnumber.h"

#include <atomic>
#include <chrono>

/// Who has ended the sleep of a loop, and when. Nobody is noted unless a trace is written.
class Waker
{
public:
    struct Note
    {
        long thread = 0; ///< 0 if there is none.
        std::chrono::nanoseconds time{0}; ///< By the steady clock.
    };

    /// To be called by the one that does, in front of the system call that ends the sleep.
    void note()
    {
        if (!isWanted.load(std::memory_order_relaxed))
            return;
        m_time.store(std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count(),
                     std::memory_order_relaxed);
        m_thread.store(threadNumber(), std::memory_order_release);
    }

    /// In the thread that was woken. If two have done so at the same time, the note may have the time of one and the
    /// thread of the other.
    Note take()
    {
        Note note;
        if (m_thread.load(std::memory_order_relaxed) == 0)
            return note;
        note.thread = m_thread.exchange(0, std::memory_order_acquire);
        note.time = std::chrono::nanoseconds(m_time.load(std::memory_order_relaxed));
        return note;
    }

    static inline std::atomic<bool> isWanted{false};

private:
    std::atomic<long> m_thread{0};
    std::atomic<std::chrono::nanoseconds::rep> m_time{0};
};

#endif
