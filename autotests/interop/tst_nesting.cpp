// SPDX-License-Identifier: MIT

#include "interop.h"

#include <QtCore/QPointer>

#include <array>
#include <vector>

/// Qt's loops in GLib's callbacks, GLib's loops in Qt's handlers, and so on downwards.
class tst_Nesting : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase_data();

    void loopInAHandler_data();
    void loopInAHandler();
    void processEventsInAHandler_data();
    void processEventsInAHandler();
    void alternatingDeep();
    void outerLoopThatQuitsFirstReturnsLast_data();
    void outerLoopThatQuitsFirstReturnsLast();
    void runningHandlerIsNotReentered_data();
    void runningHandlerIsNotReentered();
    void undrainedNotifierIsActivatedAgain_data();
    void undrainedNotifierIsActivatedAgain();
    void postedByAThreadToANestedLoop_data();
    void postedByAThreadToANestedLoop();
    void deferredDeletesWaitForNestedLoops_data();
    void deferredDeletesWaitForNestedLoops();
    void exitEndsQtsLoopsOnly();
    void flagsHoldInGLibsLoop_data();
    void flagsHoldInGLibsLoop();
    void loopInADestroyNotify_data();
    void loopInADestroyNotify();
};

namespace {

Loop::Kind outerKind()
{
    QFETCH_GLOBAL(Loop::Kind, kind);
    return kind;
}

struct NamedLoop
{
    const char *name;
    Loop::Kind kind;
};

constexpr NamedLoop InnerLoops[] = { { "QEventLoop", Loop::Exec },
                                     { "dialog", Loop::Dialog },
                                     { "processEvents", Loop::ByHand },
                                     { "g_main_loop_run", Loop::MainLoop },
                                     { "g_main_context_iteration", Loop::Iterations } };

void addInnerLoops()
{
    QTest::addColumn<Loop::Kind>("inner");
    for (const NamedLoop &loop : InnerLoops)
        QTest::newRow(loop.name) << loop.kind;
}

/// Work of both sides that goes on and on, with pauses.
class Background
{
public:
    Background()
        : m_timeout(g_timeout_source_new(1), G_PRIORITY_DEFAULT, [this] {
              ++m_counts[GLibTimeout];
              return true;
          })
    {
        QObject::connect(&m_notifier, &QSocketNotifier::activated, &m_timer, [this] {
            m_channel.drain();
            ++m_counts[Notifier];
        });
        m_timer.callOnTimeout([this] {
            ++m_counts[Timer];
            m_channel.write();
            post(&m_timer, [this] { ++m_counts[PostedEvent]; });
        });
        m_timer.start(1);
    }

    /// Whether all of it has made progress since the last call that said so.
    bool hasAdvanced()
    {
        for (std::size_t i = 0; i < m_counts.size(); ++i) {
            if (m_counts[i] < m_before[i] + 2)
                return false;
        }
        m_before = m_counts;
        return true;
    }

private:
    enum { GLibTimeout, Timer, Notifier, PostedEvent, Count };

    std::array<int, Count> m_counts = {};
    std::array<int, Count> m_before = {};
    const Channel m_channel;
    QTimer m_timer;
    QSocketNotifier m_notifier{ m_channel.reader, QSocketNotifier::Read };
    const GLibSource m_timeout;
};

/// Runs @p loop until @p background has made progress.
bool runUntilAdvanced(Loop &loop, Background &background)
{
    background.hasAdvanced();
    const GLibSource watcher(g_timeout_source_new(1), G_PRIORITY_DEFAULT, [&] {
        if (background.hasAdvanced())
            loop.quit();
        return true;
    });
    return loop.run();
}

}

void tst_Nesting::initTestCase_data()
{
    QTest::addColumn<Loop::Kind>("kind");
    QTest::newRow("under exec") << Loop::Exec;
    QTest::newRow("under g_main_loop_run") << Loop::MainLoop;
}

void tst_Nesting::loopInAHandler_data()
{
    QTest::addColumn<Loop::Kind>("inner");
    QTest::addColumn<Work>("work");
    for (const NamedLoop &loop : InnerLoops) {
        for (const Work work : AllWork)
            QTest::addRow("%s in %s", loop.name, name(work)) << loop.kind << work;
    }
}

void tst_Nesting::loopInAHandler()
{
    QFETCH(Loop::Kind, inner);
    QFETCH(Work, work);
    Loop outer(outerKind());
    QByteArray missing;
    bool innerEnded = false;
    const OneShot shot(work, [&] {
        Loop loop(inner);
        const AllShots shots([&] { loop.quit(); });
        innerEnded = loop.run();
        missing = shots.missing();
        outer.quit();
    });
    QVERIFY(outer.run());
    QVERIFY2(innerEnded, missing);
    QCOMPARE(missing, QByteArray());
}

