// SPDX-License-Identifier: MIT

#include "timertest.h"

#include <QtCore/QElapsedTimer>

#include <limits>

#include <features.h>
#if defined(__GLIBC__)
#  include <malloc.h>
#endif

/// The timer queue, one promise at a time.
class tst_TimerQueue : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void startsEmpty();
    void addedTimerIsListed();
    void timersAreListedInTheOrderOfTheirStart();
    void ownersAreSeparate();
    void removedTimerIsForgotten();
    void sameIdReplaces();

    void ticksComeInTheOrderOfTheirTimes();
    void equalTimesComeInTheOrderOfTheirStart();
    void orderIsThatOfTheMiddlesOfTheWindows();

    void ticksStayOnTheGrid_data();
    void ticksStayOnTheGrid();
    void missedTicksAreLeftOut_data();
    void missedTicksAreLeftOut();
    void earlyTicksStayOnTheGrid();
    void slowHandlersDoNotMoveTheGrid();
    void restartMovesTheGrid();

    void windows_data();
    void windows();

    void manyTolerances();
    void zeroTimersAreAlwaysDue();
    void zeroTimersComeLast();
    void zeroTimersAreNotWaitedFor();
    void negativeIntervalsAreZero();

    void timerIsNotDueWhileItFires();
    void zeroTimerIsNotDueWhileItFires();
    void removedBeforeItsTurn();
    void ownerRemovedBeforeItsTurn();
    void removedInItsOwnTurn();
    void replacedBeforeItsTurn();
    void replacedInItsOwnTurn();
    void placeReusedInATurn();
    void addedInATurn();
    void nestedFiringYieldsTheOthers();
    void nestedFiringMayStopHalfway();
    void unfinishedTimerIsNotDue();
    void leftOversAreDueAtOnce();
    void memoryStaysFlatWhenHandlersThrow();
    void memoryStaysFlatWhenIntervalsChange();
    void manyTimersOfOneOwner();

    void shortestInterval();
    void longestIntervals_data();
    void longestIntervals();
    void endOfTheClock();
};

