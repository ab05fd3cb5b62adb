// SPDX-License-Identifier: MIT

#ifndef COUNTERS_H
#define COUNTERS_H

#include <algorithm>
#include <chrono>
#include <cstdint>

/**
 * What a loop counts, for its statistics.
 *
 * It reads no clock: it is told the times that the selector has. So the time between two of them belongs to whoever had the
 * thread for most of it.
 */
struct Counters
{
    using TimePoint = std::chrono::steady_clock::time_point;
    using Duration = std::chrono::steady_clock::duration;

    std::uint64_t turns = 0;
    std::uint64_t sleeps = 0;
    std::uint64_t wokenByWakeUp = 0;
    std::uint64_t wokenByDescriptor = 0;
    std::uint64_t wokenByGLib = 0;
    std::uint64_t wokenByTime = 0;
    Duration asleep{0};
    Duration inQt{0};
    Duration inGLib{0};
    Duration longestTurn{0};

    /// Adds the time since the last call to @p user.
    void add(Duration &user, TimePoint now)
    {
        if (m_last != TimePoint())
            user += now - m_last;
        m_last = now;
    }

    /// The loop is going to look whether there is work, and may sleep.
    void endTurn(TimePoint now)
    {
        if (m_turnBegin != TimePoint())
            longestTurn = std::max(longestTurn, now - m_turnBegin);
    }
    /// It has slept, and found @p count descriptors ready: the one for wake-ups, or GLib's, among them?
    void wake(TimePoint now, int count, bool isWakeUp, bool isGLib)
    {
        ++sleeps;
        ++(isWakeUp ? wokenByWakeUp : isGLib ? wokenByGLib : count > 0 ? wokenByDescriptor : wokenByTime);
        add(asleep, now);
        m_turnBegin = now;
    }

private:
    TimePoint m_last;
    TimePoint m_turnBegin;
};

#endif
