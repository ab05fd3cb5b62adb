// SPDX-License-Identifier: MIT

#ifndef STALLWATCHER_H
#define STALLWATCHER_H

#include "stallsampler.h"

#include <QtCore/QByteArray>

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <pthread.h>

/**
 * Looks at the activities of all threads, from a thread of its own, and reports what keeps one for longer than a limit.
 *
 * It looks four times in the time of the limit. What has not changed in that time is a stall: the thread is sent a
 * signal, whose handler takes a StallSample. GLib may dispatch many sources in one iteration, and only the thread knows
 * which one it is at. So there a sample is taken at each look, unless the thread has not run since the last one: a
 * signal ends the sleep of whatever does not expect it.
 */
class StallWatcher
{
public:
    using Clock = std::chrono::steady_clock;
    using TimePoint = Clock::time_point;
    using Duration = Clock::duration;

    /// That of the process. It is never destroyed, as threads may outlive main().
    static StallWatcher &instance();

    /// Whether activities are wanted. The first call reads GLIBEVENTDISPATCHER_STALLS.
    static bool isWanted();
    /// Zero ends the watch.
    static void setLimit(std::chrono::milliseconds limit);

    /// To be called in the thread of @p activity, which has to outlive the process or to be removed.
    void add(Activity *activity);
    void remove(Activity *activity);

private:
    struct Stall
    {
        long thread = 0; // as the system numbers them
        TimePoint begin;
        TimePoint end; // once it is over
        bool isOver = false;
        QByteArray culprit; // once there are words for it
    };

    struct Watch
    {
        Activity *activity;
        pthread_t thread;
        long threadNumber;
        // What it is at:
        std::uint64_t state = 0;
        GSource *source = nullptr;
        TimePoint firstSeen;
        TimePoint lastLook;
        TimePoint begin; // about
        std::chrono::nanoseconds processorTime{0};
        bool isSettled = false; // it is reported, or is no stall
        std::shared_ptr<Stall> stall;
    };

    struct Total
    {
        int count = 0;
        Duration longest{0};
        Duration sum{0};
    };

    struct Finding
    {
        std::shared_ptr<Stall> stall;
        Duration taken{0};
        bool isSampled = false;
    };

    StallWatcher() = default;

    static bool prepare();
    static void atExit();

    void start();
    void run();
    std::optional<Finding> look();
    std::optional<Finding> look(Watch &watch, TimePoint now);
    void begin(Watch &watch, std::uint64_t state, GSource *source, TimePoint now, TimePoint changed);
    void finish(Watch &watch, TimePoint changed);
    void report(const Finding &finding);
    void reportEnds();
    void reportTotals();

    std::mutex m_mutex;
    std::condition_variable m_changed;
    bool m_isRunning = false;
    bool m_isReporting = false;
    std::vector<Watch> m_watches;
    std::vector<std::shared_ptr<Stall>> m_stalls; // whose end has not been reported
    std::map<QByteArray, Total> m_totals;

    StallSampler m_sampler;
};

#endif
