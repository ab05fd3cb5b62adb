// SPDX-License-Identifier: MIT

#ifndef SHORTLOOK_H
#define SHORTLOOK_H

#include "../selector/backoff.h"
#include "../timers/monotonicclock.h"

#include <algorithm>
#include <chrono>

/**
 * How long a thread that may sleep looks for a wake-up from another thread first.
 *
 * To be woken up takes some microseconds, in a virtual machine some 50, and as much processor time. A thread that gets its
 * next event sooner is better awake. So a look lasts as long as a few wake-ups have taken lately. After looks in vain most
 * sleeps have none, so that a thread to which nobody posts that fast uses next to no time for them.
 */
class ShortLook
{
public:
    using Clock = MonotonicClock;
    using Duration = std::chrono::nanoseconds;

    static constexpr Duration Longest = std::chrono::microseconds(50);

    /// To be called before each sleep: calls @p isWoken until it returns true, if that is worth it, but not past @p end. Returns
    /// whether it did.
    template<typename Function>
    bool look(Function isWoken, Clock::time_point end)
    {
        const Duration length = next();
        if (length == Duration::zero())
            return false;
        end = std::min(end, Clock::now() + length);
        bool hasFound = false;
        do
            hasFound = isWoken();
        while (!hasFound && Clock::now() < end);
        note(hasFound);
        return hasFound;
    }

    /// The first part of look(): returns how long it lasts; zero means that there is none.
    Duration next() { return m_backoff.isDue() ? std::min(2 * m_wakeUp, Longest) : Duration::zero(); }
    /// The last part of look().
    void note(bool hasFound) { m_backoff.note(hasFound); }
    /// To be called after each sleep that was ended by another thread: how long that took.
    void noteWakeUp(Duration duration)
    {
        m_wakeUp += (std::clamp(duration, Duration::zero(), Longest) - m_wakeUp) / 4;
    }

private:
    Duration m_wakeUp{0}; // the mean of the last ones
    Backoff m_backoff;
};

#endif
