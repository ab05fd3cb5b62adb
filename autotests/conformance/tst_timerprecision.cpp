// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

#include <QtTest/QSignalSpy>

/**
 * How far from its time a timer may fire. Only too early is an error: how late depends on what else
 * the machine has to do. All clocks start before the timers do, so that a delay in between can only
 * make a timer look later.
 */
class tst_TimerPrecision : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { settle(); }

    void preciseIsNeverEarly_data();
    void preciseIsNeverEarly();
    void coarseIsAtMostFivePercentEarly_data();
    void coarseIsAtMostFivePercentEarly();
    void veryCoarseIsAtMostHalfASecondEarly();
    void singleShotIsNotEarly();
    void restartCountsFromTheRestart();
    void remainingTimeIsNotTooShort();
    void waitingForATimerIsOneWait();
    void waitEndsForTheEarliestTimer();
#if QT_VERSION >= QT_VERSION_CHECK(6, 8, 0)
    void preciseInNanosecondsIsNeverEarly();
#endif
};

namespace {

using Clock = std::chrono::steady_clock;

double millisecondsSince(Clock::time_point start)
{
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// By how many milliseconds, at most, any of the first @p ticks of any of the timers was earlier
/// than is @p allowed for its interval.
double tooEarly(Qt::TimerType type, const QList<int> &intervals, int ticks,
                const std::function<double(int interval)> &allowed)
{
    double worst = -1e9;
    int running = 0;
    std::vector<std::unique_ptr<QTimer>> timers;
    for (const int interval : intervals) {
        timers.push_back(std::make_unique<QTimer>());
        QTimer *timer = timers.back().get();
        timer->setTimerType(type);
        ++running;
        timer->callOnTimeout([&, timer, interval, ticks, tick = 0, start = Clock::now()]() mutable {
            const double early = ++tick * interval - millisecondsSince(start);
            worst = std::max(worst, early - allowed(interval));
            if (tick == ticks) {
                timer->stop();
                --running;
            }
        });
        timer->start(interval);
    }
    return runUntil([&] { return running == 0; }) ? worst : 1e9;
}

/// A loop that waits shows how long it waits; one that never does, what it fires as soon as it may.
void addLoopColumn()
{
    QTest::addColumn<bool>("busy");
    QTest::newRow("waiting loop") << false;
    QTest::newRow("busy loop") << true;
}

bool isOurs()
{
    return DispatcherUnderTest::kind() == DispatcherUnderTest::Kind::Ours;
}

}

void tst_TimerPrecision::preciseIsNeverEarly_data()
{
    addLoopColumn();
}

void tst_TimerPrecision::preciseIsNeverEarly()
{
    QFETCH(bool, busy);
    TimerObject zero;
    if (busy)
        zero.startTimer(0);
    // Tick k is never due before start + k * interval, on a grid that a late tick may have moved
    // on (as in Qt) as well as on a fixed one.
    QVERIFY(tooEarly(Qt::PreciseTimer, { 1, 2, 3, 5, 7, 10, 20, 33, 50 }, 10,
                     [](int) { return 0.0; })
            <= 0);
}

void tst_TimerPrecision::coarseIsAtMostFivePercentEarly_data()
{
    addLoopColumn();
}

void tst_TimerPrecision::coarseIsAtMostFivePercentEarly()
{
    QFETCH(bool, busy);
    TimerObject zero;
    if (busy)
        zero.startTimer(0);
    // Only the first tick: after that Qt's own dispatchers may add one error to the other. They
    // also cut the fractions of a millisecond.
    const double cut = isOurs() ? 0 : 1;
    QVERIFY(tooEarly(Qt::CoarseTimer, { 100, 150, 160, 220, 330, 340 }, 1,
                     [&](int interval) { return interval * 0.05 + cut; })
            <= 0);
    // A twentieth of these is not worth it.
    QVERIFY(tooEarly(Qt::CoarseTimer, { 1, 5, 20 }, 1, [](int) { return 0.0; }) <= 0);
}

void tst_TimerPrecision::veryCoarseIsAtMostHalfASecondEarly()
{
    // Whole seconds, for Qt's own dispatchers round the interval as well as the time.
    TimerObject waker;
    waker.startTimer(5, Qt::PreciseTimer);
    const QList<int> intervals = isOurs() ? QList<int>{ 1000, 1300, 1700 } : QList<int>{ 1000 };
    QVERIFY(tooEarly(Qt::VeryCoarseTimer, intervals, 1, [](int) { return 500.0; }) <= 0);
}

void tst_TimerPrecision::singleShotIsNotEarly()
{
    for (const auto interval : { 1ms, 4ms, 17ms }) {
        const auto start = Clock::now();
        bool fired = false;
        QTimer::singleShot(interval, Qt::PreciseTimer, this, [&] { fired = true; });
        QVERIFY(runUntil([&] { return fired; }));
        QVERIFY(Clock::now() - start >= interval);
    }
}

void tst_TimerPrecision::restartCountsFromTheRestart()
{
    QTimer timer;
    timer.setTimerType(Qt::PreciseTimer);
    bool fired = false;
    timer.callOnTimeout([&] { fired = true; });
    timer.start(30);
    QThread::msleep(20);
    const auto restart = Clock::now();
    timer.start(30);
    QVERIFY(runUntil([&] { return fired; }));
    QVERIFY(Clock::now() - restart >= 30ms);
}

void tst_TimerPrecision::remainingTimeIsNotTooShort()
{
    const auto start = Clock::now();
    QTimer timer;
    timer.setTimerType(Qt::PreciseTimer);
    timer.start(100);
    for (int i = 0; i < 20; ++i) {
        QThread::msleep(2);
        const int remaining = timer.remainingTime();
        QVERIFY(remaining >= 0 && remaining <= 100);
        // Read after the answer, the clock can only be later than the answer knew.
        QVERIFY(remaining + millisecondsSince(start) >= 100);
    }
}

void tst_TimerPrecision::waitingForATimerIsOneWait()
{
    for (const auto type : { Qt::PreciseTimer, Qt::CoarseTimer }) {
        TimerObject object;
        object.startTimer(150, type);
        QSignalSpy turns(dispatcher(), &QAbstractEventDispatcher::awake);
        QVERIFY(runUntil([&] { return !object.fired.isEmpty(); }));
        // One, but a kernel may round the time of a wait; waking every millisecond is what this is
        // to find.
        QVERIFY2(turns.size() < 10, qPrintable(QString::number(turns.size())));
    }
}

void tst_TimerPrecision::waitEndsForTheEarliestTimer()
{
    TimerObject object;
    object.startTimer(60'000, Qt::PreciseTimer);
    object.startTimer(3000, Qt::PreciseTimer);
    const int earliest = object.startTimer(30, Qt::PreciseTimer);
    object.startTimer(10'000, Qt::PreciseTimer);
    QVERIFY(runUntil([&] { return !object.fired.isEmpty(); }));
    // A wait for any other one would have made both due.
    QCOMPARE(object.fired, QList<int>({ earliest }));
}

#if QT_VERSION >= QT_VERSION_CHECK(6, 8, 0)
void tst_TimerPrecision::preciseInNanosecondsIsNeverEarly()
{
    constexpr auto Interval = 1'234'567ns;
    TimerObject object;
    const auto start = Clock::now();
    qint64 tick = 0;
    bool early = false;
    object.onTimer = [&](int) { early = early || Clock::now() - start < ++tick * Interval; };
    const Qt::TimerId id = dispatcher()->registerTimer(Interval, Qt::PreciseTimer, &object);
    QVERIFY(runUntil([&] { return tick >= 20; }));
    QVERIFY(dispatcher()->unregisterTimer(id));
    QVERIFY(!early);
}
#endif

DISPATCHER_TEST_MAIN(tst_TimerPrecision)

#include "tst_timerprecision.moc"
