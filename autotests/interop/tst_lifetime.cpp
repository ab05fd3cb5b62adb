// SPDX-License-Identifier: MIT

#include "application.h"
#include "interop.h"

#include <array>
#include <atomic>

/// GLib before, between and after applications, on the default context.
class tst_Lifetime : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void oneAfterTheOther();
    void sourcesOutliveTheApplication();
    void objectsOutliveTheApplication();
    void endedInAGLibLoop();
    void startedInAGLibCallback();
    void workersEndWithSourcesAttached();
    void contextIsFreeAfterwards();
};

namespace {

int lowestFreeFd()
{
    return FileDescriptor(dup(STDERR_FILENO));
}

}

void tst_Lifetime::oneAfterTheOther()
{
    int firstFd = -1;
    for (int round = 0; round < 20; ++round) {
        {
            const Application application;
            QVERIFY(runAllWork(round % 2 ? Loop::Exec : Loop::MainLoop));
            QVERIFY(runAllWork(round % 2 ? Loop::MainLoop : Loop::Exec));
        }
        // The first one also opens what Qt keeps.
        if (round == 0)
            firstFd = lowestFreeFd();
        QCOMPARE(lowestFreeFd(), firstFd);
    }
}

void tst_Lifetime::sourcesOutliveTheApplication()
{
    int calls = 0;
    const GLibSource source(g_timeout_source_new(1), G_PRIORITY_DEFAULT, [&] {
        ++calls;
        return true;
    });
    const auto runLoop = [&](Loop::Kind kind) {
        Loop loop(kind);
        const int before = calls;
        const GLibSource watcher(g_timeout_source_new(1), G_PRIORITY_DEFAULT, [&] {
            if (calls > before + 2)
                loop.quit();
            return true;
        });
        return loop.run();
    };
    QVERIFY(runLoop(Loop::Iterations));
    {
        const Application application;
        QVERIFY(runLoop(Loop::Exec));
    }
    QVERIFY(runLoop(Loop::Iterations));
    {
        const Application application;
        QVERIFY(runLoop(Loop::Exec));
    }
    QVERIFY(runLoop(Loop::Iterations));
}

void tst_Lifetime::objectsOutliveTheApplication()
{
    const Channel channel;
    int calls = 0;
    {
        std::unique_ptr<QTimer> timer;
        std::unique_ptr<QSocketNotifier> notifier;
        {
            const Application application;
            timer = std::make_unique<QTimer>();
            timer->callOnTimeout([&] { ++calls; });
            timer->start(1);
            notifier
                = std::make_unique<QSocketNotifier>(channel.writer, QSocketNotifier::Write);
            QVERIFY(runUntil([&] { return calls >= 3; }));
        }
        calls = 0;
        post(timer.get(), [&] { ++calls; });
        for (int i = 0; i < 10; ++i)
            g_main_context_iteration(nullptr, false);
        QCOMPARE(calls, 0);
    }
    const Application application;
    QVERIFY(runAllWork(Loop::Exec));
}

void tst_Lifetime::endedInAGLibLoop()
{
    std::optional<Application> application(std::in_place);
    QObject receiver;
    QTimer timer;
    timer.start(1);
    GMainLoop *loop = g_main_loop_new(nullptr, false);
    int calls = 0;
    const GLibSource source(g_timeout_source_new(1), G_PRIORITY_DEFAULT, [&] {
        ++calls;
        if (calls == 5)
            application.reset();
        else if (calls == 10)
            g_main_loop_quit(loop);
        return true;
    });
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    QVERIFY(!application);
    QCOMPARE(calls, 10);
}

void tst_Lifetime::startedInAGLibCallback()
{
    // As in a GLib program that loads a plugin which needs Qt.
    GMainLoop *loop = g_main_loop_new(nullptr, false);
    std::optional<Application> application;
    QList<bool> isDone;
    callLater([&] {
        application.emplace();
        isDone.append(runAllWork(Loop::Exec));
    });
    callLater([&] {
        isDone.append(runAllWork(Loop::MainLoop));
        QTimer::singleShot(1, this, [&] { g_main_loop_quit(loop); });
    });
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    QCOMPARE(isDone, QList<bool>({ true, true }));
}

void tst_Lifetime::workersEndWithSourcesAttached()
{
    struct Data
    {
        int calls = 0;
        std::atomic<bool> isDestroyed = false;
    };
    const Application application;
    const int fdBefore = lowestFreeFd();
    for (int round = 0; round < 20; ++round) {
        Data data;
        QThread thread;
        DispatcherUnderTest::install(&thread);
        HandOverReceiver receiver;
        receiver.moveToThread(&thread);
        post(&receiver, [&] {
            GSource *source = g_idle_source_new();
            g_source_set_callback(
                source,
                [](gpointer calls) -> gboolean {
                    const HandOver handOver;
                    if (++static_cast<Data *>(calls)->calls == 3)
                        QThread::currentThread()->quit();
                    return true;
                },
                &data,
                [](gpointer destroyed) { static_cast<Data *>(destroyed)->isDestroyed = true; });
            g_source_attach(source, g_main_context_get_thread_default());
            g_source_unref(source);
        });
        thread.start();
        QVERIFY(ended(thread));
        QVERIFY(data.calls >= 3);
        QVERIFY(data.isDestroyed);
    }
    QCOMPARE(lowestFreeFd(), fdBefore);
}

void tst_Lifetime::contextIsFreeAfterwards()
{
    for (const Loop::Kind kind : { Loop::Exec, Loop::MainLoop }) {
        {
            const Application application;
            QVERIFY(runAllWork(kind));
        }
        QVERIFY(!g_main_context_is_owner(nullptr));
        QVERIFY(!g_main_context_get_thread_default());
        bool isTaken = false;
        std::thread([&] {
            isTaken = g_main_context_acquire(nullptr);
            if (isTaken)
                g_main_context_release(nullptr);
        }).join();
        QVERIFY(isTaken);
    }
}

// Each test makes an application of its own.
int main(int argc, char **argv)
{
    tst_Lifetime test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_lifetime.moc"
