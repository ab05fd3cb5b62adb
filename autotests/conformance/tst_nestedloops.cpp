// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

/// Event loops inside handlers of event loops, and what they share.
class tst_NestedLoops : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { settle(); }

    void execReturnsWhatExitWasGiven();
    void exitBeforeExecIsForgotten();
    void postedEventRunsLoops();
    void timerRunsLoops();
    void notifierRunsLoops();
    void outerLoopThatQuitsFirstReturnsLast();
    void quittingTheApplicationEndsAllLoops();
    void quitFromAnotherThreadEndsTheInnerLoop();
    void innerLoopBlocksAndIsWoken();

    void innerLoopDeliversTheRestOfTheOutersEvents();
    void innerLoopActivatesTheRestOfTheOutersNotifiers();
    void innerLoopFiresTheRestOfTheOutersTimers();
    void innerLoopWithoutNotifiersLosesNone();
    void innerLoopWithoutTimersLosesNone();
    void timerDoesNotFireInsideItsOwnHandler();
    void timerFiresAgainAfterALoopInItsHandler();
    void notifierIsActivatedInsideItsOwnHandler();
    void processEventsInsideEveryKindOfHandler();
    void loopsInAllKindsOfHandlersAtOnce();
};

void tst_NestedLoops::execReturnsWhatExitWasGiven()
{
    for (const int code : { 0, 1, -1, 42 }) {
        QEventLoop loop;
        post([&] { loop.exit(code); });
        QCOMPARE(loop.exec(), code);
        QVERIFY(!loop.isRunning());
    }
}

void tst_NestedLoops::exitBeforeExecIsForgotten()
{
    QEventLoop loop;
    loop.exit(1);
    post([&] { loop.exit(2); });
    QCOMPARE(loop.exec(), 2);
}

void tst_NestedLoops::postedEventRunsLoops()
{
    constexpr int Depth = 100;
    QList<int> returned;
    std::function<void(int)> descend = [&](int depth) {
        QEventLoop loop;
        post([&] {
            if (depth < Depth)
                descend(depth + 1);
            loop.exit(depth);
        });
        returned.append(loop.exec());
    };
    descend(1);
    QCOMPARE(returned.size(), Depth);
    QVERIFY(std::is_sorted(returned.crbegin(), returned.crend()));
}

void tst_NestedLoops::timerRunsLoops()
{
    constexpr int Depth = 50;
    QList<int> returned;
    std::function<void(int)> descend = [&](int depth) {
        QEventLoop loop;
        QTimer timer;
        timer.callOnTimeout(&loop, [&] {
            if (depth < Depth)
                descend(depth + 1);
            loop.exit(depth);
        });
        // Not a single-shot one: it stays due while the loops inside run.
        timer.start(depth % 2);
        returned.append(loop.exec());
    };
    descend(1);
    QCOMPARE(returned.size(), Depth);
    QVERIFY(std::is_sorted(returned.crbegin(), returned.crend()));
}

void tst_NestedLoops::notifierRunsLoops()
{
    constexpr int Depth = 50;
    QList<int> returned;
    std::function<void(int)> descend = [&](int depth) {
        QEventLoop loop;
        Channel channel;
        channel.write();
        QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
        connect(&notifier, &QSocketNotifier::activated, &loop, [&] {
            channel.drain();
            if (depth < Depth)
                descend(depth + 1);
            loop.exit(depth);
        });
        returned.append(loop.exec());
    };
    descend(1);
    QCOMPARE(returned.size(), Depth);
    QVERIFY(std::is_sorted(returned.crbegin(), returned.crend()));
}

void tst_NestedLoops::outerLoopThatQuitsFirstReturnsLast()
{
    QByteArray order;
    QEventLoop outer;
    post([&] {
        QEventLoop inner;
        post([&] { outer.quit(); });
        int ticks = 0;
        QTimer timer;
        timer.callOnTimeout(&inner, [&] {
            if (++ticks == 3)
                inner.quit();
        });
        timer.start(1);
        inner.exec();
        order += 'i';
    });
    outer.exec();
    order += 'o';
    QCOMPARE(order, QByteArray("io"));
}

