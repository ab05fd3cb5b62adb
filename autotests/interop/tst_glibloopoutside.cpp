// SPDX-License-Identifier: MIT

#include "interop.h"

#include <QtCore/QPointer>

#include <array>
#include <atomic>
#include <vector>

/// Programs whose main loop is GLib's, and which never call exec().
class tst_GLibLoopOutside : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase_data();

    void timers();
    void timersOfAllTypes();
    void zeroTimers();
    void socketNotifiers();
    void postedEvents();
    void postedBeforeTheLoop();
    void postsFromOtherThreads();
    void wokenByAnotherThread();
    void quitByAnotherThread();
    void deferredDeletesFromQtsHandlers();
    void deferredDeletesFromMain();
    void deferredDeletesFromGLibCallbacks();
    void deferredDeletesFromOtherThreads();
    void sleepsWhileThereIsNothingToDo();
    void leftAndEnteredAgain();
    void contextIsLeftFree();
    // From here on a loop of Qt's has run.
    void alternatedWithQtsLoops();
};

namespace {

Loop::Kind outerKind()
{
    QFETCH_GLOBAL(Loop::Kind, kind);
    return kind;
}

/// What a loop must not leave behind.
struct Resources
{
    int lowestFreeFd = FileDescriptor(dup(STDERR_FILENO));
    guint nextSourceId = takeSourceId();

    /// How many of the sources that were attached since @p earlier are still there.
    int sourcesSince(const Resources &earlier) const
    {
        int count = 0;
        for (guint id = earlier.nextSourceId; id < nextSourceId; ++id)
            count += g_main_context_find_source_by_id(nullptr, id) != nullptr;
        return count;
    }

private:
    static guint takeSourceId()
    {
        const guint id = g_idle_add([](gpointer) -> gboolean { return false; }, nullptr);
        g_source_remove(id);
        return id;
    }
};

}

void tst_GLibLoopOutside::initTestCase_data()
{
    QTest::addColumn<Loop::Kind>("kind");
    QTest::newRow("g_main_loop_run") << Loop::MainLoop;
    QTest::newRow("g_application_run") << Loop::Application;
    QTest::newRow("g_main_context_iteration") << Loop::Iterations;
}

void tst_GLibLoopOutside::timers()
{
    Loop loop(outerKind());
    QTimer timer;
    int ticks = 0;
    timer.callOnTimeout([&] {
        if (++ticks == 20)
            loop.quit();
    });
    timer.start(2);
    QVERIFY(loop.run());
    QCOMPARE(ticks, 20);
}

void tst_GLibLoopOutside::timersOfAllTypes()
{
    Loop loop(outerKind());
    int left = 0;
    QObject parent;
    for (const auto type : { Qt::PreciseTimer, Qt::CoarseTimer, Qt::VeryCoarseTimer }) {
        for (const int interval : { 1, 7, 30, 120 }) {
            ++left;
            QTimer::singleShot(interval, type, &parent, [&] {
                if (--left == 0)
                    loop.quit();
            });
        }
    }
    QVERIFY(loop.run());
    QCOMPARE(left, 0);
}

void tst_GLibLoopOutside::zeroTimers()
{
    Loop loop(outerKind());
    std::array<QTimer, 2> timers;
    std::array<int, 2> ticks = {};
    for (std::size_t i = 0; i < timers.size(); ++i) {
        timers[i].callOnTimeout([&, i] {
            ++ticks[i];
            if (ticks[0] >= 1000 && ticks[1] >= 1000)
                loop.quit();
        });
        timers[i].start(0);
    }
    QVERIFY(loop.run());
    QVERIFY(std::abs(ticks[0] - ticks[1]) <= 1);
}

void tst_GLibLoopOutside::socketNotifiers()
{
    Loop loop(outerKind());
    const Channel channel;
    int received = 0;
    int sendable = 0;
    QSocketNotifier reader(channel.reader, QSocketNotifier::Read);
    connect(&reader, &QSocketNotifier::activated, this, [&] {
        channel.drain();
        if (++received == 100)
            loop.quit();
    });
    QSocketNotifier writer(channel.writer, QSocketNotifier::Write);
    connect(&writer, &QSocketNotifier::activated, this, [&] {
        ++sendable;
        channel.write();
    });
    QVERIFY(loop.run());
    QCOMPARE(received, 100);
    QVERIFY(sendable >= 100);
}

