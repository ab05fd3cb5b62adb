// SPDX-License-Identifier: MIT

#include "dispatcherundertest.h"

#include <chrono>
#include <cmath>
#include <memory>
#include <vector>

#include <QtCore/QEventLoop>
#include <QtCore/QTimer>

using namespace std::chrono_literals;
using namespace Qt::StringLiterals;

/**
 * The grid and the windows of timers as an application sees them. A busy machine makes any single
 * tick late, so what is asserted of ticks in general is only that they are not early; where being
 * late counts, enough of many must not be.
 */
class tst_TimerGrid : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void preciseTimerComesBackToItsGrid_data();
    void preciseTimerComesBackToItsGrid();
    void coarseTimersShareWakeUps();
};

namespace {

using Clock = std::chrono::steady_clock;

/// Starts @p timer and answers when that was, within 100 us.
Clock::time_point startPrecisely(QTimer &timer)
{
    for (;;) {
        const auto before = Clock::now();
        timer.start();
        if (Clock::now() - before < 100us)
            return before;
    }
}

}

void tst_TimerGrid::preciseTimerComesBackToItsGrid_data()
{
    QTest::addColumn<int>("interval");
    QTest::newRow("1 ms") << 1;
    QTest::newRow("10 ms") << 10;
}

void tst_TimerGrid::preciseTimerComesBackToItsGrid()
{
    QFETCH(int, interval);
    // In each round the handler is slow once and misses ticks, until half way between two of them.
    // A timer that counts from when it fired again would go on half an interval off its grid. One
    // that drifts may meet the grid by chance, but not in many rounds on end.
    constexpr int TicksInARound = 4;
    constexpr int RoundsOnEnd = 6;

    QTimer timer;
    timer.setTimerType(Qt::PreciseTimer);
    timer.setInterval(interval);
    Clock::time_point start;
    const auto passed = [&] {
        return std::chrono::duration<double, std::milli>(Clock::now() - start).count() / interval;
    };
    // Qt's own dispatchers get there by chance only.
    const bool isOurs = DispatcherUnderTest::kind() == DispatcherUnderTest::Kind::Ours;
    const auto patience = isOurs ? 20s : 2s;
    int ticks = 0;
    int punctualRounds = 0;
    bool isPunctual = false;
    bool isEarly = false;
    QEventLoop loop;
    timer.callOnTimeout([&] {
        const double now = passed();
        isEarly = isEarly || now < ++ticks;
        if (ticks % TicksInARound != 1) {
            isPunctual = isPunctual || now - std::floor(now) < 0.3;
            return;
        }
        punctualRounds = isPunctual ? punctualRounds + 1 : 0;
        isPunctual = false;
        if (punctualRounds == RoundsOnEnd || Clock::now() - start > patience)
            loop.quit();
        const double end = std::floor(now) + 2.5;
        while (passed() < end) { }
    });
    start = startPrecisely(timer);
    loop.exec();
    QVERIFY(!isEarly);
    if (isOurs)
        QCOMPARE(punctualRounds, RoundsOnEnd);
}

void tst_TimerGrid::coarseTimersShareWakeUps()
{
    if (DispatcherUnderTest::kind() != DispatcherUnderTest::Kind::Ours)
        QSKIP("Qt's own dispatchers round the times of coarse timers, and add up the errors");
    constexpr int Timers = 100;
    int ticks = 0;
    int waits = 0;
    bool isEarly = false;
    std::vector<std::unique_ptr<QTimer>> timers;
    for (int i = 0; i < Timers; ++i) {
        timers.push_back(std::make_unique<QTimer>());
        QTimer *timer = timers.back().get();
        const auto interval = 100ms + i * 9ms;
        timer->setTimerType(Qt::CoarseTimer);
        timer->callOnTimeout([&, interval, tick = 0, start = Clock::now()]() mutable {
            ++ticks;
            const std::chrono::nanoseconds due = ++tick * interval;
            const std::chrono::nanoseconds tolerance = interval;
            isEarly = isEarly || Clock::now() - start < due - tolerance / 20;
        });
        timer->start(interval);
    }
    connect(QAbstractEventDispatcher::instance(), &QAbstractEventDispatcher::aboutToBlock, this,
            [&] { ++waits; });
    QEventLoop loop;
    QTimer::singleShot(2s, Qt::PreciseTimer, &loop, &QEventLoop::quit);
    loop.exec();
    QVERIFY(!isEarly);
    QVERIFY(ticks >= Timers);
    // On an idle machine there are six ticks to a wake-up; on a busy one they are fewer, but so
    // are the wake-ups.
    QVERIFY2(ticks > 3 * waits, qPrintable(u"%1 ticks, %2 waits"_s.arg(ticks).arg(waits)));
}

DISPATCHER_TEST_MAIN(tst_TimerGrid)

#include "tst_timergrid.moc"