void tst_NestedLoops::quittingTheApplicationEndsAllLoops()
{
    int ended = 0;
    std::function<void(int)> descend = [&](int depth) {
        QEventLoop loop;
        post([&] {
            if (depth < 5)
                descend(depth + 1);
            else
                QCoreApplication::exit(9);
        });
        QCOMPARE(loop.exec(), 9);
        ++ended;
    };
    post([&] { descend(1); });
    QCOMPARE(QCoreApplication::exec(), 9);
    QCOMPARE(ended, 5);
}

void tst_NestedLoops::quitFromAnotherThreadEndsTheInnerLoop()
{
    QByteArray order;
    QEventLoop outer;
    post([&] {
        QEventLoop inner;
        {
            const WhenAboutToBlock quitter([&] { inner.quit(); });
            inner.exec();
        }
        order += 'i';
        post([&] { outer.quit(); });
    });
    outer.exec();
    order += 'o';
    QCOMPARE(order, QByteArray("io"));
}

void tst_NestedLoops::innerLoopBlocksAndIsWoken()
{
    QEventLoop outer;
    int rounds = 0;
    post([&] {
        for (; rounds < 100; ++rounds) {
            QEventLoop inner;
            const WhenAboutToBlock poster([&] { post(&inner, [&] { inner.quit(); }); });
            inner.exec();
        }
        outer.quit();
    });
    outer.exec();
    QCOMPARE(rounds, 100);
}

void tst_NestedLoops::innerLoopDeliversTheRestOfTheOutersEvents()
{
    QByteArray order;
    QEventLoop outer;
    QEventLoop inner;
    post([&] {
        // Without it Qt's GLib dispatcher would take the events for sent, and wait.
        if (isQtGLib())
            dispatcher()->wakeUp();
        inner.exec();
        order += '1';
    });
    post([&] { order += '2'; });
    post([&] {
        order += '3';
        inner.quit();
    });
    post([&] {
        order += '4';
        post([&] { outer.quit(); });
    });
    outer.exec();
    QCOMPARE(order, QByteArray("2341"));
}

void tst_NestedLoops::innerLoopActivatesTheRestOfTheOutersNotifiers()
{
    Channel channels[2];
    QObject parent;
    int inside = 0;
    int activations = 0;
    for (Channel &channel : channels) {
        channel.write();
        auto *notifier = new QSocketNotifier(channel.reader, QSocketNotifier::Read, &parent);
        connect(notifier, &QSocketNotifier::activated, this, [&] {
            channel.drain();
            ++activations;
            if (activations == 1) {
                turn();
                inside = activations - 1;
            }
        });
    }
    turn();
    QCOMPARE(inside, 1);
    QCOMPARE(activations, 2);
}

void tst_NestedLoops::innerLoopFiresTheRestOfTheOutersTimers()
{
    TimerObject object;
    qsizetype inside = 0;
    const int first = object.startTimer(1, Qt::PreciseTimer);
    QThread::msleep(2);
    const int second = object.startTimer(1, Qt::PreciseTimer);
    QThread::msleep(2);
    object.onTimer = [&](int id) {
        object.killTimer(id);
        if (id == first) {
            turn();
            inside = object.fired.size() - 1;
        }
    };
    turn();
    QCOMPARE(inside, 1);
    QCOMPARE(object.fired, QList<int>({ first, second }));
}

void tst_NestedLoops::innerLoopWithoutNotifiersLosesNone()
{
    Channel channels[3];
    QObject parent;
    int activations = 0;
    for (Channel &channel : channels) {
        channel.write();
        auto *notifier = new QSocketNotifier(channel.reader, QSocketNotifier::Read, &parent);
        connect(notifier, &QSocketNotifier::activated, this, [&] {
            channel.drain();
            ++activations;
            turn(QEventLoop::ExcludeSocketNotifiers);
        });
    }
    QVERIFY(runUntil([&] { return activations == 3; }));
}