void tst_GLibLoopOutside::postedEvents()
{
    Loop loop(outerKind());
    int delivered = 0;
    std::function<void()> next = [&] {
        if (++delivered == 1000)
            loop.quit();
        else
            post(next);
    };
    callLater([&] { post(next); });
    QVERIFY(loop.run());
    QCOMPARE(delivered, 1000);
}

void tst_GLibLoopOutside::postedBeforeTheLoop()
{
    for (int round = 0; round < 100; ++round) {
        Loop loop(outerKind());
        QList<int> delivered;
        for (int i = 0; i < 10; ++i)
            post(this, [&delivered, i] { delivered.append(i); });
        post(this, [&] { loop.quit(); });
        QVERIFY(loop.run());
        QCOMPARE(delivered, QList<int>({ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }));
    }
}

void tst_GLibLoopOutside::postsFromOtherThreads()
{
    constexpr int Threads = 4;
    constexpr int Each = 2000;
    Loop loop(outerKind());
    int delivered = 0;
    int inOtherThreads = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < Threads; ++i) {
        threads.emplace_back([&] {
            for (int posted = 0; posted < Each; ++posted) {
                post(this, [&] {
                    inOtherThreads += QThread::currentThread() != thread();
                    if (++delivered == Threads * Each)
                        loop.quit();
                });
            }
        });
    }
    const bool ended = loop.run();
    for (std::thread &thread : threads)
        thread.join();
    QVERIFY(ended);
    QCOMPARE(delivered, Threads * Each);
    QCOMPARE(inOtherThreads, 0);
}

void tst_GLibLoopOutside::wokenByAnotherThread()
{
    constexpr int Rounds = 300;
    Loop loop(outerKind());
    Semaphore isIdle;
    int woken = 0;
    std::thread poster([&] {
        for (int i = 0; i < Rounds; ++i) {
            isIdle.acquire();
            post(this, [&] {
                if (++woken == Rounds)
                    return loop.quit();
                // What the next post meets is a loop that has nothing left to do.
                callLater([&] { isIdle.release(); }, G_PRIORITY_LOW);
            });
        }
    });
    callLater([&] { isIdle.release(); }, G_PRIORITY_LOW);
    const bool ended = loop.run();
    isIdle.release(Rounds);
    poster.join();
    QVERIFY(ended);
    QCOMPARE(woken, Rounds);
}

void tst_GLibLoopOutside::quitByAnotherThread()
{
    for (int round = 0; round < 100; ++round) {
        Loop loop(outerKind());
        Semaphore isIdle;
        std::thread quitter([&] {
            isIdle.acquire();
            post(this, [&] { loop.quit(); });
        });
        callLater([&] { isIdle.release(); }, G_PRIORITY_LOW);
        const bool ended = loop.run();
        isIdle.release();
        quitter.join();
        QVERIFY(ended);
    }
}

void tst_GLibLoopOutside::deferredDeletesFromQtsHandlers()
{
    for (const Work work : { Work::PostedEvent, Work::Timer, Work::ZeroTimer, Work::Notifier }) {
        Loop loop(outerKind());
        auto *object = new QObject;
        connect(object, &QObject::destroyed, this, [&] { loop.quit(); });
        bool wasThereToTheEnd = false;
        const OneShot shot(work, [&, guard = QPointer(object)] {
            object->deleteLater();
            wasThereToTheEnd = !guard.isNull();
        });
        QVERIFY2(loop.run(), name(work));
        QVERIFY2(wasThereToTheEnd, name(work));
    }
}

void tst_GLibLoopOutside::deferredDeletesFromMain()
{
    Loop loop(outerKind());
    QPointer<QObject> object(new QObject);
    object->deleteLater();
    QVERIFY(object);
    callLater([&] { loop.quit(); }, G_PRIORITY_LOW);
    QVERIFY(loop.run());
    // Qt's GLib dispatcher leaves that to exec().
    QCOMPARE(object.isNull(), !isQtGLib());
}