void tst_Nesting::processEventsInAHandler_data()
{
    QTest::addColumn<Work>("work");
    QTest::addColumn<bool>("wait");
    for (const Work work : AllWork) {
        QTest::addRow("in %s", name(work)) << work << false;
        QTest::addRow("waiting, in %s", name(work)) << work << true;
    }
}

void tst_Nesting::processEventsInAHandler()
{
    QFETCH(Work, work);
    QFETCH(bool, wait);
    Loop outer(outerKind());
    bool ended = false;
    QByteArray missing;
    const OneShot shot(work, [&] {
        const AllShots shots([] { });
        ended = runUntil([&] { return shots.areDone(); },
                         wait ? QEventLoop::WaitForMoreEvents : QEventLoop::AllEvents);
        missing = shots.missing();
        outer.quit();
    });
    QVERIFY(outer.run());
    QVERIFY2(ended, missing);
}

void tst_Nesting::alternatingDeep()
{
    constexpr int Depth = 100;
    const std::array<Loop::Kind, 4> kinds
        = { Loop::MainLoop, Loop::Exec, Loop::Iterations, Loop::Dialog };
    QList<int> returned;
    int stuck = 0;
    Background background;
    bool allServedAtTheBottom = false;
    std::function<void(int)> descend = [&](int depth) {
        Loop loop(depth == 1 ? outerKind() : kinds[std::size_t(depth) % kinds.size()]);
        // Another kind of handler at each level, and each below every kind of loop.
        const Work work = AllWork[std::size_t(depth) % std::size(AllWork)];
        std::unique_ptr<AllShots> bottom;
        const OneShot shot(work, [&] {
            if (depth < Depth) {
                descend(depth + 1);
                loop.quit();
                return;
            }
            bottom = std::make_unique<AllShots>([&] {
                allServedAtTheBottom = true;
                loop.quit();
            });
        });
        stuck += !loop.run();
        returned.append(depth);
    };
    descend(1);
    QCOMPARE(stuck, 0);
    QVERIFY(allServedAtTheBottom);
    QCOMPARE(returned.size(), Depth);
    QVERIFY(std::is_sorted(returned.crbegin(), returned.crend()));

    // All that went on meanwhile still does.
    Loop loop(outerKind());
    QVERIFY(runUntilAdvanced(loop, background));
}

void tst_Nesting::outerLoopThatQuitsFirstReturnsLast_data()
{
    addInnerLoops();
}

void tst_Nesting::outerLoopThatQuitsFirstReturnsLast()
{
    QFETCH(Loop::Kind, inner);
    for (const Work work : AllWork) {
        QByteArray order;
        QObject context;
        Loop outer(outerKind());
        const OneShot shot(work, [&] {
            Loop loop(inner);
            const OneShot outerQuits(work, [&] {
                outer.quit();
                // The inner one goes on as if nothing had happened.
                QTimer::singleShot(1, &context, [&] {
                    callLater([&] { post(&context, [&] { loop.quit(); }); });
                });
            });
            loop.run();
            order += 'i';
        });
        QVERIFY2(outer.run(), name(work));
        order += 'o';
        QCOMPARE(order, QByteArray("io"));
    }
}

void tst_Nesting::runningHandlerIsNotReentered_data()
{
    addInnerLoops();
}

void tst_Nesting::runningHandlerIsNotReentered()
{
    QFETCH(Loop::Kind, inner);

    // Each would be called again and again if it were not running.
    struct Handler
    {
        std::function<void()> call;
        int running = 0;
        int deepest = 0;
        int calls = 0;
    };
    enum { Timer, ZeroTimer, GLibTimeout, GLibIdle, GLibFd, Posted, Count };
    std::array<Handler, Count> handlers;
    Background background;
    Loop outer(outerKind());
    int stuck = 0;
    bool isNested = false;

    const auto enter = [&](Handler &handler) {
        handler.deepest = std::max(handler.deepest, ++handler.running);
        ++handler.calls;
        // One nested loop at a time: the others are called inside of it.
        if (!isNested && handler.calls <= 3) {
            isNested = true;
            Loop loop(inner);
            stuck += !runUntilAdvanced(loop, background);
            isNested = false;
        }
        --handler.running;
        if (!isNested
            && std::all_of(handlers.begin(), handlers.end(),
                           [](const Handler &each) { return each.calls >= 3; }))
            outer.quit();
        return true;
    };

    const Channel channel;
    channel.write();
    QTimer timer;
    QTimer zeroTimer;
    timer.callOnTimeout([&] { enter(handlers[Timer]); });
    zeroTimer.callOnTimeout([&] { enter(handlers[ZeroTimer]); });
    timer.start(1);
    zeroTimer.start(0);
    const GLibSource timeout(g_timeout_source_new(1), G_PRIORITY_DEFAULT,
                             [&] { return enter(handlers[GLibTimeout]); });
    const GLibSource idle(g_idle_source_new(), G_PRIORITY_DEFAULT,
                          [&] { return enter(handlers[GLibIdle]); });
    const GLibSource fd(channel.reader, G_IO_IN, G_PRIORITY_DEFAULT,
                        [&] { return enter(handlers[GLibFd]); });
    std::function<void()> posted = [&] {
        enter(handlers[Posted]);
        post(&timer, posted);
    };
    post(&timer, posted);

    QVERIFY(outer.run());
    QCOMPARE(stuck, 0);
    for (const Handler &handler : handlers)
        QCOMPARE(handler.deepest, 1);
}

