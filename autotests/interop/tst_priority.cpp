// SPDX-License-Identifier: MIT

#include "flood.h"

#include <GLibEventDispatcher>

/// GLibEventDispatcher::setPriority(): the rank of Qt's work among GLib's sources.
class tst_Priority : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase_data();
    void init();
    void cleanup();

    void defaultPriority();
    void ranksQtsWork_data();
    void ranksQtsWork();
    void asksNoneThatWaits();
    void thatWaitsIsNoWork_data();
    void thatWaitsIsNoWork();
    void higherSourceThatOnlyItsCheckFindsReady_data();
    void higherSourceThatOnlyItsCheckFindsReady();
    void takesEffectAtOnce();
    void setBeforeTheThreadStarts();
    void setAfterTheThreadHasEnded();
};

namespace {

GLibEventDispatcher *ours()
{
    return static_cast<GLibEventDispatcher *>(dispatcher());
}

Loop::Kind loopKind()
{
    QFETCH_GLOBAL(Loop::Kind, kind);
    return kind;
}

}

void tst_Priority::initTestCase_data()
{
    QTest::addColumn<Loop::Kind>("kind");
    QTest::newRow("exec") << Loop::Exec;
    QTest::newRow("processEvents") << Loop::ByHand;
    QTest::newRow("g_main_loop_run") << Loop::MainLoop;
}

void tst_Priority::init()
{
    settle();
}

void tst_Priority::cleanup()
{
    ours()->setPriority(G_PRIORITY_DEFAULT);
}

void tst_Priority::defaultPriority()
{
    QCOMPARE(ours()->priority(), G_PRIORITY_DEFAULT);
}

void tst_Priority::ranksQtsWork_data()
{
    QTest::addColumn<int>("qtPriority");
    QTest::addColumn<int>("glibPriority");
    QTest::addColumn<Work>("flood");
    for (const NamedPriority &qt : Priorities) {
        for (const NamedPriority &glib : Priorities) {
            for (const Work flood : Floods)
                QTest::addRow("Qt %s, GLib %s, %s", qt.name, glib.name, name(flood))
                    << qt.value << glib.value << flood;
        }
    }
}

void tst_Priority::ranksQtsWork()
{
    QFETCH(int, qtPriority);
    QFETCH(int, glibPriority);
    QFETCH(Work, flood);
    ours()->setPriority(qtPriority);
    QCOMPARE(ours()->priority(), qtPriority);

    const int rank = flood == Work::ZeroTimer ? std::max(qtPriority, G_PRIORITY_DEFAULT_IDLE)
                                              : qtPriority;
    const Contest contest(loopKind(), flood, glibPriority);
    QVERIFY(contest.ended);
    QCOMPARE(contest.isServed(Contest::GLib), glibPriority <= rank);
    // In a loop of its own, Qt has a turn after each of GLib's.
    QCOMPARE(contest.isServed(Contest::Qt), rank <= glibPriority || Loop::isQts(loopKind()));
}

/// A source of lower priority may find itself ready, and the reason may be gone when it is dispatched.
void tst_Priority::asksNoneThatWaits()
{
    int checks = 0;
    const ProbeSource waiting([](int *) { }, [&] { ++checks; }, G_PRIORITY_LOW);
    Loop loop(loopKind());
    int turns = 0;
    int before = 0;
    const Flood flood(Work::PostedEvent, [&] {
        ++turns;
        if (turns == 10) // the loop has begun
            before = checks;
        else if (turns == 2000)
            loop.quit();
        QThread::usleep(1);
    });
    QVERIFY(loop.run());
    QCOMPARE(checks - before, 0);
}

void tst_Priority::thatWaitsIsNoWork_data()
{
    QTest::addColumn<Work>("work");
    QTest::newRow("idle source") << Work::GLibIdle;
    QTest::newRow("timeout") << Work::GLibTimeout;
    QTest::newRow("fd source") << Work::GLibFd;
}

/// Whoever calls processEvents() until it has nothing to do need not wait for what Qt's zero timers keep waiting.
void tst_Priority::thatWaitsIsNoWork()
{
    QFETCH(Work, work);
    const Channel channel;
    GSource *const source = work == Work::GLibIdle ? g_idle_source_new()
        : work == Work::GLibTimeout               ? g_timeout_source_new(0)
                                                  : g_unix_fd_source_new(channel.writer, G_IO_OUT);
    int calls = 0;
    const GLibSource waiting(source, G_PRIORITY_LOW, [&] {
        ++calls;
        return true;
    });
    QTimer zero;
    zero.start(0);
    settle();
    const auto inGLib = ours()->statistics().inGLib;
    calls = 0;
    for (int i = 0; i < 100; ++i)
        QVERIFY(!ours()->processEvents(QEventLoop::AllEvents));
    QCOMPARE(calls, 0);
    QCOMPARE(ours()->statistics().inGLib, inGLib);
}

