// SPDX-License-Identifier: MIT

#ifndef MONOTONICCLOCK_H
#define MONOTONICCLOCK_H

#include <chrono>

#include <time.h>

/// Reads what std::chrono::steady_clock reads, without a call into the C++ library: that call is up to 2 % of a turn.
struct MonotonicClock
{
    using duration = std::chrono::nanoseconds;
    using time_point = std::chrono::time_point<std::chrono::steady_clock, duration>;

    static time_point now()
    {
        timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        return time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
    }
};

#endif
