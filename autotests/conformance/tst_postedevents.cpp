// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

/// Posted events: all of them, once, in order, and none that was taken back.
class tst_PostedEvents : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { settle(); }

    void areDeliveredInOrder();
    void areDeliveredByPriority();
    void areDeliveredInOneTurnHoweverMany();
    void postedFromItsOwnHandlerGoOn();
    void sentByHandAreNotDeliveredAgain();
    void sentByHandForAnotherObjectAreNotForgotten();
    void removedAreNotDelivered();
    void ofDeletedObjectAreNotDelivered();
    void ofLaterObjectAreNotDeliveredIfItIsDeletedFirst();
    void quitPostedTwiceEndsExecOnce();
};

namespace {

class NumberedEvent : public QEvent
{
public:
    static constexpr Type Id = QEvent::User;

    explicit NumberedEvent(int n)
        : QEvent(Id)
        , number(n)
    {
    }

    const int number;
};

class Receiver : public QObject
{
public:
    QList<int> received;

protected:
    void customEvent(QEvent *event) override
    {
        received.append(static_cast<NumberedEvent *>(event)->number);
    }
};

}

void tst_PostedEvents::areDeliveredInOrder()
{
    Receiver receiver;
    QList<int> expected;
    for (int i = 0; i < 100; ++i) {
        QCoreApplication::postEvent(&receiver, new NumberedEvent(i));
        expected.append(i);
    }
    turn();
    QCOMPARE(receiver.received, expected);
}

void tst_PostedEvents::areDeliveredByPriority()
{
    Receiver receiver;
    QCoreApplication::postEvent(&receiver, new NumberedEvent(3), Qt::LowEventPriority);
    QCoreApplication::postEvent(&receiver, new NumberedEvent(2), Qt::NormalEventPriority);
    QCoreApplication::postEvent(&receiver, new NumberedEvent(1), Qt::HighEventPriority);
    turn();
    QCOMPARE(receiver.received, QList<int>({ 1, 2, 3 }));
}

void tst_PostedEvents::areDeliveredInOneTurnHoweverMany()
{
    Receiver receiver;
    for (int i = 0; i < 100'000; ++i)
        QCoreApplication::postEvent(&receiver, new NumberedEvent(i));
    turn();
    QCOMPARE(receiver.received.size(), 100'000);
    QVERIFY(std::is_sorted(receiver.received.cbegin(), receiver.received.cend()));
}

void tst_PostedEvents::postedFromItsOwnHandlerGoOn()
{
    int delivered = 0;
    std::function<void()> next = [&] {
        if (++delivered < 10'000)
            post(next);
    };
    post(next);
    QVERIFY(runUntil([&] { return delivered == 10'000; }));
}

void tst_PostedEvents::sentByHandAreNotDeliveredAgain()
{
    Receiver receiver;
    QCoreApplication::postEvent(&receiver, new NumberedEvent(1));
    QCoreApplication::sendPostedEvents();
    QCOMPARE(receiver.received.size(), 1);
    settle();
    QCOMPARE(receiver.received.size(), 1);
}

void tst_PostedEvents::sentByHandForAnotherObjectAreNotForgotten()
{
    Receiver receiver;
    Receiver other;
    Watchdog watchdog;
    QCoreApplication::postEvent(&receiver, new NumberedEvent(1));
    settle();
    // Nothing wakes the dispatcher up for this one but the post, which the send may have hidden.
    QCoreApplication::postEvent(&receiver, new NumberedEvent(2));
    QCoreApplication::postEvent(&other, new NumberedEvent(3));
    QCoreApplication::sendPostedEvents(&other);
    QCOMPARE(receiver.received, QList<int>({ 1 }));
    turn(QEventLoop::WaitForMoreEvents);
    QCOMPARE(receiver.received, QList<int>({ 1, 2 }));
    QVERIFY(!watchdog.expired());
}

void tst_PostedEvents::removedAreNotDelivered()
{
    Receiver receiver;
    QCoreApplication::postEvent(&receiver, new NumberedEvent(1));
    QCoreApplication::removePostedEvents(&receiver, NumberedEvent::Id);
    settle();
    QVERIFY(receiver.received.isEmpty());
}

void tst_PostedEvents::ofDeletedObjectAreNotDelivered()
{
    int delivered = 0;
    {
        QObject receiver;
        post(&receiver, [&] { ++delivered; });
    }
    settle();
    QCOMPARE(delivered, 0);
}

void tst_PostedEvents::ofLaterObjectAreNotDeliveredIfItIsDeletedFirst()
{
    int delivered = 0;
    auto *receiver = new QObject;
    post([&] { delete receiver; });
    post(receiver, [&] { ++delivered; });
    settle();
    QCOMPARE(delivered, 0);
}

void tst_PostedEvents::quitPostedTwiceEndsExecOnce()
{
    int returned = 0;
    post([&] {
        QCoreApplication::postEvent(qApp, new QEvent(QEvent::Quit));
        QCoreApplication::postEvent(qApp, new QEvent(QEvent::Quit));
    });
    QCoreApplication::exec();
    ++returned;
    QMetaObject::invokeMethod(qApp, &QCoreApplication::quit, Qt::QueuedConnection);
    QCoreApplication::exec();
    ++returned;
    QCOMPARE(returned, 2);
}

DISPATCHER_TEST_MAIN(tst_PostedEvents)

#include "tst_postedevents.moc"