void tst_Priority::higherSourceThatOnlyItsCheckFindsReady_data()
{
    QTest::addColumn<bool>("besideOneThatWaits");
    QTest::newRow("alone") << false;
    QTest::newRow("beside one that waits") << true;
}

/// It is dispatched before Qt's work, and counts. What it reads is no longer there for Qt.
void tst_Priority::higherSourceThatOnlyItsCheckFindsReady()
{
    QFETCH(bool, besideOneThatWaits);
    static bool isReady;
    static GSourceFuncs functions = { nullptr, [](GSource *) -> gboolean { return isReady; },
                                      [](GSource *, GSourceFunc callback, gpointer data) { return callback(data); },
                                      nullptr, nullptr, nullptr };
    isReady = false;
    const Channel channel;
    int calls = 0;
    const GLibSource higher(g_source_new(&functions, sizeof(GSource)), G_PRIORITY_HIGH, [&] {
        ++calls;
        isReady = false;
        channel.drain();
        return true;
    });
    std::optional<GLibSource> waiting;
    if (besideOneThatWaits)
        waiting.emplace(g_idle_source_new(), G_PRIORITY_LOW, [] { return true; });
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activated = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activated; });
    QTimer zero;
    zero.start(0);
    settle();
    const auto inGLib = ours()->statistics().inGLib;
    for (int i = 0; i < 20; ++i) {
        channel.write();
        isReady = true;
        QVERIFY(ours()->processEvents(QEventLoop::AllEvents));
        QCOMPARE(calls, i + 1);
    }
    QCOMPARE(activated, 0);
    QVERIFY(ours()->statistics().inGLib > inGLib);
}

void tst_Priority::takesEffectAtOnce()
{
    Loop loop(loopKind());
    int callsBefore = 0;
    int turnsWhileHigh = 0;
    int callsWhileHigh = 0;
    const GLibSource idle(g_idle_source_new(), G_PRIORITY_DEFAULT, [&] {
        if (ours()->priority() == G_PRIORITY_HIGH)
            callsWhileHigh += turnsWhileHigh > 0;
        else if (turnsWhileHigh == 0)
            ++callsBefore;
        else
            loop.quit();
        return true;
    });
    const Flood flood(Work::PostedEvent, [&] {
        if (ours()->priority() == G_PRIORITY_HIGH) {
            if (++turnsWhileHigh == 200)
                ours()->setPriority(G_PRIORITY_DEFAULT);
        } else if (callsBefore == 10 && turnsWhileHigh == 0) {
            ours()->setPriority(G_PRIORITY_HIGH);
        }
    });
    QVERIFY(loop.run());
    QCOMPARE(turnsWhileHigh, 200);
    QCOMPARE(callsWhileHigh, 0);
}

void tst_Priority::setBeforeTheThreadStarts()
{
    auto *const dispatcher = new GLibEventDispatcher;
    dispatcher->setPriority(G_PRIORITY_LOW);
    QThread thread;
    thread.setEventDispatcher(dispatcher);
    HandOverReceiver receiver;
    receiver.moveToThread(&thread);
    int idleCalls = 0;
    int turns = 0;
    // With the priority as it is by default, the idle source would never be called.
    std::function<void()> flood = [&] {
        ++turns;
        if (idleCalls < 10 && turns < Contest::TooMany)
            post(&receiver, flood);
        else
            thread.quit();
    };
    std::unique_ptr<GLibSource> idle;
    post(&receiver, [&] {
        idle = std::make_unique<GLibSource>(
            g_idle_source_new(), G_PRIORITY_LOW,
            [&] {
                ++idleCalls;
                return true;
            },
            g_main_context_get_thread_default());
        flood();
    });
    thread.start();
    QVERIFY(ended(thread));
    QCOMPARE(idleCalls, 10);
}

void tst_Priority::setAfterTheThreadHasEnded()
{
    /// Between closingDown() and its end, as long as somebody still has a pointer to it.
    class Dispatcher : public GLibEventDispatcher
    {
    public:
        explicit Dispatcher(int *last)
            : m_last(last)
        {
        }
        void closingDown() override
        {
            GLibEventDispatcher::closingDown();
            setPriority(G_PRIORITY_LOW);
            *m_last = priority();
            HandOver::mark();
        }

    private:
        int *const m_last;
    };
    int last = 0;
    QThread thread;
    thread.setEventDispatcher(new Dispatcher(&last));
    thread.start();
    thread.quit();
    QVERIFY(ended(thread));
    QCOMPARE(last, G_PRIORITY_LOW);
}

DISPATCHER_TEST_MAIN(tst_Priority)

#include "tst_priority.moc"
