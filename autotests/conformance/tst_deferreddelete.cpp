// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

#include <QtCore/QPointer>
#include <QtTest/QSignalSpy>

/// deleteLater() waits for the loop in which it was called, and keeps no other loop busy.
class tst_DeferredDelete : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { settle(); }

    void happensInTheSameLoop();
    void beforeExecHappensInTheFirstLoop();
    void doesNotHappenInAnInnerLoop();
    void ofAnInnerLoopHappensThere();
    void doesNotHappenInProcessEventsOfAHandler();
    void thatMustWaitDoesNotKeepAnybodyAwake_data();
    void thatMustWaitDoesNotKeepAnybodyAwake();
    void ofTheTimersOwnObject();
    void ofTheNotifierItself();
    void ofTheLoopItself();
};

void tst_DeferredDelete::happensInTheSameLoop()
{
    QPointer<QObject> object(new QObject);
    QEventLoop loop;
    bool goneInHandler = true;
    post([&] {
        object->deleteLater();
        goneInHandler = object.isNull();
    });
    connect(object, &QObject::destroyed, &loop, &QEventLoop::quit);
    loop.exec();
    QVERIFY(!goneInHandler);
    QVERIFY(object.isNull());
}

void tst_DeferredDelete::beforeExecHappensInTheFirstLoop()
{
    QPointer<QObject> object(new QObject);
    object->deleteLater();
    QEventLoop loop;
    connect(object, &QObject::destroyed, &loop, &QEventLoop::quit);
    loop.exec();
    QVERIFY(object.isNull());
}

void tst_DeferredDelete::doesNotHappenInAnInnerLoop()
{
    QPointer<QObject> object(new QObject);
    QEventLoop outer;
    connect(object, &QObject::destroyed, &outer, &QEventLoop::quit);
    bool survivedInner = false;
    post([&] {
        object->deleteLater();
        QEventLoop inner;
        int rounds = 0;
        std::function<void()> next = [&] {
            if (++rounds == 10)
                inner.quit();
            else
                post(next);
        };
        post(next);
        inner.exec();
        survivedInner = !object.isNull();
    });
    outer.exec();
    QVERIFY(survivedInner);
    QVERIFY(object.isNull());
}

void tst_DeferredDelete::ofAnInnerLoopHappensThere()
{
    QPointer<QObject> object(new QObject);
    QEventLoop outer;
    post([&] {
        QEventLoop inner;
        connect(object, &QObject::destroyed, &inner, &QEventLoop::quit);
        post([&] { object->deleteLater(); });
        inner.exec();
        outer.quit();
    });
    outer.exec();
    QVERIFY(object.isNull());
}

void tst_DeferredDelete::doesNotHappenInProcessEventsOfAHandler()
{
    QPointer<QObject> object(new QObject);
    QEventLoop loop;
    connect(object, &QObject::destroyed, &loop, &QEventLoop::quit);
    bool survived = false;
    post([&] {
        object->deleteLater();
        for (int i = 0; i < 10; ++i)
            turn();
        survived = !object.isNull();
        // Neither of Qt's dispatchers looks at it again before something wakes them up.
        dispatcher()->wakeUp();
    });
    loop.exec();
    QVERIFY(survived);
    QVERIFY(object.isNull());
}

void tst_DeferredDelete::thatMustWaitDoesNotKeepAnybodyAwake_data()
{
    QTest::addColumn<bool>("nested");
    QTest::newRow("outside of any loop") << false;
    QTest::newRow("in an inner loop") << true;
}

void tst_DeferredDelete::thatMustWaitDoesNotKeepAnybodyAwake()
{
    QFETCH(bool, nested);
    QPointer<QObject> object(new QObject);
    QSignalSpy turns(dispatcher(), &QAbstractEventDispatcher::awake);
    const auto waitForTimeout = [&] {
        TimerObject timer;
        timer.startTimer(100, Qt::PreciseTimer);
        if (nested) {
            QEventLoop inner;
            timer.onTimer = [&](int) { inner.quit(); };
            inner.exec();
        } else {
            while (timer.fired.isEmpty())
                turn(RunningLoop);
        }
    };
    if (nested) {
        QEventLoop outer;
        post([&] {
            object->deleteLater();
            waitForTimeout();
            outer.quit();
        });
        outer.exec();
    } else {
        object->deleteLater();
        waitForTimeout();
        QVERIFY(!object.isNull());
        QCoreApplication::sendPostedEvents(object, QEvent::DeferredDelete);
    }
    // The post itself, the timer, and some slack; a busy loop takes thousands.
    QVERIFY2(turns.size() < 20, qPrintable(QString::number(turns.size())));
    delete object.data();
}

void tst_DeferredDelete::ofTheTimersOwnObject()
{
    auto *object = new TimerObject;
    int fired = 0;
    object->onTimer = [&](int) {
        ++fired;
        object->deleteLater();
    };
    object->startTimer(0);
    QEventLoop loop;
    connect(object, &QObject::destroyed, &loop, &QEventLoop::quit);
    loop.exec();
    QVERIFY(fired >= 1);
}

void tst_DeferredDelete::ofTheNotifierItself()
{
    Channel channel;
    channel.write();
    auto *notifier = new QSocketNotifier(channel.reader, QSocketNotifier::Read);
    connect(notifier, &QSocketNotifier::activated, notifier, &QObject::deleteLater);
    QEventLoop loop;
    connect(notifier, &QObject::destroyed, &loop, &QEventLoop::quit);
    loop.exec();
    settle();
}

void tst_DeferredDelete::ofTheLoopItself()
{
    QPointer<QEventLoop> inner;
    QEventLoop outer;
    post([&] {
        inner = new QEventLoop;
        connect(inner, &QObject::destroyed, &outer, &QEventLoop::quit);
        post([&] { inner->quit(); });
        inner->exec();
        inner->deleteLater();
    });
    outer.exec();
    QVERIFY(inner.isNull());
}

DISPATCHER_TEST_MAIN(tst_DeferredDelete)

#include "tst_deferreddelete.moc"