namespace {

using Ids = std::vector<int>;

std::vector<int> idsOf(const TimerQueue &queue, void *owner)
{
    std::vector<int> ids;
    for (const TimerQueue::Info &info : queue.timersOf(owner))
        ids.push_back(info.id);
    return ids;
}

#if defined(__GLIBC__)
size_t bytesInUse()
{
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
#endif

}

void tst_TimerQueue::startsEmpty()
{
    TimerQueue queue;
    QVERIFY(!queue.contains(1));
    QVERIFY(!queue.remove(1));
    QVERIFY(!queue.removeAll(this));
    QVERIFY(queue.timersOf(this).empty());
    QVERIFY(!queue.due(1));
    QVERIFY(!queue.wakeTime());
    QVERIFY(!queue.hasZeroTimers());
    QCOMPARE(fire(queue, Start), Ids());
}

void tst_TimerQueue::addedTimerIsListed()
{
    TimerQueue queue;
    queue.add(3, 7ms, Accuracy::Precise, this, Start);
    QVERIFY(queue.contains(3));
    QVERIFY(!queue.contains(4));
    QVERIFY(queue.due(3) == Start + 7ms);
    QVERIFY(queue.wakeTime() == Start + 7ms);
    const std::vector<TimerQueue::Info> infos = queue.timersOf(this);
    QCOMPARE(infos.size(), size_t(1));
    QCOMPARE(infos.front().id, 3);
    QVERIFY(infos.front().interval == 7ms);
    QVERIFY(infos.front().accuracy == Accuracy::Precise);
}

void tst_TimerQueue::timersAreListedInTheOrderOfTheirStart()
{
    TimerQueue queue;
    for (const int id : {5, 1, 9, 4})
        queue.add(id, id % 2 ? 10ms : 0ms, Accuracy::Precise, this, Start);
    QCOMPARE(idsOf(queue, this), Ids({5, 1, 9, 4}));
    queue.add(1, 3ms, Accuracy::Coarse, this, Start); // a restart
    QCOMPARE(idsOf(queue, this), Ids({5, 9, 4, 1}));
    fire(queue, Start + 10ms);
    QCOMPARE(idsOf(queue, this), Ids({5, 9, 4, 1}));
    queue.remove(9);
    QCOMPARE(idsOf(queue, this), Ids({5, 4, 1}));
    queue.remove(1);
    queue.remove(5);
    QCOMPARE(idsOf(queue, this), Ids({4}));
}

void tst_TimerQueue::ownersAreSeparate()
{
    TimerQueue queue;
    int other = 0;
    for (int id = 1; id <= 6; ++id) {
        void *const owner = id % 2 ? static_cast<void *>(this) : &other;
        queue.add(id, id <= 2 ? 0ms : 10ms, Accuracy::Precise, owner, Start);
    }
    QCOMPARE(idsOf(queue, this), Ids({1, 3, 5}));
    QCOMPARE(idsOf(queue, &other), Ids({2, 4, 6}));
    queue.collect(Start + 10ms);
    while (const auto tick = queue.take()) {
        QCOMPARE(tick->owner, tick->id % 2 ? static_cast<void *>(this) : &other);
        queue.finish(*tick);
    }
    QVERIFY(queue.removeAll(this));
    QVERIFY(!queue.removeAll(this));
    QCOMPARE(idsOf(queue, this), Ids());
    QCOMPARE(idsOf(queue, &other), Ids({2, 4, 6}));
    QCOMPARE(fire(queue, Start + 20ms), Ids({4, 6, 2}));
}

void tst_TimerQueue::removedTimerIsForgotten()
{
    TimerQueue queue;
    queue.add(1, 5ms, Accuracy::Precise, this, Start);
    queue.add(2, 0ms, Accuracy::Precise, this, Start);
    QVERIFY(queue.remove(1));
    QVERIFY(!queue.contains(1));
    QVERIFY(!queue.due(1));
    QVERIFY(!queue.wakeTime());
    QVERIFY(queue.remove(2));
    QVERIFY(!queue.hasZeroTimers());
    QVERIFY(!queue.remove(2));
    QCOMPARE(fire(queue, Start + 1h), Ids());
}

void tst_TimerQueue::sameIdReplaces()
{
    TimerQueue queue;
    int other = 0;
    queue.add(1, 5ms, Accuracy::Precise, this, Start);
    queue.add(1, 9ms, Accuracy::Precise, &other, Start);
    QCOMPARE(idsOf(queue, this), Ids());
    QCOMPARE(idsOf(queue, &other), Ids({1}));
    QCOMPARE(fire(queue, Start + 8ms), Ids());
    QCOMPARE(fire(queue, Start + 9ms), Ids({1}));
    queue.add(1, 0ms, Accuracy::Precise, this, Start + 9ms);
    QVERIFY(!queue.wakeTime());
    QCOMPARE(fire(queue, Start + 9ms), Ids({1}));
    queue.add(1, 1s, Accuracy::Precise, this, Start + 9ms);
    QVERIFY(!queue.hasZeroTimers());
    QCOMPARE(fire(queue, Start + 9ms), Ids());
}

void tst_TimerQueue::ticksComeInTheOrderOfTheirTimes()
{
    TimerQueue queue;
    Ids expected;
    for (int id = 1; id <= 50; ++id)
        queue.add(id, (id * 37 % 101) * 1ms, Accuracy::Precise, this, Start);
    for (int ms = 1; ms <= 100; ++ms) {
        for (int id = 1; id <= 50; ++id) {
            if (id * 37 % 101 == ms)
                expected.push_back(id);
        }
    }
    QCOMPARE(fire(queue, Start + 100ms), expected);
}

void tst_TimerQueue::equalTimesComeInTheOrderOfTheirStart()
{
    TimerQueue queue;
    for (const int id : {7, 3, 8, 1, 5})
        queue.add(id, 10ms, Accuracy::Precise, this, Start);
    for (int tick = 1; tick <= 3; ++tick)
        QCOMPARE(fire(queue, Start + tick * 10ms), Ids({7, 3, 8, 1, 5}));
    queue.add(3, 10ms, Accuracy::Precise, this, Start + 30ms);
    QCOMPARE(fire(queue, Start + 40ms), Ids({7, 8, 1, 5, 3}));
}

void tst_TimerQueue::orderIsThatOfTheMiddlesOfTheWindows()
{
    TimerQueue queue;
    queue.add(1, 1020ms, Accuracy::Coarse, this, Start);
    queue.add(2, 1010ms, Accuracy::Precise, this, Start);
    queue.add(3, 1000ms, Accuracy::VeryCoarse, this, Start);
    queue.add(4, 1005ms, Accuracy::Coarse, this, Start);
    QCOMPARE(fire(queue, Start + 1011ms), Ids({3, 4, 2, 1}));
}

void tst_TimerQueue::ticksStayOnTheGrid_data()
{
    QTest::addColumn<qint64>("interval");
    for (const Duration interval : {1ns, 7ns, 1000ns})
        QTest::addRow("%lld ns", static_cast<long long>(interval.count()))
            << qint64(interval.count());
    for (const auto interval : {1ms, 10ms, 333ms, 3'600'000ms}) {
        QTest::addRow("%lld ms", static_cast<long long>(interval.count()))
            << qint64(Duration(interval).count());
    }
}

void tst_TimerQueue::ticksStayOnTheGrid()
{
    QFETCH(qint64, interval);
    TimerQueue queue;
    queue.add(1, Duration(interval), Accuracy::Precise, this, Start);
    std::mt19937 random;
    std::uniform_int_distribution<qint64> lateness(0, interval - 1);
    for (qint64 tick = 1; tick <= 1000; ++tick) {
        const TimePoint due = Start + tick * Duration(interval);
        QVERIFY(queue.due(1) == due);
        QVERIFY(queue.wakeTime() == due);
        QCOMPARE(fire(queue, due - 1ns), Ids());
        QCOMPARE(fire(queue, due + Duration(lateness(random))), Ids({1}));
    }
}

void tst_TimerQueue::missedTicksAreLeftOut_data()
{
    QTest::addColumn<qint64>("late");
    QTest::addColumn<int>("nextTick");
    const qint64 interval = Duration(10ms).count();
    QTest::newRow("nearly one interval late") << interval - 1 << 2;
    QTest::newRow("one") << interval << 3;
    QTest::newRow("one and a bit") << interval + 1 << 3;
    QTest::newRow("one and a half") << interval + interval / 2 << 3;
    QTest::newRow("nearly two") << 2 * interval - 1 << 3;
    QTest::newRow("a hundred and a half") << 100 * interval + interval / 2 << 102;
    QTest::newRow("a thousand million") << 1'000'000'000 * interval << 1'000'000'002;
}

void tst_TimerQueue::missedTicksAreLeftOut()
{
    QFETCH(qint64, late);
    QFETCH(int, nextTick);
    TimerQueue queue;
    queue.add(1, 10ms, Accuracy::Precise, this, Start);
    const TimePoint now = Start + 10ms + Duration(late);
    QCOMPARE(fire(queue, now), Ids({1}));
    QVERIFY(queue.due(1) == Start + nextTick * Duration(10ms));
    QVERIFY(*queue.due(1) > now);
    QCOMPARE(fire(queue, now), Ids());
    QCOMPARE(fire(queue, *queue.due(1)), Ids({1}));
}

void tst_TimerQueue::earlyTicksStayOnTheGrid()
{
    const Duration tolerance = toleranceOf(Accuracy::Coarse, 1s);
    TimerQueue queue;
    queue.add(1, 1s, Accuracy::Coarse, this, Start);
    for (int tick = 1; tick <= 100; ++tick) {
        const TimePoint due = Start + tick * 1s;
        QVERIFY(queue.due(1) == due);
        // Now early, now late, as other timers will have it.
        QCOMPARE(fire(queue, tick % 3 ? due - tolerance : due + tolerance), Ids({1}));
        QCOMPARE(fire(queue, due + 50ms), Ids());
    }
}

void tst_TimerQueue::slowHandlersDoNotMoveTheGrid()
{
    TimerQueue queue;
    queue.add(1, 10ms, Accuracy::Precise, this, Start);
    queue.collect(Start + 10ms);
    const auto tick = queue.take();
    QVERIFY(tick);
    // 25 ms pass here.
    queue.finish(*tick);
    QVERIFY(!queue.take());
    QVERIFY(queue.due(1) == Start + 20ms);
    QVERIFY(queue.wakeTime() == Start + 20ms);
    QCOMPARE(fire(queue, Start + 35ms), Ids({1}));
    QVERIFY(queue.due(1) == Start + 40ms);
}

void tst_TimerQueue::restartMovesTheGrid()
{
    TimerQueue queue;
    queue.add(1, 10ms, Accuracy::Precise, this, Start);
    fire(queue, Start + 10ms);
    queue.add(1, 10ms, Accuracy::Precise, this, Start + 17ms);
    QVERIFY(queue.due(1) == Start + 27ms);
    QCOMPARE(fire(queue, Start + 26ms), Ids());
    QCOMPARE(fire(queue, Start + 27ms), Ids({1}));
    QVERIFY(queue.due(1) == Start + 37ms);
}

void tst_TimerQueue::windows_data()
{
    QTest::addColumn<int>("accuracy");
    QTest::addColumn<qint64>("interval");
    QTest::addColumn<qint64>("tolerance");
    const auto row = [](const char *name, Accuracy accuracy, Duration interval,
                        Duration tolerance) {
        QTest::newRow(name) << int(accuracy) << qint64(interval.count())
                            << qint64(tolerance.count());
    };
    row("precise 1 ms", Accuracy::Precise, 1ms, 0ms);
    row("precise 1 h", Accuracy::Precise, 1h, 0ms);
    row("coarse 1 ms", Accuracy::Coarse, 1ms, 0ms);
    row("coarse 20 ms", Accuracy::Coarse, 20ms, 0ms);
    row("coarse 21 ms", Accuracy::Coarse, 21ms, 1'048'576ns);
    row("coarse 100 ms", Accuracy::Coarse, 100ms, 4'980'736ns);
    row("coarse 999 ms", Accuracy::Coarse, 999ms, 48'234'496ns);
    row("coarse 10 s", Accuracy::Coarse, 10s, 486'539'264ns);
    row("coarse 11 s", Accuracy::Coarse, 11s, 486'539'264ns);
    row("coarse 1 year", Accuracy::Coarse, 365 * 24h, 486'539'264ns);
    row("very coarse 4 ms", Accuracy::VeryCoarse, 4ms, 983'040ns);
    row("very coarse 1 s", Accuracy::VeryCoarse, 1s, 243'269'632ns);
    row("very coarse 2 s", Accuracy::VeryCoarse, 2s, 486'539'264ns);
    row("very coarse 1 h", Accuracy::VeryCoarse, 1h, 486'539'264ns);
}

void tst_TimerQueue::windows()
{
    QFETCH(int, accuracy);
    QFETCH(qint64, interval);
    QFETCH(qint64, tolerance);
    const Duration period(interval);
    const Duration width(tolerance);
    TimerQueue queue;
    queue.add(1, period, Accuracy(accuracy), this, Start);
    for (int tick = 1; tick <= 3; ++tick) {
        QVERIFY(queue.due(1) == Start + tick * period);
        QVERIFY(queue.wakeTime() == Start + tick * period + width);
        QCOMPARE(fire(queue, Start + tick * period - width - 1ns), Ids());
        QCOMPARE(fire(queue, Start + tick * period - width), Ids({1}));
    }
}

void tst_TimerQueue::manyTolerances()
{
    TimerQueue queue;
    std::vector<Duration> intervals;
    for (double interval = 1; interval < 1e10; interval *= 1.01)
        intervals.emplace_back(qint64(interval));
    for (std::size_t i = 0; i < intervals.size(); ++i)
        queue.add(int(i) + 1, intervals[i], Accuracy::VeryCoarse, this, Start);
    for (std::size_t i = 0; i < intervals.size(); ++i) {
        // Of a longer interval the window does not end before.
        QVERIFY(queue.wakeTime() == Start + intervals[i] + toleranceOf(Accuracy::VeryCoarse, intervals[i]));
        QVERIFY(queue.remove(int(i) + 1));
    }
    QVERIFY(!queue.wakeTime());
}

void tst_TimerQueue::zeroTimersAreAlwaysDue()
{
    TimerQueue queue;
    queue.add(2, 0ms, Accuracy::Precise, this, Start);
    queue.add(1, 0ms, Accuracy::VeryCoarse, this, Start);
    queue.add(3, 0ms, Accuracy::Coarse, this, Start);
    QVERIFY(queue.hasZeroTimers());
    for (int i = 0; i < 3; ++i)
        QCOMPARE(fire(queue, Start), Ids({2, 1, 3}));
    QVERIFY(queue.remove(1));
    QCOMPARE(fire(queue, Start), Ids({2, 3}));
    QVERIFY(queue.hasZeroTimers());
}

void tst_TimerQueue::zeroTimersComeLast()
{
    TimerQueue queue;
    queue.add(1, 0ms, Accuracy::Precise, this, Start);
    queue.add(2, 5ms, Accuracy::Precise, this, Start);
    queue.add(3, 0ms, Accuracy::Precise, this, Start);
    queue.add(4, 1ms, Accuracy::Precise, this, Start);
    queue.add(5, TimePoint::max() - Start, Accuracy::Precise, this, Start);
    QCOMPARE(fire(queue, Start + 5ms), Ids({4, 2, 1, 3}));
}

void tst_TimerQueue::zeroTimersAreNotWaitedFor()
{
    TimerQueue queue;
    queue.add(1, 0ms, Accuracy::Precise, this, Start);
    QVERIFY(!queue.wakeTime());
    queue.add(2, 5ms, Accuracy::Precise, this, Start);
    QVERIFY(queue.wakeTime() == Start + 5ms);
    fire(queue, Start + 1ms);
    QVERIFY(queue.wakeTime() == Start + 5ms);
}

void tst_TimerQueue::negativeIntervalsAreZero()
{
    TimerQueue queue;
    int id = 0;
    for (const Accuracy accuracy : {Accuracy::Precise, Accuracy::Coarse, Accuracy::VeryCoarse}) {
        for (const Duration interval : {Duration(-1ns), Duration(-1h), Duration::min()})
            queue.add(++id, interval, accuracy, this, Start);
    }
    QVERIFY(!queue.wakeTime());
    QCOMPARE(fire(queue, Start), Ids({1, 2, 3, 4, 5, 6, 7, 8, 9}));
    for (const TimerQueue::Info &info : queue.timersOf(this))
        QVERIFY(info.interval == 0ms);
}

void tst_TimerQueue::timerIsNotDueWhileItFires()
{
    TimerQueue queue;
    queue.add(1, 10ms, Accuracy::Precise, this, Start);
    queue.collect(Start + 10ms);
    const auto tick = queue.take();
    QVERIFY(tick);
    QVERIFY(tick->interval == 10ms);
    QVERIFY(queue.contains(1));
    QCOMPARE(idsOf(queue, this), Ids({1}));
    // The time at which it will be due next is known already.
    QVERIFY(queue.due(1) == Start + 20ms);
    QVERIFY(!queue.wakeTime());
    QCOMPARE(fire(queue, Start + 55ms), Ids());
    queue.finish(*tick);
    QVERIFY(queue.wakeTime() == Start + 20ms);
    QCOMPARE(fire(queue, Start + 55ms), Ids({1}));
    QVERIFY(queue.due(1) == Start + 60ms);
}

void tst_TimerQueue::zeroTimerIsNotDueWhileItFires()
{
    TimerQueue queue;
    queue.add(1, 0ms, Accuracy::Precise, this, Start);
    queue.collect(Start);
    const auto tick = queue.take();
    QVERIFY(tick);
    QVERIFY(!queue.hasZeroTimers());
    QCOMPARE(fire(queue, Start + 1ms), Ids());
    queue.finish(*tick);
    QVERIFY(queue.hasZeroTimers());
    QCOMPARE(fire(queue, Start + 1ms), Ids({1}));
}

void tst_TimerQueue::removedBeforeItsTurn()
{
    TimerQueue queue;
    for (int id = 1; id <= 3; ++id)
        queue.add(id, id * 1ms, Accuracy::Precise, this, Start);
    queue.add(4, 0ms, Accuracy::Precise, this, Start);
    queue.add(5, 0ms, Accuracy::Precise, this, Start);
    queue.collect(Start + 3ms);
    const auto first = queue.take();
    QCOMPARE(first->id, 1);
    QVERIFY(queue.remove(2));
    QVERIFY(queue.remove(4));
    queue.finish(*first);
    const auto second = queue.take();
    QCOMPARE(second->id, 3);
    queue.finish(*second);
    const auto third = queue.take();
    QCOMPARE(third->id, 5);
    queue.finish(*third);
    QVERIFY(!queue.take());
}

void tst_TimerQueue::ownerRemovedBeforeItsTurn()
{
    TimerQueue queue;
    int other = 0;
    queue.add(1, 1ms, Accuracy::Precise, this, Start);
    queue.add(2, 2ms, Accuracy::Precise, &other, Start);
    queue.add(3, 3ms, Accuracy::Precise, this, Start);
    queue.add(4, 0ms, Accuracy::Precise, &other, Start);
    queue.add(5, 90ms, Accuracy::Precise, &other, Start);
    queue.collect(Start + 3ms);
    const auto first = queue.take();
    QVERIFY(queue.removeAll(&other));
    queue.finish(*first);
    const auto second = queue.take();
    QCOMPARE(second->id, 3);
    queue.finish(*second);
    QVERIFY(!queue.take());
    QVERIFY(!queue.hasZeroTimers());
    QVERIFY(!queue.contains(5));
}

void tst_TimerQueue::removedInItsOwnTurn()
{
    for (const auto interval : {0ms, 10ms}) {
        for (const bool byOwner : {false, true}) {
            TimerQueue queue;
            queue.add(1, interval, Accuracy::Precise, this, Start);
            queue.collect(Start + interval);
            const auto tick = queue.take();
            QVERIFY(tick);
            QVERIFY(byOwner ? queue.removeAll(this) : queue.remove(1));
            queue.finish(*tick);
            QVERIFY(!queue.contains(1));
            QVERIFY(!queue.hasZeroTimers());
            QVERIFY(!queue.wakeTime());
            QCOMPARE(fire(queue, Start + 1h), Ids());
        }
    }
}

void tst_TimerQueue::replacedBeforeItsTurn()
{
    TimerQueue queue;
    queue.add(1, 1ms, Accuracy::Precise, this, Start);
    queue.add(2, 2ms, Accuracy::Precise, this, Start);
    queue.add(3, 0ms, Accuracy::Precise, this, Start);
    queue.collect(Start + 2ms);
    const auto tick = queue.take();
    QCOMPARE(tick->id, 1);
    // Neither the old one nor, in this round, the new one.
    queue.add(2, 2ms, Accuracy::Precise, this, Start + 2ms);
    queue.add(3, 0ms, Accuracy::Precise, this, Start + 2ms);
    queue.finish(*tick);
    QVERIFY(!queue.take());
    QCOMPARE(fire(queue, Start + 4ms), Ids({1, 2, 3}));
}

void tst_TimerQueue::replacedInItsOwnTurn()
{
    TimerQueue queue;
    queue.add(1, 10ms, Accuracy::Precise, this, Start);
    queue.collect(Start + 12ms);
    const auto tick = queue.take();
    queue.add(1, 10ms, Accuracy::Precise, this, Start + 13ms);
    QVERIFY(queue.wakeTime() == Start + 23ms);
    queue.finish(*tick);
    QVERIFY(queue.due(1) == Start + 23ms);
    QVERIFY(queue.wakeTime() == Start + 23ms);
    QVERIFY(!queue.take());
    QCOMPARE(fire(queue, Start + 22ms), Ids());
    QCOMPARE(fire(queue, Start + 23ms), Ids({1}));

    // From a zero timer to another and back.
    queue.add(1, 0ms, Accuracy::Precise, this, Start + 23ms);
    queue.collect(Start + 23ms);
    const auto zeroTick = queue.take();
    queue.add(1, 0ms, Accuracy::Precise, this, Start + 23ms);
    queue.finish(*zeroTick);
    QCOMPARE(fire(queue, Start + 23ms), Ids({1}));
}

void tst_TimerQueue::placeReusedInATurn()
{
    TimerQueue queue;
    queue.add(1, 10ms, Accuracy::Precise, this, Start);
    queue.add(2, 20ms, Accuracy::Precise, this, Start);
    queue.collect(Start + 20ms);
    const auto tick = queue.take();
    QCOMPARE(tick->id, 1);
    // Two timers go, and two come that may get their places.
    queue.remove(1);
    queue.remove(2);
    queue.add(3, 30ms, Accuracy::Precise, this, Start + 20ms);
    queue.add(4, 40ms, Accuracy::Precise, this, Start + 20ms);
    queue.finish(*tick);
    QVERIFY(!queue.take());
    QVERIFY(queue.wakeTime() == Start + 50ms);
    QCOMPARE(fire(queue, Start + 60ms), Ids({3, 4}));
    QCOMPARE(fire(queue, Start + 79ms), Ids());

    // The same, and one of the new ones fires itself when the old tick is finished.
    queue.collect(Start + 80ms);
    const auto old = queue.take();
    QCOMPARE(old->id, 3);
    queue.remove(3);
    queue.add(5, 0ms, Accuracy::Precise, this, Start + 80ms);
    queue.collect(Start + 80ms);
    const auto nested = queue.take();
    QCOMPARE(nested->id, 5);
    queue.finish(*old);
    QVERIFY(!queue.hasZeroTimers());
    queue.finish(*nested);
    QVERIFY(queue.hasZeroTimers());
}

void tst_TimerQueue::addedInATurn()
{
    TimerQueue queue;
    queue.add(1, 10ms, Accuracy::Precise, this, Start);
    queue.collect(Start + 10ms);
    const auto tick = queue.take();
    // Already due by the clock, but not in this round: a timer that starts another would never end.
    queue.add(2, 1ns, Accuracy::Precise, this, Start + 9ms);
    queue.add(3, 0ms, Accuracy::Precise, this, Start + 10ms);
    queue.finish(*tick);
    QVERIFY(!queue.take());
    QCOMPARE(fire(queue, Start + 10ms), Ids({2, 3}));
}

void tst_TimerQueue::nestedFiringYieldsTheOthers()
{
    TimerQueue queue;
    queue.add(1, 10ms, Accuracy::Precise, this, Start);
    queue.add(2, 11ms, Accuracy::Precise, this, Start);
    queue.add(3, 12ms, Accuracy::Precise, this, Start);
    queue.add(4, 13ms, Accuracy::Precise, this, Start);
    queue.add(5, 0ms, Accuracy::Precise, this, Start);
    queue.collect(Start + 12ms);
    const auto outer = queue.take();
    QCOMPARE(outer->id, 1);
    // What the outer round left over, what is due since, and zero timers, in order.
    QCOMPARE(fire(queue, Start + 13ms), Ids({2, 3, 4, 5}));
    QCOMPARE(fire(queue, Start + 24ms), Ids({2, 3, 5}));
    queue.finish(*outer);
    QVERIFY(!queue.take());
    QCOMPARE(fire(queue, Start + 24ms), Ids({1, 5}));
}

void tst_TimerQueue::nestedFiringMayStopHalfway()
{
    TimerQueue queue;
    for (int id = 1; id <= 6; ++id)
        queue.add(id, id * 1ms, Accuracy::Precise, this, Start);
    queue.collect(Start + 4ms);
    const auto outer = queue.take();
    QCOMPARE(outer->id, 1);
    queue.collect(Start + 5ms);
    const auto nested = queue.take();
    QCOMPARE(nested->id, 2);
    queue.finish(*nested);
    // The nested loop ends here, and the outer one has the rest; 2 is due again, but later.
    queue.finish(*outer);
    Ids rest;
    while (const auto tick = queue.take()) {
        rest.push_back(tick->id);
        queue.finish(*tick);
    }
    QCOMPARE(rest, Ids({3, 4, 5}));
}

void tst_TimerQueue::unfinishedTimerIsNotDue()
{
    // An outer loop's handler that does not return.
    TimerQueue queue;
    queue.add(1, 10ms, Accuracy::Precise, this, Start);
    queue.add(2, 10ms, Accuracy::Precise, this, Start);
    queue.collect(Start + 10ms);
    const auto outer = queue.take();
    QCOMPARE(outer->id, 1);
    QCOMPARE(fire(queue, Start + 10ms), Ids({2}));
    for (int tick = 2; tick <= 10; ++tick) {
        QVERIFY(queue.wakeTime() == Start + tick * 10ms);
        QCOMPARE(fire(queue, Start + tick * 10ms), Ids({2}));
    }
    queue.finish(*outer);
    QCOMPARE(fire(queue, Start + 100ms), Ids({1}));
    QVERIFY(queue.due(1) == Start + 110ms);
}

void tst_TimerQueue::leftOversAreDueAtOnce()
{
    // As when an exception leaves the loop in the middle.
    TimerQueue queue;
    queue.add(1, 10ms, Accuracy::Precise, this, Start);
    queue.add(2, 10ms, Accuracy::Precise, this, Start);
    queue.add(3, 50ms, Accuracy::Precise, this, Start);
    queue.collect(Start + 10ms);
    const auto tick = queue.take();
    queue.finish(*tick);
    QVERIFY(queue.wakeTime());
    QVERIFY(*queue.wakeTime() <= Start + 10ms);
    queue.remove(2);
    QVERIFY(queue.wakeTime() == Start + 20ms);
    QCOMPARE(fire(queue, Start + 10ms), Ids());
    QCOMPARE(fire(queue, Start + 20ms), Ids({1}));
}

void tst_TimerQueue::memoryStaysFlatWhenHandlersThrow()
{
#if defined(__GLIBC__)
    // Each round ends by an exception in its first timer, so take() never gets to the end.
    TimerQueue queue;
    queue.add(1, 1ms, Accuracy::Precise, this, Start);
    queue.add(2, 0ms, Accuracy::Precise, this, Start);
    TimePoint now = Start;
    const auto runRounds = [&](int rounds) {
        for (int round = 0; round < rounds; ++round) {
            now += 1ms;
            queue.collect(now);
            const auto tick = queue.take();
            QCOMPARE(tick->id, 1);
            // What was collected is void now, and the zero timer will be collected again.
            queue.add(2, 0ms, Accuracy::Precise, this, now);
            queue.finish(*tick);
        }
    };
    runRounds(100);
    const size_t before = bytesInUse();
    runRounds(100'000);
    const size_t after = bytesInUse();
    QVERIFY2(after < before + 64 * 1024, qPrintable(u"%1 bytes more"_s.arg(after - before)));

    // The same with nothing but a zero timer.
    TimerQueue zero;
    zero.add(1, 0ms, Accuracy::Precise, this, Start);
    const size_t beforeZero = bytesInUse();
    for (int round = 0; round < 100'000; ++round) {
        zero.collect(Start);
        zero.finish(*zero.take());
    }
    const size_t afterZero = bytesInUse();
    QVERIFY(afterZero < beforeZero + 64 * 1024);
#else
    QSKIP("the C library does not tell how much memory is in use");
#endif
}

void tst_TimerQueue::memoryStaysFlatWhenIntervalsChange()
{
#if defined(__GLIBC__)
    // All timers get another interval, and so another tolerance, in each round.
    TimerQueue queue;
    constexpr int Timers = 1000;
    const auto runRound = [&](Duration interval) {
        for (int id = 1; id <= Timers; ++id)
            queue.add(id, interval, Accuracy::Coarse, this, Start);
        QVERIFY(queue.wakeTime());
    };
    runRound(30ms);
    runRound(40ms);
    const size_t before = bytesInUse();
    for (Duration interval = 50ms; interval < 10s; interval += interval / 10)
        runRound(interval);
    const size_t after = bytesInUse();
    QVERIFY2(after < before + 64 * 1024, qPrintable(u"%1 bytes more"_s.arg(after - before)));
#else
    QSKIP("the C library does not tell how much memory is in use");
#endif
}

void tst_TimerQueue::manyTimersOfOneOwner()
{
    // The same work with one owner and with an owner for each timer. The best of three runs, and a
    // wide bound, because others may need the machine: what walks a list of all takes 100 times as long.
    constexpr int Timers = 20'000;
    std::vector<char> owners(Timers);
    const auto shortestTime = [&](bool haveOneOwner, bool oneByOne) {
        qint64 shortest = std::numeric_limits<qint64>::max();
        for (int run = 0; run < 3; ++run) {
            TimerQueue queue;
            const auto owner = [&](int id) { return &owners[haveOneOwner ? 0 : size_t(id) - 1]; };
            QElapsedTimer elapsed;
            elapsed.start();
            for (int id = 1; id <= Timers; ++id)
                queue.add(id, 1s, Accuracy::Coarse, owner(id), Start);
            if (oneByOne) {
                for (int id = 1; id <= Timers; ++id)
                    queue.remove(id);
            } else {
                for (int id = 1; id <= Timers; ++id)
                    queue.removeAll(owner(id));
            }
            shortest = std::min(shortest, elapsed.nsecsElapsed());
            if (queue.contains(1) || queue.contains(Timers))
                qFatal("a timer is left");
        }
        return shortest;
    };
    for (const bool oneByOne : {true, false})
        QVERIFY(shortestTime(true, oneByOne) < 10 * shortestTime(false, oneByOne));
}

void tst_TimerQueue::shortestInterval()
{
    TimerQueue queue;
    queue.add(1, 1ns, Accuracy::Precise, this, Start);
    QVERIFY(queue.wakeTime() == Start + 1ns);
    QCOMPARE(fire(queue, Start), Ids());
    for (const auto passed : {Duration(1ns), Duration(2ns), Duration(1s), Duration(24h)}) {
        QCOMPARE(fire(queue, Start + passed), Ids({1}));
        QVERIFY(queue.wakeTime() == Start + passed + 1ns);
    }
}

void tst_TimerQueue::longestIntervals_data()
{
    QTest::addColumn<int>("accuracy");
    QTest::addColumn<qint64>("interval");
    for (const Accuracy accuracy : {Accuracy::Precise, Accuracy::Coarse, Accuracy::VeryCoarse}) {
        QTest::addRow("100 years, %d", int(accuracy))
            << int(accuracy) << qint64(Duration(100 * 365 * 24h).count());
        QTest::addRow("as long as an int of ms, %d", int(accuracy))
            << int(accuracy) << qint64(Duration(std::chrono::milliseconds(INT_MAX)).count());
        QTest::addRow("up to the end of the clock, %d", int(accuracy))
            << int(accuracy) << qint64((TimePoint::max() - Start).count());
        QTest::addRow("nearly the longest, %d", int(accuracy))
            << int(accuracy) << qint64(Duration::max().count() - 1);
        QTest::addRow("the longest, %d", int(accuracy))
            << int(accuracy) << qint64(Duration::max().count());
    }
}

void tst_TimerQueue::longestIntervals()
{
    QFETCH(int, accuracy);
    QFETCH(qint64, interval);
    TimerQueue queue;
    queue.add(1, Duration(interval), Accuracy(accuracy), this, Start);
    queue.add(2, 10ms, Accuracy::Precise, this, Start);
    QCOMPARE(queue.timersOf(this).front().interval.count(), interval);
    QVERIFY(*queue.due(1) > Start + 20 * 24h);
    for (const auto passed : {Duration(10ms), Duration(1h), Duration(20 * 24h)})
        QCOMPARE(fire(queue, Start + passed), Ids({2}));
    queue.remove(2);
    QVERIFY(*queue.wakeTime() >= *queue.due(1));
    QVERIFY(queue.remove(1));
    QVERIFY(!queue.wakeTime());
}

void tst_TimerQueue::endOfTheClock()
{
    // No machine will be up for so long; but what cannot be computed must not come at once either.
    TimerQueue queue;
    const TimePoint late = TimePoint::max() - 1s;
    queue.add(1, 100 * 365 * 24h, Accuracy::Coarse, this, Start);
    queue.add(2, 1h, Accuracy::VeryCoarse, this, late);
    queue.add(3, 10ms, Accuracy::Precise, this, late);
    QCOMPARE(fire(queue, Start + 100 * 365 * 24h), Ids({1}));
    for (int i = 0; i < 10; ++i) {
        for (const int id : {1, 2, 3})
            QVERIFY(*queue.due(id) > Start);
        fire(queue, late + i * 100ms);
    }
    fire(queue, TimePoint::max());
    for (const int id : {1, 2, 3})
        QVERIFY(*queue.due(id) > late);
}

QTEST_APPLESS_MAIN(tst_TimerQueue)

#include "tst_timerqueue.moc"
