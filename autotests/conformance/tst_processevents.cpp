// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

/// What one call of processEvents() serves, what it waits for, and what it returns.
class tst_ProcessEvents : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { settle(); }

    void returnsFalseWhenNothingIsThere();
    void returnsTrueAfterPostedEvent();
    void returnsTrueAfterSocketNotifier();
    void returnsTrueAfterTimer();
    void returnsTrueAfterWakeUp();
    void returnsFalseAfterZeroTimer();

    void withoutWaitForMoreEventsReturnsAtOnce();
    void waitsForTimer();
    void waitsForSocketNotifier();
    void waitsForPostedEvent();
    void doesNotWaitWhenEventsArePosted();
    void doesNotWaitWhenSocketIsReady();
    void doesNotWaitWhenTimerIsDue();

    void excludesSocketNotifiers();
    void excludesSocketNotifiersWhileWaiting();
    void excludesTimers_data();
    void excludesTimers();
    void excludesTimersWhileWaiting();
    void flagsOfALoopEndWithIt();
    void flagsOfANestedLoopAreItsOwn();
    void otherFlagsExcludeNothing_data();
    void otherFlagsExcludeNothing();

    void withTimeLimitGoesOnUntilNothingIsLeft();
    void withTimeLimitIsNotHeldUpByZeroTimer();
};

void tst_ProcessEvents::returnsFalseWhenNothingIsThere()
{
    Channel quiet;
    QSocketNotifier notifier(quiet.reader, QSocketNotifier::Read);
    QTimer timer;
    timer.start(1h);
    QVERIFY(!turn());
    QVERIFY(!turn(QEventLoop::EventLoopExec));
}

void tst_ProcessEvents::returnsTrueAfterPostedEvent()
{
    int delivered = 0;
    post([&] { ++delivered; });
    QVERIFY(turn());
    QCOMPARE(delivered, 1);
    QVERIFY(!turn());
}

void tst_ProcessEvents::returnsTrueAfterSocketNotifier()
{
    Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] { channel.drain(); });
    channel.write();
    QVERIFY(turn());
    QVERIFY(!turn());
}

void tst_ProcessEvents::returnsTrueAfterTimer()
{
    TimerObject object;
    object.onTimer = [&](int id) { object.killTimer(id); };
    object.startTimer(1, Qt::PreciseTimer);
    QThread::msleep(2);
    QVERIFY(turn());
    QCOMPARE(object.fired.size(), 1);
    QVERIFY(!turn());
}

void tst_ProcessEvents::returnsTrueAfterWakeUp()
{
    dispatcher()->wakeUp();
    QVERIFY(turn());
    QVERIFY(!turn());
}

void tst_ProcessEvents::returnsFalseAfterZeroTimer()
{
    TimerObject object;
    object.startTimer(0);
    // Callers that repeat while something happened would otherwise never get out. Qt's GLib
    // dispatcher answers what g_main_context_iteration() does.
    QCOMPARE(turn(), isQtGLib());
    QCOMPARE(object.fired.size(), 1);
}

