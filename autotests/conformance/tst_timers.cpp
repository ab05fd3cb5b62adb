// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

#include <QtCore/QBasicTimer>
#include <QtTest/QSignalSpy>
#if QT_VERSION >= QT_VERSION_CHECK(6, 8, 0)
#    include <QtCore/QChronoTimer>
#endif

/// Timers: that they fire, how often and in which order, and what can be asked about them.
class tst_Timers : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { settle(); }

    void fireRepeatedly_data();
    void fireRepeatedly();
    void singleShotFiresOnce();
    void zeroTimerFiresOnceEveryTurn();
    void singleShotWithoutATimerObject();
    void basicTimer();
    void fireInOrderOfDeadline();
    void overdueTimerFiresOnceATurn();
    void thousandsFire();
    void missedTicksAreNotMadeUpFor();

    void registeredTimersAreListed();
    void unregisterTimer();
    void unregisterTimers();
    void reregisteredUnderItsOldId();
    void remainingTimeCountsDown();
    void remainingTimeOfOverdueTimerIsZero();
    void remainingTimeOfUnknownTimerIsNegative();
    void remainingTimeInsideItsHandlerIsOfTheNextTick();
    void veryLongIntervals_data();
    void veryLongIntervals();
    void longestInterval_data();
    void longestInterval();
    void shorterTimerStartedLaterFiresFirst();
    void objectDeletedWithRunningTimers();
    void cannotBeChangedFromAnotherThread();
#if QT_VERSION >= QT_VERSION_CHECK(6, 8, 0)
    void chronoTimer();
    void nanosecondsAreKept();
#endif
};

void tst_Timers::fireRepeatedly_data()
{
    QTest::addColumn<Qt::TimerType>("type");
    QTest::addColumn<int>("interval");
    QTest::addColumn<int>("times");
    QTest::newRow("precise, zero") << Qt::PreciseTimer << 0 << 100;
    QTest::newRow("coarse, zero") << Qt::CoarseTimer << 0 << 100;
    QTest::newRow("precise, 1 ms") << Qt::PreciseTimer << 1 << 20;
    QTest::newRow("coarse, 1 ms") << Qt::CoarseTimer << 1 << 20;
    QTest::newRow("precise, 50 ms") << Qt::PreciseTimer << 50 << 3;
    QTest::newRow("coarse, 50 ms") << Qt::CoarseTimer << 50 << 3;
    QTest::newRow("very coarse, 1 s") << Qt::VeryCoarseTimer << 1000 << 1;
}

void tst_Timers::fireRepeatedly()
{
    QFETCH(Qt::TimerType, type);
    QFETCH(int, interval);
    QFETCH(int, times);
    TimerObject object;
    const int id = object.startTimer(interval, type);
    QVERIFY(id > 0);
    QVERIFY(runUntil([&] { return object.fired.size() >= times; }));
    QCOMPARE(object.fired.count(id), object.fired.size());
    object.killTimer(id);
    object.fired.clear();
    QThread::msleep(2);
    turn();
    QVERIFY(object.fired.isEmpty());
}

void tst_Timers::singleShotFiresOnce()
{
    QTimer single;
    single.setSingleShot(true);
    int fired = 0;
    bool activeInside = true;
    single.callOnTimeout([&] {
        ++fired;
        activeInside = single.isActive();
    });
    single.start(1);
    QVERIFY(runUntil([&] { return fired == 1; }));
    QVERIFY(!activeInside);
    QThread::msleep(2);
    turn();
    QCOMPARE(fired, 1);
}

void tst_Timers::zeroTimerFiresOnceEveryTurn()
{
    TimerObject object;
    object.startTimer(0);
    for (int i = 1; i <= 10; ++i) {
        turn();
        QCOMPARE(object.fired.size(), i);
    }
}

void tst_Timers::singleShotWithoutATimerObject()
{
    QList<int> fired;
    QObject context;
    QTimer::singleShot(60, Qt::PreciseTimer, &context, [&] { fired.append(3); });
    QTimer::singleShot(20ms, Qt::PreciseTimer, &context, [&] { fired.append(2); });
    QTimer::singleShot(0, &context, [&] { fired.append(1); });
    {
        QObject gone;
        QTimer::singleShot(1, &gone, [&] { fired.append(-1); });
    }
    QVERIFY(runUntil([&] { return fired.size() == 3; }));
    QCOMPARE(fired, QList<int>({ 1, 2, 3 }));
}