void tst_GLibLoopOutside::deferredDeletesFromGLibCallbacks()
{
    for (const Work work : { Work::GLibIdle, Work::GLibTimeout, Work::GLibFd }) {
        Loop loop(outerKind());
        QPointer<QObject> object(new QObject);
        bool wasThereToTheEnd = false;
        const OneShot shot(work, [&] {
            object->deleteLater();
            wasThereToTheEnd = !object.isNull();
            callLater([&] { loop.quit(); }, G_PRIORITY_LOW);
        });
        QVERIFY2(loop.run(), name(work));
        QVERIFY2(wasThereToTheEnd, name(work));
        // Qt's GLib dispatcher leaves that to exec().
        QCOMPARE(object.isNull(), !isQtGLib());
    }
}

void tst_GLibLoopOutside::deferredDeletesFromOtherThreads()
{
    Loop loop(outerKind());
    QPointer<QObject> object(new QObject);
    std::thread([&] { object->deleteLater(); }).join();
    callLater([&] { loop.quit(); }, G_PRIORITY_LOW);
    QVERIFY(loop.run());
    // Qt's GLib dispatcher leaves that to exec().
    QCOMPARE(object.isNull(), !isQtGLib());
}

void tst_GLibLoopOutside::sleepsWhileThereIsNothingToDo()
{
    Loop loop(outerKind());
    const Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int looks = 0;
    const ProbeSource probe([&](int *) { ++looks; });
    QTimer::singleShot(200, Qt::PreciseTimer, this, [&] { loop.quit(); });
    QVERIFY(loop.run());
    QVERIFY2(looks < 20, QByteArray::number(looks));
}

void tst_GLibLoopOutside::leftAndEnteredAgain()
{
    QTimer timer;
    const Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int posted = 0;
    int ticks = 0;
    int activations = 0;
    int glibTicks = 0;
    const GLibSource source(g_timeout_source_new(1), G_PRIORITY_DEFAULT, [&] {
        ++glibTicks;
        return true;
    });
    timer.callOnTimeout([&] { ++ticks; });
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        channel.drain();
        ++activations;
    });
    timer.start(1);

    const Resources before;
    for (int round = 1; round <= 100; ++round) {
        Loop loop(outerKind());
        channel.write();
        const int ticksBefore = ticks;
        const int glibTicksBefore = glibTicks;
        std::thread poster([&] { post(this, [&] { ++posted; }); });
        const GLibSource watcher(g_timeout_source_new(1), G_PRIORITY_DEFAULT, [&] {
            if (posted == round && activations == round && ticks > ticksBefore
                && glibTicks > glibTicksBefore)
                loop.quit();
            return true;
        });
        const bool ended = loop.run();
        poster.join();
        QVERIFY(ended);
    }
    const Resources after;
    QCOMPARE(after.lowestFreeFd, before.lowestFreeFd);
    QCOMPARE(after.sourcesSince(before), 0);
}

void tst_GLibLoopOutside::contextIsLeftFree()
{
    // Only a loop of Qt's takes it for good. Qt's GLib dispatcher has it from its beginning.
    QCOMPARE(bool(g_main_context_is_owner(nullptr)), isQtGLib());
}

void tst_GLibLoopOutside::alternatedWithQtsLoops()
{
    const std::array<Loop::Kind, 4> kinds
        = { outerKind(), Loop::Exec, outerKind(), Loop::ByHand };
    constexpr int Rounds = 100;

    // Events are posted all the time, in the loops and between them, and none may be lost.
    std::atomic<int> posted = 0;
    std::atomic<bool> stop = false;
    int delivered = 0;
    std::thread poster([&] {
        while (!stop) {
            ++posted;
            post(this, [&] { ++delivered; });
            std::this_thread::sleep_for(100us);
        }
    });

    const Resources before;
    int ended = 0;
    for (int round = 0; round < Rounds; ++round) {
        for (const Loop::Kind kind : kinds)
            ended += runAllWork(kind);
    }
    stop = true;
    poster.join();
    QCOMPARE(ended, Rounds * int(kinds.size()));

    Loop last(outerKind());
    post(this, [&] { last.quit(); });
    QVERIFY(last.run());
    QCOMPARE(delivered, posted.load());

    const Resources after;
    QCOMPARE(after.lowestFreeFd, before.lowestFreeFd);
    QCOMPARE(after.sourcesSince(before), 0);
}

DISPATCHER_TEST_MAIN(tst_GLibLoopOutside)

#include "tst_glibloopoutside.moc"
