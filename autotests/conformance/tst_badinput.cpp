// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

#include <thread>

/// What is done with calls that make no sense: a warning, and nothing else.
class tst_BadInput : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void timerWithInvalidArguments();
    void noSuchTimer();
    void noObject();
    void timersOfAnotherThread();
    void notifiersOfAnotherThread();
};

namespace {

void expectWarning(const char *pattern)
{
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QLatin1String(pattern)));
}

}

void tst_BadInput::timerWithInvalidArguments()
{
    TimerObject object;
    const auto start = [](int id, qint64 interval, QObject *receiver) {
        dispatcher()->registerTimer(id, interval, Qt::PreciseTimer, receiver);
    };
    expectWarning("^GLibEventDispatcher::registerTimer: timer 0 of object 0x[0-9a-f]+ with interval 1000000 ns: "
                  "invalid arguments; it is not started$");
    start(0, 1, &object);
    expectWarning("registerTimer: timer 999 of object 0x[0-9a-f]+ with interval -1000000 ns: invalid arguments");
    start(999, -1, &object);
    expectWarning("registerTimer: timer 999 of object .* with interval 1000000 ns: invalid arguments");
    start(999, 1, nullptr);
    QVERIFY(dispatcher()->registeredTimers(&object).isEmpty());
    QVERIFY(!dispatcher()->unregisterTimer(999));
}

void tst_BadInput::noSuchTimer()
{
    expectWarning("^GLibEventDispatcher::unregisterTimer: timer -1: invalid argument; nothing is done$");
    QVERIFY(!dispatcher()->unregisterTimer(-1));
    expectWarning("^GLibEventDispatcher::remainingTime: timer 0: invalid argument; there is no such timer$");
    QVERIFY(dispatcher()->remainingTime(0) < 0);
}

void tst_BadInput::noObject()
{
    expectWarning("^GLibEventDispatcher::unregisterTimers: object is nullptr; nothing is done$");
    QVERIFY(!dispatcher()->unregisterTimers(nullptr));
    expectWarning("^GLibEventDispatcher::registeredTimers: object is nullptr; an empty list is returned$");
    QVERIFY(dispatcher()->registeredTimers(nullptr).isEmpty());
}

void tst_BadInput::timersOfAnotherThread()
{
    TimerObject object;
    const int id = object.startTimer(1, Qt::PreciseTimer);
    QAbstractEventDispatcher *const ofThisThread = dispatcher();
    expectWarning("^GLibEventDispatcher::registerTimer: object 0x[0-9a-f]+: timers cannot be started or stopped "
                  "from another thread; nothing is done$");
    expectWarning("^GLibEventDispatcher::unregisterTimer: object .*: timers cannot be");
    expectWarning("^GLibEventDispatcher::unregisterTimers: object 0x[0-9a-f]+: timers cannot be");
    bool isStopped = false;
    std::thread([&] {
        ofThisThread->registerTimer(999, qint64(1), Qt::PreciseTimer, &object);
        isStopped = ofThisThread->unregisterTimer(id);
        isStopped |= ofThisThread->unregisterTimers(&object);
    }).join();
    QVERIFY(!isStopped);
    QCOMPARE(dispatcher()->registeredTimers(&object).size(), 1);
    QVERIFY(runUntil([&] { return !object.fired.isEmpty(); }));
    QCOMPARE(object.fired.first(), id);
}

void tst_BadInput::notifiersOfAnotherThread()
{
    Channel channel;
    QSocketNotifier on(channel.reader, QSocketNotifier::Read);
    QSocketNotifier off(channel.writer, QSocketNotifier::Write);
    off.setEnabled(false);
    int activations = 0;
    connect(&on, &QSocketNotifier::activated, this, [&] {
        ++activations;
        on.setEnabled(false);
    });
    connect(&off, &QSocketNotifier::activated, this, [] { QFAIL("it is switched off"); });
    QAbstractEventDispatcher *const ofThisThread = dispatcher();
    expectWarning("^GLibEventDispatcher: socket notifier 0x[0-9a-f]+ \\(socket [0-9]+\\) cannot be disabled from another "
                  "thread; it stays enabled$");
    expectWarning("^GLibEventDispatcher: socket notifier 0x[0-9a-f]+ \\(socket [0-9]+\\) cannot be enabled from another "
                  "thread; it stays disabled$");
    std::thread([&] {
        ofThisThread->unregisterSocketNotifier(&on);
        ofThisThread->registerSocketNotifier(&off);
    }).join();
    channel.write();
    QVERIFY(runUntil([&] { return activations > 0; }));
    for (int turns = 0; turns < 3; ++turns)
        turn();
    QCOMPARE(activations, 1);
}

DISPATCHER_TEST_MAIN(tst_BadInput)

#include "tst_badinput.moc"