void tst_ProcessEvents::withoutWaitForMoreEventsReturnsAtOnce()
{
    TimerObject object;
    object.startTimer(60'000, Qt::PreciseTimer);
    Watchdog watchdog;
    for (int i = 0; i < 100; ++i)
        turn();
    QVERIFY(!watchdog.expired());
    QVERIFY(object.fired.isEmpty());
}

void tst_ProcessEvents::waitsForTimer()
{
    TimerObject object;
    object.startTimer(20, Qt::PreciseTimer);
    QVERIFY(turn(QEventLoop::WaitForMoreEvents));
    QCOMPARE(object.fired.size(), 1);
}

void tst_ProcessEvents::waitsForSocketNotifier()
{
    Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    const WhenAboutToBlock writer([&] { channel.write(); });
    QVERIFY(turn(QEventLoop::WaitForMoreEvents));
    QCOMPARE(activations, 1);
}

void tst_ProcessEvents::waitsForPostedEvent()
{
    QAtomicInt posted;
    int delivered = 0;
    const WhenAboutToBlock poster([&] {
        posted = 1;
        post([&] { ++delivered; });
    });
    QVERIFY(turn(QEventLoop::WaitForMoreEvents));
    QCOMPARE(posted, 1);
    // The post ends the wait; its delivery may belong to the next turn, as in Qt's UNIX dispatcher.
    turn();
    QCOMPARE(delivered, 1);
}

void tst_ProcessEvents::doesNotWaitWhenEventsArePosted()
{
    Watchdog watchdog;
    int delivered = 0;
    post([&] { ++delivered; });
    QVERIFY(turn(QEventLoop::WaitForMoreEvents));
    QCOMPARE(delivered, 1);
    QVERIFY(!watchdog.expired());
}

void tst_ProcessEvents::doesNotWaitWhenSocketIsReady()
{
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    Watchdog watchdog;
    QVERIFY(turn(QEventLoop::WaitForMoreEvents));
    QCOMPARE(activations, 1);
    QVERIFY(!watchdog.expired());
}

void tst_ProcessEvents::doesNotWaitWhenTimerIsDue()
{
    TimerObject object;
    object.startTimer(0);
    Watchdog watchdog;
    turn(QEventLoop::WaitForMoreEvents);
    QCOMPARE(object.fired.size(), 1);
    QVERIFY(!watchdog.expired());
}

void tst_ProcessEvents::excludesSocketNotifiers()
{
    Channel channel;
    channel.write();
    QSocketNotifier reader(channel.reader, QSocketNotifier::Read);
    QSocketNotifier writer(channel.writer, QSocketNotifier::Write);
    int activations = 0;
    connect(&reader, &QSocketNotifier::activated, this, [&] { ++activations; });
    connect(&writer, &QSocketNotifier::activated, this, [&] { ++activations; });
    turn(QEventLoop::ExcludeSocketNotifiers);
    // Qt's GLib dispatcher ignores the flag.
    QCOMPARE(activations, isQtGLib() ? 2 : 0);
    activations = 0;
    turn();
    QCOMPARE(activations, 2);
}

void tst_ProcessEvents::excludesSocketNotifiersWhileWaiting()
{
    if (isQtGLib())
        QSKIP("Qt's GLib dispatcher ignores ExcludeSocketNotifiers");
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    QAtomicInt woken;
    const WhenAboutToBlock waker([&, guarded = dispatcher()] {
        woken = 1;
        guarded->wakeUp();
    });
    QVERIFY(turn(QEventLoop::WaitForMoreEvents | QEventLoop::ExcludeSocketNotifiers));
    QCOMPARE(woken, 1);
    QCOMPARE(activations, 0);
}

void tst_ProcessEvents::excludesTimers_data()
{
    QTest::addColumn<int>("interval");
    QTest::newRow("zero") << 0;
    QTest::newRow("due") << 1;
}

void tst_ProcessEvents::excludesTimers()
{
    QFETCH(int, interval);
    TimerObject object;
    object.startTimer(interval, Qt::PreciseTimer);
    QThread::msleep(2);
    turn(QEventLoop::X11ExcludeTimers);
    QVERIFY(object.fired.isEmpty());
    turn();
    QCOMPARE(object.fired.size(), 1);
}

void tst_ProcessEvents::excludesTimersWhileWaiting()
{
    TimerObject object;
    object.startTimer(1, Qt::PreciseTimer);
    object.startTimer(0);
    QThread::msleep(2);
    QAtomicInt woken;
    const WhenAboutToBlock waker([&, guarded = dispatcher()] {
        woken = 1;
        guarded->wakeUp();
    });
    turn(QEventLoop::WaitForMoreEvents | QEventLoop::X11ExcludeTimers);
    QVERIFY(object.fired.isEmpty());
    // Excluded timers must not end the wait either; with Qt's GLib dispatcher they do since Qt 6.8.
    if (!isQtGLib())
        QCOMPARE(woken, 1);
}

void tst_ProcessEvents::flagsOfALoopEndWithIt()
{
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    TimerObject object;
    object.startTimer(0);

    QEventLoop loop;
    int rounds = 0;
    std::function<void()> next = [&] {
        if (++rounds == 20)
            loop.quit();
        else
            post(next);
    };
    post(next);
    loop.exec(QEventLoop::ExcludeSocketNotifiers | QEventLoop::X11ExcludeTimers);
    QCOMPARE(rounds, 20);
    QVERIFY(object.fired.isEmpty());
    if (!isQtGLib())
        QCOMPARE(activations, 0);

    QVERIFY(runUntil([&] { return activations > 0 && !object.fired.isEmpty(); }));
}

void tst_ProcessEvents::flagsOfANestedLoopAreItsOwn()
{
    TimerObject object;
    object.startTimer(0);
    QEventLoop outer;
    qsizetype firedInInner = -1;
    post([&] {
        QEventLoop inner;
        const qsizetype before = object.fired.size();
        post(&inner, [&] { inner.quit(); });
        inner.exec(QEventLoop::X11ExcludeTimers);
        firedInInner = object.fired.size() - before;
        object.fired.clear();
        object.onTimer = [&](int) { outer.quit(); };
    });
    outer.exec();
    QCOMPARE(firedInInner, 0);
    QVERIFY(!object.fired.isEmpty());
}

void tst_ProcessEvents::otherFlagsExcludeNothing_data()
{
    QTest::addColumn<QEventLoop::ProcessEventsFlags>("flags");
    using Flags = QEventLoop::ProcessEventsFlags;
    QTest::newRow("AllEvents") << Flags(QEventLoop::AllEvents);
    QTest::newRow("ExcludeUserInputEvents") << Flags(QEventLoop::ExcludeUserInputEvents);
    QTest::newRow("EventLoopExec") << Flags(QEventLoop::EventLoopExec);
    QTest::newRow("DialogExec") << Flags(QEventLoop::DialogExec | QEventLoop::EventLoopExec);
}

void tst_ProcessEvents::otherFlagsExcludeNothing()
{
    QFETCH(QEventLoop::ProcessEventsFlags, flags);
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    TimerObject object;
    object.startTimer(1, Qt::PreciseTimer);
    int delivered = 0;
    post([&] { ++delivered; });
    QVERIFY(runUntil([&] { return delivered && activations && !object.fired.isEmpty(); }, flags));
    delivered = 0;
    post([&] { ++delivered; });
    QVERIFY(runUntil([&] { return delivered; }, flags | QEventLoop::WaitForMoreEvents));
}

void tst_ProcessEvents::withTimeLimitGoesOnUntilNothingIsLeft()
{
    int delivered = 0;
    std::function<void()> next = [&] {
        if (++delivered < 100)
            post(next);
    };
    post(next);
    Watchdog watchdog;
    QCoreApplication::processEvents(QEventLoop::AllEvents, 600'000);
    QCOMPARE(delivered, 100);
    QVERIFY(!watchdog.expired());
}

void tst_ProcessEvents::withTimeLimitIsNotHeldUpByZeroTimer()
{
    if (isQtGLib())
        QSKIP("Qt's GLib dispatcher counts zero timers, and uses up the time");
    TimerObject object;
    object.startTimer(0);
    Watchdog watchdog;
    QCoreApplication::processEvents(QEventLoop::AllEvents, 600'000);
    QVERIFY(!watchdog.expired());
}

DISPATCHER_TEST_MAIN(tst_ProcessEvents)

#include "tst_processevents.moc"
