// SPDX-License-Identifier: MIT

#ifndef TIMERTEST_H
#define TIMERTEST_H

#include "timerqueue.h"

#include <QtTest/QTest>

#include <random>
#include <vector>

using namespace std::chrono_literals;
using namespace Qt::StringLiterals;

using TimePoint = TimerQueue::TimePoint;
using Duration = TimerQueue::Duration;
using Accuracy = TimerQueue::Accuracy;

/// Where the clocks of the tests start: not at zero, like that of a machine that has been up for
/// a while.
constexpr TimePoint Start(1'000'000s);

/// How far from its time a tick of @p interval may fire, as the class promises it.
inline Duration toleranceOf(Accuracy accuracy, Duration interval)
{
    if (accuracy == Accuracy::Precise || (accuracy == Accuracy::Coarse && interval <= 20ms))
        return 0ns;
    const Duration exact = std::min<Duration>(interval / (accuracy == Accuracy::Coarse ? 20 : 4), 500ms);
    Duration unit = 1ns;
    while (exact / unit >= 32)
        unit *= 2;
    return exact / unit * unit;
}

/// All that are due at @p now, in order.
inline std::vector<int> fire(TimerQueue &queue, TimePoint now)
{
    std::vector<int> ids;
    queue.collect(now);
    while (const auto tick = queue.take()) {
        ids.push_back(tick->id);
        queue.finish(*tick);
    }
    return ids;
}

/// A seed for random tests: that of the environment variable @p name, or another one each time.
inline unsigned randomSeed(const char *name)
{
    bool isGiven = false;
    const int given = qEnvironmentVariableIntValue(name, &isGiven);
    return isGiven ? unsigned(given) : std::random_device()() % 1'000'000;
}

namespace QTest {
template<>
inline char *toString(const std::vector<int> &ids)
{
    return qstrdup(qPrintable(QDebug::toString(ids)));
}
}

#endif
