// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

#include <QtCore/QRandomGenerator>

/// Notifiers that come, go and change while handlers run.
class tst_NotifierChanges : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { settle(); }

    void disablesItself();
    void deletesItself();
    void deletesItselfInANestedLoop();
    void takesAnotherReadyOneOutOfTheTurn_data();
    void takesAnotherReadyOneOutOfTheTurn();
    void takesTheOtherTypeOutOfTheTurn_data();
    void takesTheOtherTypeOutOfTheTurn();
    void anEarlierHandlerTakesItOutOfTheTurn_data();
    void anEarlierHandlerTakesItOutOfTheTurn();
    void offAndOnAgainLosesNothing();
    void createdInAHandlerIsServedNext();
    void eachChangeBesideABusyOneCountsInTheNextTurn();
    void enabledInEveryKindOfHandler();
    void closedAndReusedInAHandler();
    void closedAndReusedBetweenTurns();
    void readAndWriteTakeTurns();
    void closesAllInOneHandler();
    void manyTogglesBetweenTurns();
    void createdAndDeletedManyTimes();
    void churnInHandlers_data();
    void churnInHandlers();
};

void tst_NotifierChanges::disablesItself()
{
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        ++activations;
        notifier.setEnabled(false);
    });
    turn();
    turn();
    QCOMPARE(activations, 1);
    notifier.setEnabled(true);
    turn();
    turn();
    QCOMPARE(activations, 2);
}

void tst_NotifierChanges::deletesItself()
{
    Channel channel;
    channel.write();
    auto *notifier = new QSocketNotifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(notifier, &QSocketNotifier::activated, this, [&] {
        ++activations;
        delete notifier;
    });
    turn();
    turn();
    QCOMPARE(activations, 1);
}

void tst_NotifierChanges::deletesItselfInANestedLoop()
{
    Channel channel;
    channel.write();
    auto *notifier = new QSocketNotifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(notifier, &QSocketNotifier::activated, this, [&] {
        if (++activations == 1)
            turn();
        else
            delete notifier;
    });
    turn();
    turn();
    QCOMPARE(activations, 2);
}

void tst_NotifierChanges::takesAnotherReadyOneOutOfTheTurn_data()
{
    QTest::addColumn<QByteArray>("how");
    QTest::newRow("disabled") << QByteArray("disabled");
    QTest::newRow("deleted") << QByteArray("deleted");
    QTest::newRow("given no descriptor") << QByteArray("setSocket");
    QTest::newRow("closed too") << QByteArray("closed");
}

void tst_NotifierChanges::takesAnotherReadyOneOutOfTheTurn()
{
    QFETCH(QByteArray, how);
    // Whichever comes first, the other must not come any more.
    Channel channels[2];
    std::unique_ptr<QSocketNotifier> notifiers[2];
    int activations = 0;
    for (const size_t i : { 0u, 1u }) {
        channels[i].write();
        notifiers[i] = std::make_unique<QSocketNotifier>(channels[i].reader, QSocketNotifier::Read);
        connect(notifiers[i].get(), &QSocketNotifier::activated, this, [&, i] {
            ++activations;
            std::unique_ptr<QSocketNotifier> &other = notifiers[1 - i];
            if (how == "disabled") {
                other->setEnabled(false);
            } else if (how == "setSocket") {
                other->setSocket(-1);
            } else {
                other.reset();
                if (how == "closed")
                    channels[1 - i].reader.close();
            }
        });
    }
    turn();
    QCOMPARE(activations, 1);
    turn();
    QCOMPARE(activations, 2);
}

void tst_NotifierChanges::takesTheOtherTypeOutOfTheTurn_data()
{
    QTest::addColumn<QByteArray>("how");
    QTest::newRow("disabled") << QByteArray("disabled");
    QTest::newRow("deleted") << QByteArray("deleted");
    QTest::newRow("off and on") << QByteArray("off and on");
}

void tst_NotifierChanges::takesTheOtherTypeOutOfTheTurn()
{
    QFETCH(QByteArray, how);
    Channel channel;
    channel.write();
    std::unique_ptr<QSocketNotifier> notifiers[2];
    int activations = 0;
    for (const size_t i : { 0u, 1u }) {
        const auto type = i ? QSocketNotifier::Write : QSocketNotifier::Read;
        notifiers[i] = std::make_unique<QSocketNotifier>(channel.reader, type);
        connect(notifiers[i].get(), &QSocketNotifier::activated, this, [&, i] {
            ++activations;
            if (how == "deleted") {
                notifiers[1 - i].reset();
            } else {
                notifiers[1 - i]->setEnabled(false);
                notifiers[1 - i]->setEnabled(how == "off and on");
            }
        });
    }
    turn();
    QCOMPARE(activations, 1);
    turn();
    QCOMPARE(activations, 2);
}

void tst_NotifierChanges::anEarlierHandlerTakesItOutOfTheTurn_data()
{
    QTest::addColumn<QByteArray>("how");
    QTest::newRow("disabled") << QByteArray("disabled");
    QTest::newRow("deleted") << QByteArray("deleted");
    QTest::newRow("closed too") << QByteArray("closed");
}

