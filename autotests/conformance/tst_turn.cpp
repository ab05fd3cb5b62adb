// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

/// The order in which one turn serves things, and that none of them starves another.
class tst_Turn : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { settle(); }

    void postedEventsThenNotifiersThenTimers();
    void servesEverythingThatIsReadyOnce();
    void eventPostedByAnyHandlerWaitsForTheNextTurn();
    void postedEventsStarveNothing();
    void zeroTimerStarvesNothing();
    void slowTimerStarvesNothing();
    void readySocketStarvesNothing();
    void zeroTimersTakeTurns();
};

void tst_Turn::postedEventsThenNotifiersThenTimers()
{
    QByteArray order;
    TimerObject object;
    object.onTimer = [&](int) { order += 't'; };
    object.startTimer(1, Qt::PreciseTimer);
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] { order += 'n'; });
    post([&] { order += 'p'; });
    QThread::msleep(2);
    turn();
    QCOMPARE(order, QByteArray("pnt"));
}

void tst_Turn::servesEverythingThatIsReadyOnce()
{
    constexpr int Count = 50;
    int delivered = 0;
    int activations = 0;
    TimerObject object;
    std::vector<std::unique_ptr<Channel>> channels;
    QObject parent;
    for (int i = 0; i < Count; ++i) {
        object.startTimer(1, Qt::PreciseTimer);
        channels.push_back(std::make_unique<Channel>());
        channels.back()->write();
        const int fd = channels.back()->reader;
        auto *notifier = new QSocketNotifier(fd, QSocketNotifier::Read, &parent);
        connect(notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
        post([&] { ++delivered; });
    }
    QThread::msleep(2);
    turn();
    QCOMPARE(delivered, Count);
    QCOMPARE(activations, Count);
    QCOMPARE(object.fired.size(), Count);
    QCOMPARE(QSet<int>(object.fired.cbegin(), object.fired.cend()).size(), Count);
}

void tst_Turn::eventPostedByAnyHandlerWaitsForTheNextTurn()
{
    int early = 0;
    int delivered = 0;
    bool inTurn = true;
    const auto postAnother = [&] {
        post([&] {
            early += inTurn;
            ++delivered;
        });
    };
    TimerObject object;
    object.onTimer = [&](int id) {
        object.killTimer(id);
        postAnother();
    };
    object.startTimer(0);
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        channel.drain();
        postAnother();
    });
    post(postAnother);
    turn();
    inTurn = false;
    QCOMPARE(early, 0);
    turn();
    QCOMPARE(delivered, 3);
}

void tst_Turn::postedEventsStarveNothing()
{
    bool flooding = true;
    std::function<void()> flood = [&] {
        if (flooding)
            post(flood);
    };
    post(flood);
    Channel channel;
    int activations = 0;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        channel.drain();
        channel.write();
        ++activations;
    });
    channel.write();
    TimerObject precise;
    precise.startTimer(1, Qt::PreciseTimer);
    TimerObject zero;
    zero.startTimer(0);
    QVERIFY(runUntil([&] {
        return activations >= 10 && precise.fired.size() >= 10 && zero.fired.size() >= 10;
    }));
    flooding = false;
    turn();
}

void tst_Turn::zeroTimerStarvesNothing()
{
    TimerObject zero;
    zero.startTimer(0);
    Channel channel;
    channel.write();
    int activations = 0;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    TimerObject precise;
    precise.startTimer(1, Qt::PreciseTimer);
    int delivered = 0;
    std::function<void()> next = [&] {
        if (++delivered < 10)
            post(next);
    };
    post(next);
    QVERIFY(runUntil([&] {
        return delivered == 10 && activations >= 10 && precise.fired.size() >= 10
            && zero.fired.size() >= 10;
    }));
}

void tst_Turn::slowTimerStarvesNothing()
{
    // Due again whenever its handler returns.
    TimerObject slow;
    slow.onTimer = [](int) { QThread::msleep(2); };
    slow.startTimer(1, Qt::PreciseTimer);
    TimerObject other;
    other.startTimer(5, Qt::PreciseTimer);
    Channel channel;
    channel.write();
    int activations = 0;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    int delivered = 0;
    std::function<void()> next = [&] {
        if (++delivered < 5)
            post(next);
    };
    post(next);
    QVERIFY(runUntil([&] {
        return delivered == 5 && activations >= 5 && other.fired.size() >= 5
            && slow.fired.size() >= 5;
    }));
}

void tst_Turn::readySocketStarvesNothing()
{
    QSocketNotifier *notifiers[4];
    Channel channel;
    QObject parent;
    int activations = 0;
    for (QSocketNotifier *&notifier : notifiers) {
        const int fd = ::dup(channel.writer);
        QVERIFY(fd >= 0);
        notifier = new QSocketNotifier(fd, QSocketNotifier::Write, &parent);
        connect(notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    }
    TimerObject zero;
    zero.startTimer(0);
    TimerObject precise;
    precise.startTimer(1, Qt::PreciseTimer);
    int delivered = 0;
    std::function<void()> next = [&] {
        if (++delivered < 10)
            post(next);
    };
    post(next);
    const bool served = runUntil([&] {
        return delivered == 10 && activations >= 40 && precise.fired.size() >= 10
            && zero.fired.size() >= 10;
    });
    for (QSocketNotifier *notifier : notifiers) {
        const int fd = int(notifier->socket());
        delete notifier;
        ::close(fd);
    }
    QVERIFY(served);
}

void tst_Turn::zeroTimersTakeTurns()
{
    TimerObject object;
    const int first = object.startTimer(0);
    const int second = object.startTimer(0);
    const int third = object.startTimer(0);
    QVERIFY(runUntil([&] { return object.fired.size() >= 300; }));
    for (const int id : { first, second, third })
        QVERIFY(qAbs(object.fired.count(id) - 100) <= 2);
}

DISPATCHER_TEST_MAIN(tst_Turn)

#include "tst_turn.moc"
