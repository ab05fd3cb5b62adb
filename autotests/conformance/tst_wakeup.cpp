// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

#include <QtCore/QSemaphore>
#include <QtTest/QSignalSpy>

#include <glib.h>

#include <pthread.h>
#include <signal.h>

/// wakeUp() and interrupt() from this thread and others, and the signals around a wait.
class tst_WakeUp : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { settle(); }

    void wakeUpFromAnotherThreadEndsTheWait();
    void wakeUpBeforehandEndsTheNextWait();
    void wakeUpFromPostedEventKeepsTheTurnFromWaiting();
    void wakeUpFromTimerKeepsTheNextTurnFromWaiting();
    void manyWakeUpsAreOne();
    void noWakeUpIsMissed();
    void noWakeUpOfManyThreadsIsMissed();
    void wakeUpWhileAnEventIsSent();
    void wakeUpsAllTheTimeHoldNothingBack();
    void wakeUpDoesNotEndALoop();
    void wakeUpAfterALoopInThePollFunction();

    void interruptFromAnotherThreadEndsTheWait();
    void interruptBeforehandIsForgotten();
    void interruptBetweenTwoTurnsEndsTheNext();
    void interruptFromPostedEventEndsTheTurn();
    void interruptFromAboutToBlockPreventsTheWait();

    void awakeIsEmittedEveryTurn();
    void aboutToBlockIsEmittedBeforeWaiting();
    void awakeAndAboutToBlockAlternate();
    void eventPostedFromAboutToBlockIsDelivered();
    void timerStartedInAboutToBlockFires();
    void notifierEnabledInAboutToBlockIsActivated();

    void unixSignalDoesNotEndTheWait();
};

void tst_WakeUp::wakeUpFromAnotherThreadEndsTheWait()
{
    QAtomicInt woken;
    const WhenAboutToBlock waker([&, guarded = dispatcher()] {
        woken = 1;
        guarded->wakeUp();
    });
    QVERIFY(turn(QEventLoop::WaitForMoreEvents));
    QCOMPARE(woken, 1);
}

void tst_WakeUp::wakeUpBeforehandEndsTheNextWait()
{
    Watchdog watchdog;
    dispatcher()->wakeUp();
    turn(QEventLoop::WaitForMoreEvents);
    QVERIFY(!watchdog.expired());
}

void tst_WakeUp::wakeUpFromPostedEventKeepsTheTurnFromWaiting()
{
    Watchdog watchdog;
    post([] { dispatcher()->wakeUp(); });
    turn(QEventLoop::WaitForMoreEvents);
    QVERIFY(!watchdog.expired());
}

void tst_WakeUp::wakeUpFromTimerKeepsTheNextTurnFromWaiting()
{
    Watchdog watchdog;
    TimerObject object;
    object.onTimer = [&](int id) {
        object.killTimer(id);
        dispatcher()->wakeUp();
    };
    object.startTimer(1, Qt::PreciseTimer);
    QVERIFY(runUntil([&] { return !object.fired.isEmpty(); }));
    turn(QEventLoop::WaitForMoreEvents);
    QVERIFY(!watchdog.expired());
}

void tst_WakeUp::manyWakeUpsAreOne()
{
    TimerObject object;
    object.startTimer(50, Qt::PreciseTimer);
    for (int i = 0; i < 1000; ++i)
        dispatcher()->wakeUp();
    QSignalSpy turns(dispatcher(), &QAbstractEventDispatcher::awake);
    QVERIFY(runUntil([&] { return !object.fired.isEmpty(); }));
    // One for the wake-ups and one for the timer; some slack does not hide 1000.
    QVERIFY2(turns.size() < 10, qPrintable(QString::number(turns.size())));
}

void tst_WakeUp::noWakeUpIsMissed()
{
    constexpr int Rounds = 5000;
    QAtomicInt asked;
    QSemaphore seen;
    std::thread waker([&, guarded = dispatcher()] {
        for (int i = 1; i <= Rounds; ++i) {
            asked = i;
            guarded->wakeUp();
            seen.acquire();
        }
    });
    Watchdog watchdog;
    for (int i = 1; i <= Rounds; ++i) {
        while (asked.loadAcquire() < i)
            turn(RunningLoop);
        seen.release();
    }
    waker.join();
    QVERIFY(!watchdog.expired());
}

void tst_WakeUp::noWakeUpOfManyThreadsIsMissed()
{
    constexpr int Threads = 4;
    constexpr int Rounds = 2000;
    QAtomicInt asked[Threads];
    std::vector<std::thread> wakers;
    for (QAtomicInt &mine : asked) {
        wakers.emplace_back([&mine, guarded = dispatcher()] {
            for (int i = 1; i <= Rounds; ++i) {
                mine = i;
                guarded->wakeUp();
            }
        });
    }
    const bool all = runUntil([&] {
        return std::all_of(std::begin(asked), std::end(asked),
                           [](const QAtomicInt &each) { return each.loadAcquire() == Rounds; });
    });
    for (std::thread &waker : wakers)
        waker.join();
    QVERIFY(all);
}

