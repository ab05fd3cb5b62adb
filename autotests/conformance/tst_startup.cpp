// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

#include <QtCore/QPointer>
#include <QtCore/QRegularExpression>
#include <QtCore/QScopeGuard>

#include <glib.h>

/**
 * The time before the first event loop and after the last. This test has no application of its own:
 * every function makes one, so they also show that one process can have several in turn.
 */
class tst_Startup : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void dispatcherIsThereWithTheApplication();
    void eventsPostedBeforeTheApplication();
    void eventsPostedBeforeExec();
    void processEventsBeforeExec();
    void quitBeforeExec();
    void execTwice();
    void objectsThatOutliveTheApplication();
    void deferredDeleteAtTheEnd();
    void wakeUpRightAfterTheStart();
    void workerBeforeTheApplication();
};

namespace {

struct Application
{
    Application()
    {
        DispatcherUnderTest::install();
        app.emplace(argc, argv);
        if (!DispatcherUnderTest::isInstalled())
            qFatal("the dispatcher under test is not the one in use");
    }

    int argc = 1;
    char name[5] = "test";
    char *argv[2] = { name, nullptr };
    std::optional<QCoreApplication> app;
};

}

void tst_Startup::dispatcherIsThereWithTheApplication()
{
    QPointer<QAbstractEventDispatcher> first;
    {
        const Application application;
        first = dispatcher();
        QVERIFY(first);
        QCOMPARE(QCoreApplication::eventDispatcher(), first.data());
        QCOMPARE(first->thread(), QThread::currentThread());
    }
    QVERIFY(!dispatcher());
    const Application application;
    QVERIFY(dispatcher());
}

void tst_Startup::eventsPostedBeforeTheApplication()
{
    QObject object;
    int delivered = 0;
    for (int i = 0; i < 3; ++i)
        post(&object, [&] { ++delivered; });
    const Application application;
    post(&object, [] { QCoreApplication::quit(); });
    QCoreApplication::exec();
    QCOMPARE(delivered, 3);
}

void tst_Startup::eventsPostedBeforeExec()
{
    QObject object;
    int delivered = 0;
    post(&object, [&] { ++delivered; });
    const Application application;
    // Nothing but the event itself says that there is something to do.
    QVERIFY(runUntil([&] { return delivered == 1; }));
}

void tst_Startup::processEventsBeforeExec()
{
    const Application application;
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    TimerObject object;
    object.startTimer(0);
    int delivered = 0;
    post([&] { ++delivered; });
    turn();
    QCOMPARE(delivered, 1);
    QCOMPARE(activations, 1);
    QCOMPARE(object.fired.size(), 1);
}

void tst_Startup::quitBeforeExec()
{
    const Application application;
    QCoreApplication::quit();
    post([] { QCoreApplication::exit(5); });
    QCOMPARE(QCoreApplication::exec(), 5);
}

void tst_Startup::execTwice()
{
    const Application application;
    for (const int code : { 1, 2, 3 }) {
        QTimer::singleShot(1ms, qApp, [code] { QCoreApplication::exit(code); });
        QCOMPARE(QCoreApplication::exec(), code);
    }
}

void tst_Startup::objectsThatOutliveTheApplication()
{
    Channel channel;
    channel.write();
    std::optional<QSocketNotifier> notifier;
    TimerObject object;
    {
        const Application application;
        notifier.emplace(channel.reader, QSocketNotifier::Read);
        object.startTimer(0);
        turn();
        QCOMPARE(object.fired.size(), 1);
    }
    post(&object, [] {});
    notifier->setEnabled(false);
}

void tst_Startup::deferredDeleteAtTheEnd()
{
    QPointer<QObject> object(new QObject);
    {
        const Application application;
        post([&] {
            object->deleteLater();
            QCoreApplication::quit();
        });
        QCoreApplication::exec();
    }
    QVERIFY(!object);
}

void tst_Startup::wakeUpRightAfterTheStart()
{
    const Application application;
    Watchdog watchdog;
    dispatcher()->wakeUp();
    turn(QEventLoop::WaitForMoreEvents);
    QVERIFY(!watchdog.expired());
}

/// What GLib runs for the main thread is run there, and the worker has its loop when there is an application.
void tst_Startup::workerBeforeTheApplication()
{
    QTest::failOnWarning(QRegularExpression(QStringLiteral(".*")));
    struct EarlyWorker : QThread
    {
        Semaphore started;
        Semaphore mayLoop;
        void run() override
        {
            started.release();
            mayLoop.acquire();
            exec();
            HandOver::mark();
        }
    } worker;
    DispatcherUnderTest::install(&worker);
    worker.start();
    const auto end = qScopeGuard([&] {
        worker.mayLoop.release();
        worker.quit();
        ended(worker);
    });
    QVERIFY(worker.started.acquire());

    const Application application;
    worker.mayLoop.release();
    HandOverReceiver receiver;
    receiver.moveToThread(&worker);
    const QThread *calledIn = nullptr;
    if (DispatcherUnderTest::kind() == DispatcherUnderTest::Kind::QtUnix) {
        post([&] { calledIn = QThread::currentThread(); });
    } else {
        g_idle_add(
            [](gpointer thread) -> gboolean {
                *static_cast<const QThread **>(thread) = QThread::currentThread();
                return G_SOURCE_REMOVE;
            },
            &calledIn);
    }
    bool isCalled = false;
    call(&receiver, [&] { isCalled = true; });
    QVERIFY(isCalled);
    QVERIFY(runUntil([&] { return calledIn != nullptr; }));
    QCOMPARE(calledIn, QThread::currentThread());
}

QTEST_APPLESS_MAIN(tst_Startup)

#include "tst_startup.moc"