void tst_Timers::basicTimer()
{
    TimerObject object;
    QBasicTimer timer;
    timer.start(1, Qt::PreciseTimer, &object);
    QVERIFY(runUntil([&] { return object.fired.size() == 2; }));
    QCOMPARE(object.fired.first(), timer.timerId());
    timer.start(5, &object);
    object.fired.clear();
    QVERIFY(runUntil([&] { return !object.fired.isEmpty(); }));
    QCOMPARE(object.fired.first(), timer.timerId());
    timer.stop();
    QVERIFY(dispatcher()->registeredTimers(&object).isEmpty());
}

void tst_Timers::fireInOrderOfDeadline()
{
    TimerObject object;
    QList<int> expected;
    for (const int interval : { 9, 3, 1, 7, 5 })
        expected.append(object.startTimer(interval, Qt::PreciseTimer));
    expected = { expected[2], expected[1], expected[4], expected[3], expected[0] };
    object.onTimer = [&](int id) { object.killTimer(id); };
    // All are due at once.
    QThread::msleep(10);
    turn();
    QCOMPARE(object.fired, expected);
}

void tst_Timers::overdueTimerFiresOnceATurn()
{
    TimerObject object;
    const int fast = object.startTimer(1, Qt::PreciseTimer);
    const int zero = object.startTimer(0);
    object.onTimer = [](int) { QThread::msleep(3); };
    for (int i = 1; i <= 5; ++i) {
        QThread::msleep(3);
        turn();
        QCOMPARE(object.fired.count(fast), i);
        QCOMPARE(object.fired.count(zero), i);
    }
}

void tst_Timers::thousandsFire()
{
    TimerObject object;
    QSet<int> running;
    object.onTimer = [&](int id) {
        object.killTimer(id);
        running.remove(id);
    };
    for (int i = 0; i < 5000; ++i) {
        const auto type = i % 3 ? Qt::PreciseTimer : Qt::CoarseTimer;
        running.insert(object.startTimer((i * 7919) % 200, type));
    }
    QCOMPARE(running.size(), 5000);
    QVERIFY(runUntil([&] { return running.isEmpty(); }));
    QCOMPARE(object.fired.size(), 5000);
}

void tst_Timers::missedTicksAreNotMadeUpFor()
{
    TimerObject object;
    object.startTimer(10, Qt::PreciseTimer);
    QThread::msleep(105);
    QElapsedTimer since;
    since.start();
    for (int i = 0; i < 5; ++i)
        turn();
    // One for all ten that were missed, and those that have become due since.
    QVERIFY2(object.fired.size() <= 2 + since.elapsed() / 10,
             qPrintable(QString::number(object.fired.size())));
    QVERIFY(!object.fired.isEmpty());
}