/// The turn that sends the event returns, though nothing else happens.
void tst_WakeUp::wakeUpWhileAnEventIsSent()
{
    constexpr int Rounds = 50;
    Semaphore isSending;
    Semaphore isRequested;
    Semaphore isDone;
    int sent = 0;
    std::thread waker([&, guarded = dispatcher()] {
        for (int i = 0; i < Rounds; ++i) {
            post([&] {
                isSending.release();
                isRequested.acquire();
                ++sent;
            });
            isSending.acquire();
            guarded->wakeUp();
            isRequested.release();
            if (!isDone.acquire())
                break;
        }
    });
    Watchdog watchdog;
    int seen = 0;
    while (seen < Rounds && !watchdog.expired()) {
        turn(RunningLoop);
        if (seen < sent) {
            seen = sent;
            isDone.release();
        }
    }
    waker.join();
    QVERIFY(!watchdog.expired());
}

void tst_WakeUp::wakeUpsAllTheTimeHoldNothingBack()
{
    constexpr int Enough = 50;
    QAtomicInt isOver;
    std::thread waker([&, guarded = dispatcher()] {
        while (!isOver)
            guarded->wakeUp();
    });
    int posted = 0;
    std::function<void()> next = [&] {
        if (++posted < Enough)
            post(next);
    };
    post(next);
    TimerObject object;
    object.startTimer(1, Qt::PreciseTimer);
    Channel channel;
    channel.write();
    int activations = 0;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, &notifier, [&] { ++activations; });
    const bool all = runUntil(
        [&] { return posted == Enough && object.fired.size() >= Enough && activations >= Enough; });
    isOver = 1;
    waker.join();
    QVERIFY(all);
}

void tst_WakeUp::wakeUpDoesNotEndALoop()
{
    QEventLoop loop;
    int wakeUps = 0;
    std::function<void()> next = [&] {
        dispatcher()->wakeUp();
        if (++wakeUps == 10)
            loop.exit(7);
        else
            post(next);
    };
    post(next);
    QCOMPARE(loop.exec(), 7);
    QCOMPARE(wakeUps, 10);
}

/// A poll function may run a loop of GLib's, and polls after that.
void tst_WakeUp::wakeUpAfterALoopInThePollFunction()
{
    if (DispatcherUnderTest::kind() == DispatcherUnderTest::Kind::QtUnix)
        QSKIP("Qt's UNIX dispatcher knows nothing of poll functions");
    static bool isNested;
    static Semaphore polling;
    isNested = false;
    g_main_context_set_poll_func(nullptr, [](GPollFD *fds, guint count, gint timeout) {
        if (!isNested && timeout != 0) {
            isNested = true;
            g_main_context_iteration(nullptr, FALSE);
            polling.release();
        }
        return g_poll(fds, count, timeout);
    });
    bool isDelivered = false;
    std::thread poster([&] {
        polling.acquire();
        QThread::msleep(10); // it should find the thread in the poll; the verdict does not depend on it
        post([&] { isDelivered = true; });
    });
    // A watchdog would depend on what is tested.
    QDeadlineTimer limit(10s);
    TimerObject object;
    object.startTimer(10000, Qt::PreciseTimer);
    QObject context;
    connect(dispatcher(), &QAbstractEventDispatcher::aboutToBlock, &context, [&] {
        if (isDelivered)
            dispatcher()->interrupt();
    });
    while (!isDelivered && !limit.hasExpired())
        turn(RunningLoop);
    g_main_context_set_poll_func(nullptr, nullptr);
    poster.join();
    QVERIFY(isNested);
    QVERIFY(!limit.hasExpired());
}

void tst_WakeUp::interruptFromAnotherThreadEndsTheWait()
{
    QAtomicInt interrupted;
    const WhenAboutToBlock interrupter([&, guarded = dispatcher()] {
        interrupted = 1;
        guarded->interrupt();
    });
    turn(QEventLoop::WaitForMoreEvents);
    QCOMPARE(interrupted, 1);
}

void tst_WakeUp::interruptBeforehandIsForgotten()
{
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    Watchdog watchdog;
    dispatcher()->interrupt();
    turn(QEventLoop::WaitForMoreEvents);
    QCOMPARE(activations, 1);
    QVERIFY(!watchdog.expired());
}

/// As by a QThread::quit() that comes after QEventLoop has looked whether it was told to exit.
void tst_WakeUp::interruptBetweenTwoTurnsEndsTheNext()
{
    {
        // Its wait ends by a wake-up, for which the next turn need not return again.
        const WhenAboutToBlock waker([guarded = dispatcher()] { guarded->wakeUp(); });
        QVERIFY(turn(RunningLoop));
    }
    Watchdog watchdog;
    dispatcher()->interrupt();
    turn(RunningLoop);
    QVERIFY(!watchdog.expired());
}