void tst_Nesting::undrainedNotifierIsActivatedAgain_data()
{
    addInnerLoops();
}

void tst_Nesting::undrainedNotifierIsActivatedAgain()
{
    // As under all of Qt's dispatchers: only the handler knows whether it has read all it wants.
    QFETCH(Loop::Kind, inner);
    constexpr int Depth = 5;
    const Channel channel;
    channel.write();
    Loop outer(outerKind());
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    int stuck = 0;
    Loop *innermost = nullptr;
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        if (innermost)
            innermost->quit();
        if (++activations == Depth) {
            channel.drain();
            outer.quit();
            return;
        }
        Loop loop(inner);
        innermost = &loop;
        stuck += !loop.run();
        innermost = nullptr;
    });
    QVERIFY(outer.run());
    QCOMPARE(activations, Depth);
    QCOMPARE(stuck, 0);
}

void tst_Nesting::postedByAThreadToANestedLoop_data()
{
    addInnerLoops();
}

void tst_Nesting::postedByAThreadToANestedLoop()
{
    QFETCH(Loop::Kind, inner);
    for (const Work work : AllWork) {
        Loop outer(outerKind());
        Semaphore isIdle;
        int stuck = 0;
        std::thread poster;
        const OneShot shot(work, [&] {
            for (int round = 0; round < 20; ++round) {
                Loop loop(inner);
                poster = std::thread([&] {
                    isIdle.acquire();
                    post(this, [&] { loop.quit(); });
                });
                callLater([&] { isIdle.release(); }, G_PRIORITY_LOW);
                stuck += !loop.run();
                poster.join();
            }
            outer.quit();
        });
        QVERIFY2(outer.run(), name(work));
        QCOMPARE(stuck, 0);
    }
}

void tst_Nesting::deferredDeletesWaitForNestedLoops_data()
{
    loopInAHandler_data();
}

void tst_Nesting::deferredDeletesWaitForNestedLoops()
{
    QFETCH(Loop::Kind, inner);
    QFETCH(Work, work);
    Loop outer(outerKind());
    QPointer<QObject> object(new QObject);
    QObject context;
    bool innerEnded = false;
    bool wasThereAfterInnerLoop = false;
    const OneShot shot(work, [&] {
        object->deleteLater();
        Loop loop(inner);
        QTimer::singleShot(2, &context, [&] { loop.quit(); });
        innerEnded = loop.run();
        wasThereAfterInnerLoop = !object.isNull();
        if (object)
            connect(object, &QObject::destroyed, &context, [&] { outer.quit(); });
        else
            outer.quit();
    });
    std::unique_ptr<GLibSource> end;
    if (isQtGLib()) {
        end = std::make_unique<GLibSource>(g_timeout_source_new(100), G_PRIORITY_DEFAULT, [&] {
            outer.quit();
            return false;
        });
    }
    QVERIFY(outer.run());
    QVERIFY(innerEnded);

    // Qt notes the level of loops and handlers in which it was asked to delete, and delivers at the
    // levels above it. In a callback of GLib's it has to guess that there is one handler more if a
    // loop runs, and it takes it for a request from before all loops if none does.
    const bool isGLibs
        = work == Work::GLibIdle || work == Work::GLibTimeout || work == Work::GLibFd;
    const bool isEventLoop = inner == Loop::Exec || inner == Loop::Dialog;
    bool waits = !isGLibs || isEventLoop == (outerKind() == Loop::Exec);
#if QT_VERSION >= QT_VERSION_CHECK(6, 8, 0)
    // Since Qt 6.8 a handler's request is one from before all loops, too, if no QEventLoop runs.
    if (isEventLoop && outerKind() != Loop::Exec)
        waits = false;
#endif
    QCOMPARE(wasThereAfterInnerLoop, waits);

    // A nested turn that may not deliver it uses up the wake-up. Under Qt's GLib dispatcher the
    // object then stays until another event comes.
    QCOMPARE(object.isNull(), !isQtGLib() || isEventLoop || !waits);
}