void tst_NestedLoops::innerLoopWithoutTimersLosesNone()
{
    TimerObject object;
    qsizetype inside = 0;
    object.onTimer = [&](int id) {
        object.killTimer(id);
        const qsizetype before = object.fired.size();
        turn(QEventLoop::X11ExcludeTimers);
        inside += object.fired.size() - before;
    };
    for (const int interval : { 0, 1, 1, 2 })
        object.startTimer(interval, Qt::PreciseTimer);
    QVERIFY(runUntil([&] { return object.fired.size() == 4; }));
    QCOMPARE(inside, 0);
}

void tst_NestedLoops::timerDoesNotFireInsideItsOwnHandler()
{
    TimerObject object;
    int depth = 0;
    int deepest = 0;
    const int zero = object.startTimer(0);
    const int precise = object.startTimer(1, Qt::PreciseTimer);
    QList<int> running;
    bool recursed = false;
    object.onTimer = [&](int id) {
        recursed = recursed || running.contains(id);
        running.append(id);
        deepest = std::max(deepest, ++depth);
        for (int i = 0; i < 5; ++i) {
            QThread::msleep(1);
            turn();
        }
        --depth;
        running.removeOne(id);
    };
    QVERIFY(runUntil([&] {
        return object.fired.count(zero) >= 3 && object.fired.count(precise) >= 3;
    }));
    QVERIFY(!recursed);
    QCOMPARE(deepest, 2);
}

void tst_NestedLoops::timerFiresAgainAfterALoopInItsHandler()
{
    TimerObject object;
    object.onTimer = [](int) {
        QEventLoop loop;
        post(&loop, [&] { loop.quit(); });
        loop.exec();
    };
    const int zero = object.startTimer(0);
    const int precise = object.startTimer(1, Qt::PreciseTimer);
    QVERIFY(runUntil([&] {
        return object.fired.count(zero) >= 10 && object.fired.count(precise) >= 10;
    }));
}

void tst_NestedLoops::notifierIsActivatedInsideItsOwnHandler()
{
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int depth = 0;
    int deepest = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        deepest = std::max(deepest, ++depth);
        if (depth < 5)
            turn();
        else
            channel.drain();
        --depth;
    });
    turn();
    QCOMPARE(deepest, 5);
}

void tst_NestedLoops::processEventsInsideEveryKindOfHandler()
{
    int inside = 0;
    const auto lookInside = [&] {
        post([&] { ++inside; });
        turn();
    };
    post(lookInside);
    turn();
    QCOMPARE(inside, 1);

    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        channel.drain();
        lookInside();
    });
    turn();
    QCOMPARE(inside, 2);

    TimerObject object;
    object.onTimer = [&](int) { lookInside(); };
    object.startTimer(0);
    turn();
    QCOMPARE(inside, 3);
}

void tst_NestedLoops::loopsInAllKindsOfHandlersAtOnce()
{
    constexpr int Depth = 30;
    int depth = 0;
    int returned = 0;
    TimerObject object;
    Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    std::function<void()> descend = [&] {
        if (++depth > Depth)
            return;
        QEventLoop loop;
        const std::function<void()> goOn = [&] {
            descend();
            loop.quit();
        };
        QMetaObject::Connection connection;
        switch (depth % 3) {
        case 0:
            post(goOn);
            break;
        case 1:
            object.onTimer = [&object, goOn](int id) {
                object.killTimer(id);
                goOn();
            };
            object.startTimer(depth % 2);
            break;
        case 2:
            channel.write();
            connection = connect(&notifier, &QSocketNotifier::activated, &loop, [&] {
                disconnect(connection);
                channel.drain();
                goOn();
            });
            break;
        }
        loop.exec();
        ++returned;
    };
    descend();
    QCOMPARE(returned, Depth);
}

DISPATCHER_TEST_MAIN(tst_NestedLoops)

#include "tst_nestedloops.moc"