void tst_WakeUp::interruptFromPostedEventEndsTheTurn()
{
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    TimerObject object;
    object.startTimer(0);

    post([] { dispatcher()->interrupt(); });
    Watchdog watchdog;
    const bool something = turn(QEventLoop::WaitForMoreEvents);
    QVERIFY(!watchdog.expired());
    // In Qt's GLib dispatcher interrupt() is but a wakeUp(), and the turn goes on to its end.
    if (!isQtGLib()) {
        QVERIFY(!something);
        QCOMPARE(activations, 0);
        QCOMPARE(object.fired.size(), 0);
        turn();
    }
    QCOMPARE(activations, 1);
    QCOMPARE(object.fired.size(), 1);
}

void tst_WakeUp::interruptFromAboutToBlockPreventsTheWait()
{
    QObject context;
    connect(dispatcher(), &QAbstractEventDispatcher::aboutToBlock, &context,
            [] { dispatcher()->interrupt(); });
    Watchdog watchdog;
    turn(QEventLoop::WaitForMoreEvents);
    QVERIFY(!watchdog.expired());
}

void tst_WakeUp::awakeIsEmittedEveryTurn()
{
    QSignalSpy awake(dispatcher(), &QAbstractEventDispatcher::awake);
    QSignalSpy aboutToBlock(dispatcher(), &QAbstractEventDispatcher::aboutToBlock);
    turn();
    QCOMPARE(awake.size(), 1);
    post([] {});
    turn();
    QCOMPARE(awake.size(), 2);
    QCOMPARE(aboutToBlock.size(), 0);
}

void tst_WakeUp::aboutToBlockIsEmittedBeforeWaiting()
{
    QSignalSpy aboutToBlock(dispatcher(), &QAbstractEventDispatcher::aboutToBlock);
    TimerObject object;
    qsizetype seenByTimer = -1;
    object.onTimer = [&](int) { seenByTimer = aboutToBlock.size(); };
    object.startTimer(20, Qt::PreciseTimer);
    turn(QEventLoop::WaitForMoreEvents);
    QCOMPARE(aboutToBlock.size(), 1);
    QCOMPARE(seenByTimer, 1);
}

void tst_WakeUp::awakeAndAboutToBlockAlternate()
{
    QByteArray log;
    QObject context;
    connect(dispatcher(), &QAbstractEventDispatcher::awake, &context, [&] { log += 'a'; });
    connect(dispatcher(), &QAbstractEventDispatcher::aboutToBlock, &context, [&] { log += 'b'; });
    TimerObject object;
    object.startTimer(5, Qt::PreciseTimer);
    QVERIFY(runUntil([&] { return object.fired.size() == 5; }));
    // A turn may find that it need not block, so "aa" is possible; "bb" never is. Whether a turn
    // begins or ends with awake() differs between Qt's two dispatchers.
    QVERIFY2(!log.contains("bb"), log.constData());
    QVERIFY2(log.count('b') >= 1, log.constData());
    QVERIFY2(log.count('a') >= log.count('b'), log.constData());
}

void tst_WakeUp::eventPostedFromAboutToBlockIsDelivered()
{
    int delivered = 0;
    QObject context;
    connect(dispatcher(), &QAbstractEventDispatcher::aboutToBlock, &context, [&] {
        dispatcher()->disconnect(&context);
        post([&] { ++delivered; });
    });
    QVERIFY(runUntil([&] { return delivered == 1; }));
}

void tst_WakeUp::timerStartedInAboutToBlockFires()
{
    TimerObject object;
    QObject context;
    connect(dispatcher(), &QAbstractEventDispatcher::aboutToBlock, &context, [&] {
        dispatcher()->disconnect(&context);
        object.startTimer(1, Qt::PreciseTimer);
    });
    QVERIFY(runUntil([&] { return !object.fired.isEmpty(); }));
}

void tst_WakeUp::notifierEnabledInAboutToBlockIsActivated()
{
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    notifier.setEnabled(false);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    QObject context;
    connect(dispatcher(), &QAbstractEventDispatcher::aboutToBlock, &context,
            [&] { notifier.setEnabled(true); });
    QVERIFY(runUntil([&] { return activations > 0; }));
}

void tst_WakeUp::unixSignalDoesNotEndTheWait()
{
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    struct sigaction previous = {};
    QCOMPARE(sigaction(SIGUSR1, &action, &previous), 0);

    QAtomicInt woken;
    const WhenAboutToBlock signaller([&, guarded = dispatcher(), self = pthread_self()] {
        for (int i = 0; i < 20; ++i) {
            pthread_kill(self, SIGUSR1);
            // Some of them should find the thread blocked; the verdict does not depend on it.
            QThread::usleep(500);
        }
        woken = 1;
        guarded->wakeUp();
    });
    turn(QEventLoop::WaitForMoreEvents);
    QCOMPARE(woken, 1);
    sigaction(SIGUSR1, &previous, nullptr);
}

DISPATCHER_TEST_MAIN(tst_WakeUp)

#include "tst_wakeup.moc"