void tst_NotifierChanges::anEarlierHandlerTakesItOutOfTheTurn()
{
    QFETCH(QByteArray, how);
    Channel channel;
    channel.write();
    auto notifier = std::make_unique<QSocketNotifier>(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(notifier.get(), &QSocketNotifier::activated, this, [&] { ++activations; });
    post([&] {
        if (how == "disabled")
            notifier->setEnabled(false);
        else
            notifier.reset();
        if (how == "closed")
            channel.reader.close();
    });
    turn();
    turn();
    QCOMPARE(activations, 0);
}

void tst_NotifierChanges::offAndOnAgainLosesNothing()
{
    Channel channels[2];
    std::unique_ptr<QSocketNotifier> notifiers[2];
    int activations[2] = {};
    for (const size_t i : { 0u, 1u }) {
        channels[i].write();
        notifiers[i] = std::make_unique<QSocketNotifier>(channels[i].reader, QSocketNotifier::Read);
        connect(notifiers[i].get(), &QSocketNotifier::activated, this, [&, i] {
            ++activations[i];
            notifiers[1 - i]->setEnabled(false);
            notifiers[1 - i]->setEnabled(true);
            notifiers[i]->setEnabled(false);
        });
    }
    turn();
    // Off and on takes it out of the turn, but it is ready in the next.
    QCOMPARE(activations[0] + activations[1], 1);
    turn();
    QCOMPARE(activations[0], 1);
    QCOMPARE(activations[1], 1);
}

void tst_NotifierChanges::createdInAHandlerIsServedNext()
{
    Channel first;
    first.write();
    Channel second;
    second.write();
    std::unique_ptr<QSocketNotifier> created;
    int activations = 0;
    QSocketNotifier notifier(first.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        notifier.setEnabled(false);
        created = std::make_unique<QSocketNotifier>(second.reader, QSocketNotifier::Read);
        connect(created.get(), &QSocketNotifier::activated, this, [&] { ++activations; });
    });
    turn();
    QCOMPARE(activations, 0);
    turn();
    QCOMPARE(activations, 1);
}

/// A loop that is busy need not look at everything in each turn.
void tst_NotifierChanges::eachChangeBesideABusyOneCountsInTheNextTurn()
{
    Channel channel;
    channel.write();
    QSocketNotifier changed(channel.reader, QSocketNotifier::Read);
    changed.setEnabled(false);
    int activations = 0;
    connect(&changed, &QSocketNotifier::activated, this, [&] { ++activations; });

    Channel other;
    other.write();
    QSocketNotifier busy(other.reader, QSocketNotifier::Read);
    int turns = 0;
    int missed = 0;
    connect(&busy, &QSocketNotifier::activated, this, [&] {
        switch (turns++ % 4) {
        case 0:
            activations = 0;
            changed.setEnabled(true);
            break;
        case 2: // of the two, any may have come first in the turn before
            missed += activations == 0;
            changed.setEnabled(false);
            break;
        }
    });
    QVERIFY(runUntil([&] { return turns >= 4000; }));
    QCOMPARE(missed, 0);
}

void tst_NotifierChanges::enabledInEveryKindOfHandler()
{
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    notifier.setEnabled(false);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        notifier.setEnabled(false);
        ++activations;
    });
    post([&] { notifier.setEnabled(true); });
    QVERIFY(runUntil([&] { return activations == 1; }));

    QTimer::singleShot(1ms, &notifier, [&] { notifier.setEnabled(true); });
    QVERIFY(runUntil([&] { return activations == 2; }));

    Channel other;
    other.write();
    QSocketNotifier enabler(other.reader, QSocketNotifier::Read);
    connect(&enabler, &QSocketNotifier::activated, this, [&] {
        other.drain();
        notifier.setEnabled(true);
    });
    QVERIFY(runUntil([&] { return activations == 3; }));
}

void tst_NotifierChanges::closedAndReusedInAHandler()
{
    Channel old;
    old.write();
    Channel replacement;
    auto first = std::make_unique<QSocketNotifier>(old.reader, QSocketNotifier::Read);
    std::unique_ptr<QSocketNotifier> second;
    int activations = 0;
    connect(first.get(), &QSocketNotifier::activated, this, [&] {
        const int number = old.reader;
        first.reset();
        QCOMPARE(::dup2(replacement.reader, number), number);
        second = std::make_unique<QSocketNotifier>(number, QSocketNotifier::Read);
        connect(second.get(), &QSocketNotifier::activated, this, [&] { ++activations; });
    });
    turn();
    QVERIFY(second);
    turn();
    QCOMPARE(activations, 0);
    replacement.write();
    QVERIFY(runUntil([&] { return activations == 1; }));
}

void tst_NotifierChanges::closedAndReusedBetweenTurns()
{
    Channel old;
    const int number = old.reader;
    auto notifier = std::make_unique<QSocketNotifier>(number, QSocketNotifier::Read);
    turn();
    for (int i = 0; i < 10; ++i) {
        Channel replacement;
        notifier.reset();
        QCOMPARE(::dup2(replacement.reader, number), number);
        notifier = std::make_unique<QSocketNotifier>(number, QSocketNotifier::Read);
        int activations = 0;
        connect(notifier.get(), &QSocketNotifier::activated, this, [&] { ++activations; });
        turn();
        QCOMPARE(activations, 0);
        replacement.write();
        QVERIFY(runUntil([&] { return activations > 0; }));
        notifier->disconnect(this);
    }
}

