// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

#include <QtCore/QRandomGenerator>

/// Timers that are started, stopped, restarted and deleted while timers fire.
class tst_TimerChanges : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { settle(); }

    void killsItself();
    void deletesItsObject();
    void restartsItself();
    void changesItsOwnInterval();
    void killsItselfInANestedLoop();
    void deletesItsObjectInANestedLoop();
    void takesAnotherDueOneOutOfTheTurn_data();
    void takesAnotherDueOneOutOfTheTurn();
    void anEarlierHandlerTakesItOutOfTheTurn_data();
    void anEarlierHandlerTakesItOutOfTheTurn();
    void startedInATimerWaitsForTheNextTurn_data();
    void startedInATimerWaitsForTheNextTurn();
    void startedInEveryKindOfHandler();
    void chainOfSingleShots();
    void killsAllInOneHandler();
    void churnInHandlers_data();
    void churnInHandlers();
    void unregisterTimersInTheirHandler();
};

void tst_TimerChanges::killsItself()
{
    TimerObject object;
    object.onTimer = [&](int id) { object.killTimer(id); };
    object.startTimer(0);
    object.startTimer(1, Qt::PreciseTimer);
    QVERIFY(runUntil([&] { return object.fired.size() == 2; }));
    QThread::msleep(2);
    turn();
    QCOMPARE(object.fired.size(), 2);
}

void tst_TimerChanges::deletesItsObject()
{
    for (const int interval : { 0, 1 }) {
        auto *object = new TimerObject;
        int fired = 0;
        object->onTimer = [&fired, object](int) {
            ++fired;
            delete object;
        };
        object->startTimer(interval, Qt::PreciseTimer);
        object->startTimer(interval, Qt::PreciseTimer);
        QVERIFY(runUntil([&] { return fired == 1; }));
        QThread::msleep(2);
        turn();
        QCOMPARE(fired, 1);
    }
}

void tst_TimerChanges::restartsItself()
{
    QTimer timer;
    timer.setTimerType(Qt::PreciseTimer);
    int fired = 0;
    timer.callOnTimeout([&] {
        ++fired;
        timer.start();
    });
    timer.start(1);
    QVERIFY(runUntil([&] { return fired == 10; }));
    timer.start(60'000);
    QThread::msleep(2);
    turn();
    QCOMPARE(fired, 10);
}

void tst_TimerChanges::changesItsOwnInterval()
{
    QTimer timer;
    timer.setTimerType(Qt::PreciseTimer);
    int fired = 0;
    timer.callOnTimeout([&] {
        if (++fired == 5)
            timer.setInterval(60'000);
    });
    timer.start(0);
    QVERIFY(runUntil([&] { return fired == 5; }));
    QThread::msleep(2);
    turn();
    QCOMPARE(fired, 5);
    QVERIFY(timer.remainingTime() > 0);
}

void tst_TimerChanges::killsItselfInANestedLoop()
{
    TimerObject object;
    int inner = 0;
    object.onTimer = [&](int id) {
        post([&object, id] { object.killTimer(id); });
        QEventLoop loop;
        inner = object.startTimer(0);
        object.onTimer = [&](int firedInside) {
            object.killTimer(firedInside);
            loop.quit();
        };
        loop.exec();
    };
    const int outer = object.startTimer(0);
    QVERIFY(runUntil([&] { return object.fired.size() == 2; }));
    QCOMPARE(object.fired, QList<int>({ outer, inner }));
    turn();
    QCOMPARE(object.fired.size(), 2);
}

void tst_TimerChanges::deletesItsObjectInANestedLoop()
{
    auto *object = new TimerObject;
    int fired = 0;
    object->onTimer = [&fired, object](int) {
        ++fired;
        QEventLoop loop;
        post(&loop, [object, &loop] {
            delete object;
            loop.quit();
        });
        loop.exec();
    };
    object->startTimer(0);
    turn();
    turn();
    QCOMPARE(fired, 1);
}

void tst_TimerChanges::takesAnotherDueOneOutOfTheTurn_data()
{
    QTest::addColumn<QByteArray>("how");
    QTest::newRow("stopped") << QByteArray("stopped");
    QTest::newRow("deleted") << QByteArray("deleted");
    QTest::newRow("restarted") << QByteArray("restarted");
}

void tst_TimerChanges::takesAnotherDueOneOutOfTheTurn()
{
    QFETCH(QByteArray, how);
    std::unique_ptr<QTimer> timers[2];
    int fired = 0;
    for (const size_t i : { 0u, 1u }) {
        timers[i] = std::make_unique<QTimer>();
        timers[i]->setTimerType(Qt::PreciseTimer);
        timers[i]->callOnTimeout([&, i] {
            ++fired;
            timers[i]->stop();
            std::unique_ptr<QTimer> &other = timers[1 - i];
            if (how == "stopped")
                other->stop();
            else if (how == "deleted")
                other.reset();
            else
                other->start(60'000);
        });
        timers[i]->start(1);
    }
    QThread::msleep(2);
    turn();
    turn();
    QCOMPARE(fired, 1);
}

void tst_TimerChanges::anEarlierHandlerTakesItOutOfTheTurn_data()
{
    QTest::addColumn<QByteArray>("how");
    QTest::newRow("posted event") << QByteArray("posted event");
    QTest::newRow("notifier") << QByteArray("notifier");
}

void tst_TimerChanges::anEarlierHandlerTakesItOutOfTheTurn()
{
    QFETCH(QByteArray, how);
    TimerObject object;
    const int id = object.startTimer(1, Qt::PreciseTimer);
    QThread::msleep(2);
    Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        channel.drain();
        object.killTimer(id);
    });
    if (how == "notifier")
        channel.write();
    else
        post([&] { object.killTimer(id); });
    turn();
    turn();
    QVERIFY(object.fired.isEmpty());
}

void tst_TimerChanges::startedInATimerWaitsForTheNextTurn_data()
{
    QTest::addColumn<int>("first");
    QTest::addColumn<int>("second");
    QTest::newRow("zero in zero") << 0 << 0;
    QTest::newRow("zero in precise") << 1 << 0;
    QTest::newRow("precise in zero") << 0 << 1;
    QTest::newRow("precise in precise") << 1 << 1;
}

void tst_TimerChanges::startedInATimerWaitsForTheNextTurn()
{
    QFETCH(int, first);
    QFETCH(int, second);
    TimerObject object;
    object.onTimer = [&](int id) {
        object.killTimer(id);
        object.startTimer(second, Qt::PreciseTimer);
        // Due already when this handler returns.
        QThread::msleep(2);
    };
    object.startTimer(first, Qt::PreciseTimer);
    QThread::msleep(2);
    for (int i = 1; i <= 5; ++i) {
        turn();
        QCOMPARE(object.fired.size(), i);
    }
}

void tst_TimerChanges::startedInEveryKindOfHandler()
{
    TimerObject object;
    post([&] { object.startTimer(1, Qt::PreciseTimer); });
    QVERIFY(runUntil([&] { return object.fired.size() == 1; }));
    object.killTimer(object.fired.takeFirst());

    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        channel.drain();
        object.startTimer(1, Qt::PreciseTimer);
    });
    QVERIFY(runUntil([&] { return object.fired.size() == 1; }));
    object.killTimer(object.fired.takeFirst());
}