void tst_Timers::registeredTimersAreListed()
{
    TimerObject object;
    TimerObject other;
    QVERIFY(dispatcher()->registeredTimers(&object).isEmpty());
    // Intervals that no dispatcher has reason to change.
    const int precise = object.startTimer(30, Qt::PreciseTimer);
    const int coarse = object.startTimer(1000, Qt::CoarseTimer);
    const int veryCoarse = object.startTimer(60'000, Qt::VeryCoarseTimer);
    other.startTimer(1);

    const auto timers = dispatcher()->registeredTimers(&object);
    QCOMPARE(timers.size(), 3);
    for (const auto &timer : timers) {
        if (timer.timerId == precise) {
            QCOMPARE(timer.interval, 30);
            QCOMPARE(timer.timerType, Qt::PreciseTimer);
        } else if (timer.timerId == coarse) {
            QCOMPARE(timer.interval, 1000);
            QCOMPARE(timer.timerType, Qt::CoarseTimer);
        } else {
            QCOMPARE(timer.timerId, veryCoarse);
            QCOMPARE(timer.interval, 60'000);
            QCOMPARE(timer.timerType, Qt::VeryCoarseTimer);
        }
    }
    QCOMPARE(dispatcher()->registeredTimers(&other).size(), 1);
}

void tst_Timers::unregisterTimer()
{
    TimerObject object;
    const int id = dispatcher()->registerTimer(0, Qt::PreciseTimer, &object);
    QVERIFY(id > 0);
    turn();
    QCOMPARE(object.fired, QList<int>({ id }));
    QVERIFY(dispatcher()->unregisterTimer(id));
    QVERIFY(!dispatcher()->unregisterTimer(id));
    turn();
    QCOMPARE(object.fired.size(), 1);
    QVERIFY(dispatcher()->registeredTimers(&object).isEmpty());
}

void tst_Timers::unregisterTimers()
{
    TimerObject object;
    TimerObject other;
    for (int i = 0; i < 10; ++i)
        dispatcher()->registerTimer(i, Qt::PreciseTimer, &object);
    const int kept = dispatcher()->registerTimer(0, Qt::PreciseTimer, &other);
    QVERIFY(dispatcher()->unregisterTimers(&object));
    QVERIFY(dispatcher()->registeredTimers(&object).isEmpty());
    QThread::msleep(10);
    turn();
    QVERIFY(object.fired.isEmpty());
    QCOMPARE(other.fired, QList<int>({ kept }));
    QVERIFY(dispatcher()->unregisterTimers(&other));
    QVERIFY(!dispatcher()->unregisterTimers(&other));
}

void tst_Timers::reregisteredUnderItsOldId()
{
    // As QObject does when an object with timers moves between threads.
    TimerObject object;
    const int id = dispatcher()->registerTimer(60'000, Qt::PreciseTimer, &object);
    QVERIFY(dispatcher()->unregisterTimer(id));
    dispatcher()->registerTimer(id, 1, Qt::PreciseTimer, &object);
    QVERIFY(runUntil([&] { return object.fired == QList<int>({ id }); }));
    QVERIFY(dispatcher()->unregisterTimer(id));
}

void tst_Timers::remainingTimeCountsDown()
{
    QTimer timer;
    timer.setTimerType(Qt::PreciseTimer);
    timer.start(600'000);
    const int before = timer.remainingTime();
    QVERIFY(before > 0 && before <= 600'000);
    QThread::msleep(5);
    const int after = timer.remainingTime();
    QVERIFY2(after <= before - 4, qPrintable(QString::number(before - after)));
    QCOMPARE(dispatcher()->remainingTime(timer.timerId()) / 1000, timer.remainingTime() / 1000);
    timer.start();
    QVERIFY(timer.remainingTime() > 0);
}

void tst_Timers::remainingTimeOfOverdueTimerIsZero()
{
    QTimer timer;
    timer.setTimerType(Qt::PreciseTimer);
    timer.start(1);
    QThread::msleep(2);
    QCOMPARE(timer.remainingTime(), 0);
    timer.start(0);
    QCOMPARE(timer.remainingTime(), 0);
}

void tst_Timers::remainingTimeOfUnknownTimerIsNegative()
{
    TimerObject object;
    const int id = dispatcher()->registerTimer(1000, Qt::PreciseTimer, &object);
    QVERIFY(dispatcher()->remainingTime(id) > 0);
    QVERIFY(dispatcher()->unregisterTimer(id));
    QVERIFY(dispatcher()->remainingTime(id) < 0);
    QTimer timer;
    QVERIFY(timer.remainingTime() < 0);
}

void tst_Timers::remainingTimeInsideItsHandlerIsOfTheNextTick()
{
    TimerObject object;
    int remaining = 0;
    object.onTimer = [&](int id) { remaining = dispatcher()->remainingTime(id); };
    object.startTimer(20, Qt::PreciseTimer);
    // More than once only where the machine lost a whole interval in between.
    QVERIFY(runUntil([&] { return remaining > 0; }));
    QVERIFY(remaining <= 20);
}

void tst_Timers::longestInterval_data()
{
    veryLongIntervals_data();
}

void tst_Timers::longestInterval()
{
    if (DispatcherUnderTest::kind() != DispatcherUnderTest::Kind::Ours)
        QSKIP("Qt's own dispatchers compute past the end of the clock");
    QFETCH(Qt::TimerType, type);
    TimerObject object;
#if QT_VERSION >= QT_VERSION_CHECK(6, 8, 0)
    const int longest = object.startTimer(std::chrono::nanoseconds::max(), type);
#else
    // By an id of its own: Qt 6.8 computes in nanoseconds before it calls a dispatcher that was built with Qt 6.4.
    const int longest = 1'000'000;
    dispatcher()->registerTimer(longest, std::numeric_limits<qint64>::max(), type, &object);
#endif
    QVERIFY(dispatcher()->remainingTime(longest) > 24 * 3600 * 1000);
    object.startTimer(5, Qt::PreciseTimer);
    QVERIFY(runUntil([&] { return object.fired.size() >= 3; }));
    QCOMPARE(object.fired.count(longest), 0);
    QVERIFY(dispatcher()->unregisterTimers(&object));
}

void tst_Timers::veryLongIntervals_data()
{
    QTest::addColumn<Qt::TimerType>("type");
    QTest::newRow("precise") << Qt::PreciseTimer;
    QTest::newRow("coarse") << Qt::CoarseTimer;
    QTest::newRow("very coarse") << Qt::VeryCoarseTimer;
}

void tst_Timers::veryLongIntervals()
{
    QFETCH(Qt::TimerType, type);
    constexpr int TwentyDays = 20 * 24 * 60 * 60 * 1000;
    TimerObject object;
    const int longest = object.startTimer(TwentyDays, type);
    const int remaining = dispatcher()->remainingTime(longest);
    QVERIFY2(qAbs(remaining - TwentyDays) < 10'000, qPrintable(QString::number(remaining)));
    turn();
    // ... and the wait for it is not cut, or wrapped around, into a busy one.
    object.startTimer(20, Qt::PreciseTimer);
    QSignalSpy turns(dispatcher(), &QAbstractEventDispatcher::awake);
    QVERIFY(runUntil([&] { return !object.fired.isEmpty(); }));
    QVERIFY2(turns.size() < 10, qPrintable(QString::number(turns.size())));
    QCOMPARE(object.fired.count(longest), 0);
}

void tst_Timers::shorterTimerStartedLaterFiresFirst()
{
    TimerObject object;
    object.startTimer(60'000, Qt::PreciseTimer);
    turn();
    const int second = object.startTimer(10, Qt::PreciseTimer);
    QVERIFY(runUntil([&] { return !object.fired.isEmpty(); }));
    QCOMPARE(object.fired.first(), second);
}

void tst_Timers::objectDeletedWithRunningTimers()
{
    auto *object = new TimerObject;
    for (int i = 0; i < 10; ++i)
        object->startTimer(i % 2);
    QThread::msleep(2);
    turn();
    QCOMPARE(object->fired.size(), 10);
    QThread::msleep(2);
    delete object;
    turn();
    QVERIFY(dispatcher()->registeredTimers(object).isEmpty());
}

void tst_Timers::cannotBeChangedFromAnotherThread()
{
    TimerObject object;
    const int id = object.startTimer(0);
    QTest::ignoreMessage(QtWarningMsg,
                         "QObject::startTimer: Timers cannot be started from another thread");
    QTest::ignoreMessage(QtWarningMsg,
                         "QObject::killTimer: Timers cannot be stopped from another thread");
    int refused = -1;
    std::thread([&] {
        refused = object.startTimer(0);
        object.killTimer(id);
    }).join();
    QCOMPARE(refused, 0);
    turn();
    QCOMPARE(object.fired, QList<int>({ id }));
}

#if QT_VERSION >= QT_VERSION_CHECK(6, 8, 0)
void tst_Timers::chronoTimer()
{
    QChronoTimer timer(1500us);
    timer.setTimerType(Qt::PreciseTimer);
    int fired = 0;
    timer.callOnTimeout([&] { ++fired; });
    timer.start();
    QVERIFY(timer.remainingTime() <= 1500us);
    QVERIFY(runUntil([&] { return fired >= 3; }));
    timer.setInterval(1h);
    QVERIFY(timer.remainingTime() > 1min);
    timer.stop();
    fired = 0;
    QThread::msleep(2);
    turn();
    QCOMPARE(fired, 0);
}

void tst_Timers::nanosecondsAreKept()
{
    TimerObject object;
    const Qt::TimerId id = dispatcher()->registerTimer(123'456'789ns, Qt::PreciseTimer, &object);
    const auto timers = dispatcher()->timersForObject(&object);
    QCOMPARE(timers.size(), 1);
    QVERIFY(timers.first().timerId == id);
    QVERIFY(timers.first().interval == 123'456'789ns);
    const auto remaining = dispatcher()->remainingTime(id);
    QVERIFY(remaining <= 123'456'789ns && remaining >= 0ns);
    QVERIFY(dispatcher()->unregisterTimer(id));
    QVERIFY(dispatcher()->remainingTime(id) < 0ns);
}
#endif

DISPATCHER_TEST_MAIN(tst_Timers)

#include "tst_timers.moc"
