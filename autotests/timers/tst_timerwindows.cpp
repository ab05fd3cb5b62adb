// SPDX-License-Identifier: MIT

#include "timertest.h"

#include <map>
#include <optional>

/**
 * Many timers over minutes of a clock that the test moves on: the ticks lie in their windows, and
 * the wake-ups are as few as windows allow. TST_TIMERWINDOWS_SEED repeats one run.
 */
class tst_TimerWindows : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void punctualWaker_data();
    void punctualWaker();
    void lateWaker_data();
    void lateWaker();
    void coarseTimersNeedFewWakeUps();
};

namespace {

constexpr auto Horizon = 120s;

struct Timer
{
    Duration interval{};
    Accuracy accuracy{};
    TimePoint start;
    int ticks = 0;

    Duration tolerance() const { return toleranceOf(accuracy, interval); }
    TimePoint due(int tick) const { return start + tick * interval; }
};

using Timers = std::map<int, Timer>;

/// Timers of 100 to 999 ms, started at different moments of a second.
Timers randomTimers(unsigned seed, const std::vector<Accuracy> &accuracies)
{
    std::mt19937 random(seed);
    std::uniform_int_distribution<> milliseconds(100, 999);
    std::uniform_int_distribution<> nanoseconds(0, 999'999'999);
    Timers timers;
    for (int id = 1; id <= 100; ++id) {
        Timer &timer = timers[id];
        timer.interval = milliseconds(random) * 1ms;
        timer.accuracy = accuracies[size_t(id) % accuracies.size()];
        timer.start = Start + nanoseconds(random) * 1ns;
    }
    return timers;
}

void addAll(TimerQueue &queue, const Timers &timers)
{
    for (const auto &[id, timer] : timers)
        queue.add(id, timer.interval, timer.accuracy, nullptr, timer.start);
}

/// The fewest wake-ups with which each window up to @p end has one in it: each as late as possible.
int fewestWakeUps(const Timers &timers, TimePoint end)
{
    std::vector<std::pair<TimePoint, TimePoint>> windows; // by their ends
    for (const auto &[id, timer] : timers) {
        for (int tick = 1; timer.due(tick) + timer.tolerance() <= end; ++tick) {
            windows.emplace_back(timer.due(tick) + timer.tolerance(),
                                 timer.due(tick) - timer.tolerance());
        }
    }
    std::sort(windows.begin(), windows.end());
    int wakeUps = 0;
    TimePoint last = TimePoint::min();
    for (const auto &[windowEnd, windowBegin] : windows) {
        if (windowBegin > last) {
            last = windowEnd;
            ++wakeUps;
        }
    }
    return wakeUps;
}

void seedColumns()
{
    QTest::addColumn<unsigned>("seed");
    QTest::addColumn<QList<int>>("accuracies");
    const unsigned seed = randomSeed("TST_TIMERWINDOWS_SEED");
    constexpr int Precise = int(Accuracy::Precise);
    constexpr int Coarse = int(Accuracy::Coarse);
    constexpr int VeryCoarse = int(Accuracy::VeryCoarse);
    QTest::addRow("precise, seed %u", seed) << seed << QList<int>{Precise};
    QTest::addRow("coarse, seed %u", seed) << seed << QList<int>{Coarse};
    QTest::addRow("very coarse, seed %u", seed) << seed << QList<int>{VeryCoarse};
    QTest::addRow("all of them, seed %u", seed) << seed << QList<int>{Precise, Coarse, VeryCoarse};
}

std::vector<Accuracy> fetchAccuracies()
{
    QFETCH(QList<int>, accuracies);
    std::vector<Accuracy> fetched;
    for (const int accuracy : std::as_const(accuracies))
        fetched.push_back(Accuracy(accuracy));
    return fetched;
}

}

void tst_TimerWindows::punctualWaker_data()
{
    seedColumns();
}

void tst_TimerWindows::punctualWaker()
{
    QFETCH(unsigned, seed);
    Timers timers = randomTimers(seed, fetchAccuracies());
    TimerQueue queue;
    addAll(queue, timers);

    const TimePoint end = Start + Horizon;
    int wakeUps = 0;
    for (TimePoint now = *queue.wakeTime(); now <= end; now = *queue.wakeTime()) {
        ++wakeUps;
        const std::vector<int> fired = fire(queue, now);
        QVERIFY(!fired.empty());
        for (const int id : fired) {
            Timer &timer = timers[id];
            const TimePoint due = timer.due(++timer.ticks); // none may be missing
            QVERIFY(now >= due - timer.tolerance());
            QVERIFY(now <= due + timer.tolerance());
        }
    }
    for (const auto &[id, timer] : timers)
        QVERIFY(timer.due(timer.ticks + 1) + timer.tolerance() > end);
    QCOMPARE(wakeUps, fewestWakeUps(timers, end));
}

void tst_TimerWindows::lateWaker_data()
{
    seedColumns();
}

void tst_TimerWindows::lateWaker()
{
    QFETCH(unsigned, seed);
    Timers timers = randomTimers(seed, fetchAccuracies());
    TimerQueue queue;
    addAll(queue, timers);
    std::mt19937 random(seed);
    std::exponential_distribution<> lateness(1 / 20e6); // 20 ms, sometimes much more

    const TimePoint end = Start + Horizon;
    TimePoint last = Start;
    while (last <= end) {
        const TimePoint now =
            std::max(*queue.wakeTime(), last) + Duration(qint64(lateness(random)));
        const std::vector<int> fired = fire(queue, now);
        for (const int id : fired) {
            Timer &timer = timers[id];
            QVERIFY(now >= timer.due(timer.ticks + 1) - timer.tolerance());
            // Only what lies in the past may be left out.
            timer.ticks = std::max(timer.ticks + 1, int((now - timer.start) / timer.interval));
            QVERIFY(queue.due(id) == timer.due(timer.ticks + 1));
        }
        // What was not fired has not begun.
        for (const auto &[id, timer] : timers) {
            QVERIFY(timer.due(timer.ticks + 1) - timer.tolerance() > now
                    || std::find(fired.begin(), fired.end(), id) != fired.end());
        }
        last = now;
    }
}

void tst_TimerWindows::coarseTimersNeedFewWakeUps()
{
    const unsigned seed = randomSeed("TST_TIMERWINDOWS_SEED");
    const Timers timers = randomTimers(seed, {Accuracy::Coarse});
    TimerQueue queue;
    addAll(queue, timers);
    int wakeUps = 0;
    while (*queue.wakeTime() <= Start + Horizon) {
        fire(queue, *queue.wakeTime());
        ++wakeUps;
    }
    // They tick some 250 times a second. 31 to 41 wake-ups were measured for such timers.
    const double rate = wakeUps / std::chrono::duration<double>(Horizon).count();
    QVERIFY2(rate < 50, qPrintable(u"%1 wake-ups a second, seed %2"_s.arg(rate).arg(seed)));
}

QTEST_APPLESS_MAIN(tst_TimerWindows)

#include "tst_timerwindows.moc"