void tst_TimerChanges::chainOfSingleShots()
{
    int links = 0;
    QObject context;
    std::function<void()> next = [&] {
        if (++links < 50)
            QTimer::singleShot(links % 3, Qt::PreciseTimer, &context, next);
    };
    next();
    QVERIFY(runUntil([&] { return links == 50; }));
}

void tst_TimerChanges::killsAllInOneHandler()
{
    std::vector<std::unique_ptr<QTimer>> timers;
    int fired = 0;
    for (int i = 0; i < 50; ++i) {
        timers.push_back(std::make_unique<QTimer>());
        timers.back()->callOnTimeout(this, [&] {
            ++fired;
            timers.clear();
        });
        timers.back()->start(1);
    }
    QThread::msleep(2);
    turn();
    turn();
    QCOMPARE(fired, 1);
}

void tst_TimerChanges::churnInHandlers_data()
{
    QTest::addColumn<int>("depth");
    QTest::newRow("flat") << 0;
    QTest::newRow("nested") << 3;
}

void tst_TimerChanges::churnInHandlers()
{
    // Every handler replaces a few timers by others; each id may fire only while it is running.
    QFETCH(int, depth);
    TimerObject object;
    QList<int> running;
    int strays = 0;
    QRandomGenerator random(1);
    const auto startOne = [&] {
        const auto type = random.bounded(2) ? Qt::PreciseTimer : Qt::CoarseTimer;
        running.append(object.startTimer(random.bounded(8), type));
    };
    object.onTimer = [&](int id) {
        strays += !running.contains(id);
        for (int i = 0; i < 3; ++i)
            object.killTimer(running.takeAt(random.bounded(int(running.size()))));
        for (int i = 0; i < 3; ++i)
            startOne();
        if (depth > 0 && random.bounded(10) == 0) {
            --depth;
            turn();
            ++depth;
        }
    };
    for (int i = 0; i < 100; ++i)
        startOne();
    QVERIFY(runUntil([&] { return object.fired.size() >= 3000; }));
    QCOMPARE(strays, 0);
    QCOMPARE(dispatcher()->registeredTimers(&object).size(), 100);
}

void tst_TimerChanges::unregisterTimersInTheirHandler()
{
    TimerObject object;
    object.onTimer = [&](int) { QVERIFY(dispatcher()->unregisterTimers(&object)); };
    for (int i = 0; i < 5; ++i)
        dispatcher()->registerTimer(i % 2, Qt::PreciseTimer, &object);
    QThread::msleep(2);
    turn();
    turn();
    QCOMPARE(object.fired.size(), 1);
}

DISPATCHER_TEST_MAIN(tst_TimerChanges)

#include "tst_timerchanges.moc"