void tst_NotifierChanges::readAndWriteTakeTurns()
{
    Channel channel;
    channel.write();
    QSocketNotifier reader(channel.reader, QSocketNotifier::Read);
    QSocketNotifier writer(channel.reader, QSocketNotifier::Write);
    writer.setEnabled(false);
    QByteArray log;
    connect(&reader, &QSocketNotifier::activated, this, [&] {
        log += 'r';
        reader.setEnabled(false);
        writer.setEnabled(true);
    });
    connect(&writer, &QSocketNotifier::activated, this, [&] {
        log += 'w';
        writer.setEnabled(false);
        reader.setEnabled(true);
    });
    QVERIFY(runUntil([&] { return log.size() >= 200; }));
    QCOMPARE(log.left(200), QByteArray("rw").repeated(100));
}

void tst_NotifierChanges::closesAllInOneHandler()
{
    constexpr size_t Count = 50;
    std::vector<std::unique_ptr<Channel>> channels;
    std::vector<std::unique_ptr<QSocketNotifier>> notifiers;
    int activations = 0;
    for (size_t i = 0; i < Count; ++i) {
        channels.push_back(std::make_unique<Channel>());
        channels.back()->write();
        auto notifier = std::make_unique<QSocketNotifier>(channels.back()->reader,
                                                          QSocketNotifier::Read);
        connect(notifier.get(), &QSocketNotifier::activated, this, [&] {
            ++activations;
            notifiers.clear();
            channels.clear();
        });
        notifiers.push_back(std::move(notifier));
    }
    turn();
    turn();
    QCOMPARE(activations, 1);
}

void tst_NotifierChanges::manyTogglesBetweenTurns()
{
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    for (int i = 0; i < 1001; ++i)
        notifier.setEnabled(!notifier.isEnabled());
    QVERIFY(!notifier.isEnabled());
    turn();
    QCOMPARE(activations, 0);
    for (int i = 0; i < 1001; ++i)
        notifier.setEnabled(!notifier.isEnabled());
    turn();
    QCOMPARE(activations, 1);
}

void tst_NotifierChanges::createdAndDeletedManyTimes()
{
    Channel channel;
    channel.write();
    int activations = 0;
    for (int i = 0; i < 500; ++i) {
        QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
        connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
        if (i % 2)
            turn();
    }
    QCOMPARE(activations, 250);
    turn();
    QCOMPARE(activations, 250);
}

void tst_NotifierChanges::churnInHandlers_data()
{
    QTest::addColumn<int>("depth");
    QTest::newRow("flat") << 0;
    QTest::newRow("nested") << 3;
}

void tst_NotifierChanges::churnInHandlers()
{
    // All are ready all the time. Every handler changes some; whoever is activated has to be
    // enabled, and, unless a turn from within looked again, so when the turn began.
    QFETCH(int, depth);
    const bool flat = depth == 0;
    constexpr size_t Count = 20;
    struct Place
    {
        std::unique_ptr<QSocketNotifier> notifier;
        int enabledInTurn = -1;
    };
    Channel channels[Count];
    Place places[Count];
    QRandomGenerator random(1);
    int turns = 0;
    int activations = 0;
    int strays = 0;
    std::function<void(size_t)> create;
    const auto change = [&](Place &place) {
        if (random.bounded(3) == 0) {
            create(size_t(&place - places));
        } else {
            place.notifier->setEnabled(!place.notifier->isEnabled());
            place.enabledInTurn = turns;
        }
    };
    create = [&](size_t i) {
        const auto type = random.bounded(4) ? QSocketNotifier::Read : QSocketNotifier::Write;
        // The old one goes first: there must not be two for a descriptor.
        places[i].notifier.reset();
        places[i].notifier = std::make_unique<QSocketNotifier>(channels[i].reader, type);
        places[i].enabledInTurn = turns;
        connect(places[i].notifier.get(), &QSocketNotifier::activated, this, [&, i] {
            ++activations;
            strays += !places[i].notifier->isEnabled();
            strays += flat && places[i].enabledInTurn == turns;
            for (int n = 0; n < 3; ++n)
                change(places[random.bounded(int(Count))]);
            if (depth > 0 && random.bounded(10) == 0) {
                --depth;
                turn();
                ++depth;
            }
        });
    };
    for (size_t i = 0; i < Count; ++i) {
        channels[i].write();
        create(i);
    }
    Watchdog watchdog;
    while (activations < 3000 && !watchdog.expired()) {
        ++turns;
        turn();
        places[random.bounded(int(Count))].notifier->setEnabled(true);
    }
    QVERIFY(!watchdog.expired());
    QCOMPARE(strays, 0);
}

DISPATCHER_TEST_MAIN(tst_NotifierChanges)

#include "tst_notifierchanges.moc"