void tst_Nesting::exitEndsQtsLoopsOnly()
{
    QByteArray order;
    QObject context;
    int applicationCode = 0;
    int eventLoopCode = 0;
    bool mainLoopEnded = false;
    const auto execute = [&] {
        callLater([&] {
            Loop mainLoop(Loop::MainLoop);
            QTimer::singleShot(1, &context, [&] {
                QEventLoop eventLoop;
                callLater([] { QCoreApplication::exit(7); });
                eventLoopCode = eventLoop.exec();
                order += 'e';
                QTimer::singleShot(1, &context, [&] {
                    order += 't';
                    mainLoop.quit();
                });
            });
            mainLoopEnded = mainLoop.run();
            order += 'm';
        });
        applicationCode = QCoreApplication::exec();
        order += 'a';
    };
    if (outerKind() == Loop::Exec) {
        execute();
    } else {
        Loop outer(outerKind());
        callLater([&] {
            execute();
            outer.quit();
        });
        QVERIFY(outer.run());
    }
    QVERIFY(mainLoopEnded);
    QCOMPARE(order, QByteArray("etma"));
    QCOMPARE(eventLoopCode, 7);
    QCOMPARE(applicationCode, 7);
}

void tst_Nesting::flagsHoldInGLibsLoop_data()
{
    QTest::addColumn<bool>("byHand");
    QTest::newRow("of exec") << false;
    QTest::newRow("of processEvents") << true;
}

/// What a loop of Qt's excludes stays excluded while a handler in it runs a loop of GLib's.
void tst_Nesting::flagsHoldInGLibsLoop()
{
    QFETCH(bool, byHand);
    Loop outer(outerKind());
    QObject context;
    const Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    QTimer timer;
    QTimer zeroTimer;
    bool isExcluded = false;
    int served = 0;
    int servedInside = 0;
    int delivered = 0;
    bool innerEnded = false;
    connect(&notifier, &QSocketNotifier::activated, &context, [&] {
        notifier.setEnabled(false);
        ++served;
        servedInside += isExcluded && !isQtGLib(); // which does not exclude notifiers
    });
    for (QTimer *one : { &timer, &zeroTimer }) {
        one->setSingleShot(true);
        one->callOnTimeout(&context, [&] {
            ++served;
            servedInside += isExcluded;
        });
    }
    const auto runGLibsLoop = [&] {
        channel.write();
        timer.start(1);
        zeroTimer.start(0);
        Loop inner(Loop::MainLoop);
        // Long enough for all of it, had it been served.
        const GLibSource end(g_timeout_source_new(20), G_PRIORITY_DEFAULT, [&] {
            inner.quit();
            return false;
        });
        post(&context, [&] { ++delivered; });
        innerEnded = inner.run();
    };
    post(&context, [&] {
        isExcluded = true;
        const auto flags = QEventLoop::ExcludeSocketNotifiers | QEventLoop::X11ExcludeTimers;
        QEventLoop loop;
        post(&context, [&] {
            runGLibsLoop();
            loop.quit();
        });
        if (byHand)
            QCoreApplication::processEvents(flags);
        else
            loop.exec(flags);
        isExcluded = false;
    });
    const GLibSource end(g_timeout_source_new(1), G_PRIORITY_LOW, [&] {
        if (served == 3)
            outer.quit();
        return true;
    });
    QVERIFY(outer.run());
    QVERIFY(innerEnded);
    QCOMPARE(servedInside, 0);
    QCOMPARE(delivered, 1);
}

void tst_Nesting::loopInADestroyNotify_data()
{
    addInnerLoops();
}

/// GLib calls what destroys a source's data when it has dispatched the source, but not as a part of that.
void tst_Nesting::loopInADestroyNotify()
{
    QFETCH(Loop::Kind, inner);
    struct Destroyed
    {
        Loop::Kind inner;
        Loop *outer;
        bool innerDidAll = false;
    };
    Loop outer(outerKind());
    Destroyed destroyed{ inner, &outer };
    g_idle_add_full(
        G_PRIORITY_DEFAULT, [](gpointer) -> gboolean { return false; }, &destroyed,
        [](gpointer data) {
            auto *const now = static_cast<Destroyed *>(data);
            now->innerDidAll = runAllWork(now->inner);
            now->outer->quit();
            // processEvents() by hand looks at nothing but events.
            QCoreApplication::eventDispatcher()->wakeUp();
        });
    QVERIFY(outer.run());
    QVERIFY(destroyed.innerDidAll);
    QVERIFY(runAllWork(outerKind()));
}

DISPATCHER_TEST_MAIN(tst_Nesting)

#include "tst_nesting.moc"
