// SPDX-License-Identifier: MIT

#ifndef GATHERING_H
#define GATHERING_H

#include "../selector/backoff.h"
#include "../timers/monotonicclock.h"

#include <chrono>

/**
 * Lets events gather that another thread posts one after the other, before they are sent.
 *
 * If each is sent as soon as it is posted, both threads want to lock the list of posted events at once, for each event, and
 * wait for each other in the kernel. In Qt's dispatchers, the system calls of each turn let some gather. So the thread waits as
 * long as there is a new event in each Step. If another thread does not post that fast, one Step is lost, and soon it is
 * tried rarely.
 */
class Gathering
{
public:
    using Clock = MonotonicClock;

    static constexpr Clock::duration Step = std::chrono::microseconds(2);
    static constexpr Clock::duration Longest = std::chrono::microseconds(20);

    /// To be called when events were posted while others were sent: calls @p hasNew, which returns whether some were posted since it
    /// was called before, after each step. Returns whether it was called.
    template<typename Function>
    bool gather(Function hasNew)
    {
        if (!m_backoff.isDue())
            return false;
        hasNew();
        Clock::time_point now = Clock::now();
        const Clock::time_point end = now + Longest;
        bool goesOn;
        do {
            const Clock::time_point step = now + Step;
            while (now < step)
                now = Clock::now();
            goesOn = hasNew();
        } while (goesOn && now < end);
        m_backoff.note(goesOn);
        return true;
    }

private:
    Backoff m_backoff;
};

#endif
