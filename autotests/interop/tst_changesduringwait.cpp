// SPDX-License-Identifier: MIT

#include "interop.h"

#include <QtCore/QTemporaryFile>

/// While a loop waits, GLib calls somebody who changes what it should wait for.
class tst_ChangesDuringWait : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase_data();

    void madeByACallback_data();
    void madeByACallback();
    void madeInPrepare_data();
    void madeInPrepare();
    void timerStartedInPrepare();
    void eventsProcessedInPrepare();
    void madeInCheck_data();
    void madeInCheck();
    void timerStoppedWhenDue_data();
    void timerStoppedWhenDue();
    void notifierDisabledWhenReady_data();
    void notifierDisabledWhenReady();
    void eventRemovedBeforeDelivery();
    void sourceAddedByAQtHandler();
    void sourceRemovedByAQtHandler();
    void sourceAddedByAThread();
    // Once, not in each kind of loop.
    void waitByHandEndsAfterACallback();
    void timeoutThatCameDueReadsTheSocket();
};

namespace {

Loop::Kind loopKind()
{
    QFETCH_GLOBAL(Loop::Kind, kind);
    return kind;
}

enum class Change {
    StartTimer,
    StartZeroTimer,
    RestartTimer,
    EnableNotifier,
    EnableFileNotifier,
    PostEvent,
    InvokeLater,
    Quit
};

void addChanges(bool timersToo = true)
{
    QTest::addColumn<Change>("change");
    if (timersToo) {
        QTest::newRow("timer started") << Change::StartTimer;
        QTest::newRow("zero timer started") << Change::StartZeroTimer;
        QTest::newRow("timer restarted") << Change::RestartTimer;
    }
    QTest::newRow("notifier enabled") << Change::EnableNotifier;
    QTest::newRow("notifier of a regular file enabled") << Change::EnableFileNotifier;
    QTest::newRow("event posted") << Change::PostEvent;
    QTest::newRow("GLib source added") << Change::InvokeLater;
    QTest::newRow("loop ended") << Change::Quit;
}

/// A loop that waits for nothing that comes within the time of the test, until a change is made.
class WaitingLoop
{
public:
    explicit WaitingLoop(Change change)
        : m_change(change)
        , m_loop(loopKind())
    {
        m_channel.write();
        m_notifier.setEnabled(false);
        if (!m_file.open())
            qFatal("no temporary file");
        m_timer.callOnTimeout([this] { m_loop.quit(); });
        if (change == Change::RestartTimer)
            m_timer.start(std::chrono::hours(1));
        QObject::connect(&m_notifier, &QSocketNotifier::activated, &m_timer,
                         [this] { m_loop.quit(); });
        // Of the lowest priority, so it is called when nothing else is left to do.
        callLater([this] { m_isIdle = true; }, G_PRIORITY_LOW);
    }

    bool run() { return m_loop.run(); }

    /// Whether all that comes next is a wait.
    bool isIdle() const { return m_isIdle && !m_isChanged; }

    /// The change that makes the loop end.
    void makeChange()
    {
        m_isChanged = true;
        switch (m_change) {
        case Change::StartTimer:
        case Change::RestartTimer:
            m_timer.start(1);
            break;
        case Change::StartZeroTimer:
            m_timer.start(0);
            break;
        case Change::EnableNotifier:
            m_notifier.setEnabled(true);
            break;
        case Change::EnableFileNotifier:
            m_fileNotifier
                = std::make_unique<QSocketNotifier>(m_file.handle(), QSocketNotifier::Read);
            QObject::connect(m_fileNotifier.get(), &QSocketNotifier::activated, &m_timer,
                             [this] { m_loop.quit(); });
            break;
        case Change::PostEvent:
            post(&m_timer, [this] { m_loop.quit(); });
            break;
        case Change::InvokeLater:
            callLater([this] { m_loop.quit(); });
            break;
        case Change::Quit:
            m_loop.quit();
            // processEvents() by hand cannot know what its caller waits for.
            if (loopKind() == Loop::ByHandWaiting)
                QCoreApplication::eventDispatcher()->wakeUp();
            break;
        }
    }

private:
    const Change m_change;
    Loop m_loop;
    bool m_isIdle = false;
    bool m_isChanged = false;
    const Channel m_channel;
    QTemporaryFile m_file;
    QTimer m_timer;
    QSocketNotifier m_notifier{ m_channel.reader, QSocketNotifier::Read };
    std::unique_ptr<QSocketNotifier> m_fileNotifier;
};

}

void tst_ChangesDuringWait::initTestCase_data()
{
    QTest::addColumn<Loop::Kind>("kind");
    QTest::newRow("exec") << Loop::Exec;
    QTest::newRow("processEvents") << Loop::ByHandWaiting;
    QTest::newRow("g_main_loop_run") << Loop::MainLoop;
    QTest::newRow("g_main_context_iteration") << Loop::Iterations;
}

void tst_ChangesDuringWait::madeByACallback_data()
{
    addChanges();
}

void tst_ChangesDuringWait::madeByACallback()
{
    QFETCH(Change, change);
    WaitingLoop loop(change);
    const GLibSource source(g_timeout_source_new(2), G_PRIORITY_DEFAULT, [&] {
        if (!loop.isIdle())
            return true;
        loop.makeChange();
        return false;
    });
    QVERIFY(loop.run());
}

void tst_ChangesDuringWait::madeInPrepare_data()
{
    addChanges(!isQtGLib()); // see timerStartedInPrepare()
}

void tst_ChangesDuringWait::madeInPrepare()
{
    QFETCH(Change, change);
    WaitingLoop loop(change);
    const ProbeSource probe([&](int *) {
        if (loop.isIdle())
            loop.makeChange();
    });
    QVERIFY(loop.run());
}

void tst_ChangesDuringWait::timerStartedInPrepare()
{
    Loop loop(loopKind());
    QTimer timer;
    bool isIdle = false;
    int fired = 0;
    timer.callOnTimeout([&] {
        ++fired;
        loop.quit();
    });
    const ProbeSource probe([&](int *) {
        if (isIdle && !timer.isActive())
            timer.start(1);
    });
    callLater([&] { isIdle = true; }, G_PRIORITY_LOW);
    // Qt's GLib dispatcher has told GLib how long to wait before it knows of the timer, and does
    // not correct that.
    std::unique_ptr<GLibSource> end;
    if (isQtGLib()) {
        end = std::make_unique<GLibSource>(g_timeout_source_new(100), G_PRIORITY_HIGH, [&] {
            loop.quit();
            return false;
        });
    }
    QVERIFY(loop.run());
    QCOMPARE(fired, isQtGLib() ? 0 : 1);
}

/// A source that serves Qt while it is prepared, which GLib warns of. Who wakes the wait up is not to be lost.
void tst_ChangesDuringWait::eventsProcessedInPrepare()
{
    const auto silent = [](const char *, GLogLevelFlags, const char *, gpointer) { };
    const guint handler = g_log_set_handler("GLib", G_LOG_LEVEL_WARNING, silent, nullptr);
    const auto restore = qScopeGuard([&] { g_log_remove_handler("GLib", handler); });

    Loop loop(loopKind());
    Semaphore prepared;
    std::unique_ptr<ProbeSource> probe;
    callLater(
        [&] {
            probe = std::make_unique<ProbeSource>([&](int *) {
                QCoreApplication::processEvents();
                prepared.release();
            });
        },
        G_PRIORITY_LOW);
    constexpr int Rounds = 10;
    int delivered = 0;
    std::thread poster([&] {
        for (int round = 0; round < Rounds && prepared.acquire(); ++round) {
            // Time to fall asleep.
            std::this_thread::sleep_for(5ms);
            post(this, [&] {
                if (++delivered == Rounds)
                    loop.quit();
            });
        }
    });
    const bool ended = loop.run();
    probe.reset();
    prepared.release(Rounds);
    poster.join();
    settle();
    QVERIFY(ended);
    QCOMPARE(delivered, Rounds);
}

void tst_ChangesDuringWait::madeInCheck_data()
{
    addChanges();
}

void tst_ChangesDuringWait::madeInCheck()
{
    QFETCH(Change, change);
    WaitingLoop loop(change);
    // check() is only called after a poll; this one ends because prepare() says so, and nothing
    // is dispatched after it.
    const ProbeSource probe(
        [&](int *timeout) {
            if (loop.isIdle())
                *timeout = 2;
        },
        [&] {
            if (loop.isIdle())
                loop.makeChange();
        });
    QVERIFY(loop.run());
}

void tst_ChangesDuringWait::timerStoppedWhenDue_data()
{
    QTest::addColumn<bool>("isDeleted");
    QTest::newRow("stopped") << false;
    QTest::newRow("deleted") << true;
}

void tst_ChangesDuringWait::timerStoppedWhenDue()
{
    QFETCH(bool, isDeleted);
    for (int round = 0; round < 20; ++round) {
        Loop loop(loopKind());
        int fired = 0;
        auto timer = std::make_unique<QTimer>();
        QTimer end;
        timer->callOnTimeout([&] { ++fired; });
        end.callOnTimeout([&] { loop.quit(); });
        const GLibSource source(g_timeout_source_new(1), G_PRIORITY_HIGH, [&] {
            timer->start(1);
            QThread::msleep(2); // It is due now, and so is this source again.
            if (isDeleted)
                timer.reset();
            else
                timer->stop();
            end.start(5);
            return false;
        });
        QVERIFY(loop.run());
        QCOMPARE(fired, 0);
    }
}

void tst_ChangesDuringWait::notifierDisabledWhenReady_data()
{
    QTest::addColumn<bool>("isDeleted");
    QTest::newRow("disabled") << false;
    QTest::newRow("deleted") << true;
}

void tst_ChangesDuringWait::notifierDisabledWhenReady()
{
    QFETCH(bool, isDeleted);
    for (int round = 0; round < 20; ++round) {
        Loop loop(loopKind());
        const Channel channel;
        int activations = 0;
        auto notifier = std::make_unique<QSocketNotifier>(channel.reader, QSocketNotifier::Read);
        connect(notifier.get(), &QSocketNotifier::activated, this, [&] { ++activations; });
        QTimer end;
        end.callOnTimeout([&] { loop.quit(); });
        // The same poll finds both of them ready, and this one has its turn first.
        const GLibSource source(channel.reader, G_IO_IN, G_PRIORITY_HIGH, [&] {
            if (isDeleted)
                notifier.reset();
            else
                notifier->setEnabled(false);
            end.start(5);
            return false;
        });
        callLater([&] { channel.write(); }, G_PRIORITY_LOW);
        QVERIFY(loop.run());
        QCOMPARE(activations, 0);
    }
}

void tst_ChangesDuringWait::eventRemovedBeforeDelivery()
{
    Loop loop(loopKind());
    int delivered = 0;
    QObject receiver;
    callLater([&] {
        post(&receiver, [&] { ++delivered; });
        QCoreApplication::removePostedEvents(&receiver);
        callLater([&] { loop.quit(); }, G_PRIORITY_LOW);
    });
    QVERIFY(loop.run());
    QCOMPARE(delivered, 0);
}

void tst_ChangesDuringWait::sourceAddedByAQtHandler()
{
    for (const Work work : { Work::PostedEvent, Work::Timer, Work::ZeroTimer, Work::Notifier }) {
        Loop loop(loopKind());
        std::unique_ptr<GLibSource> source;
        const OneShot shot(work, [&] {
            source = std::make_unique<GLibSource>(g_timeout_source_new(1), G_PRIORITY_DEFAULT, [&] {
                loop.quit();
                return false;
            });
        });
        QVERIFY2(loop.run(), name(work));
    }
}

void tst_ChangesDuringWait::sourceRemovedByAQtHandler()
{
    for (const Work work : { Work::PostedEvent, Work::Timer, Work::ZeroTimer, Work::Notifier }) {
        Loop loop(loopKind());
        bool isRemoved = false;
        int callsAfterwards = 0;
        // Not of a higher priority than the zero timer, which would never have its turn in a loop of GLib's.
        auto source = std::make_unique<GLibSource>(g_idle_source_new(), G_PRIORITY_DEFAULT_IDLE, [&] {
            callsAfterwards += isRemoved;
            return true;
        });
        QTimer end;
        end.callOnTimeout([&] { loop.quit(); });
        const OneShot shot(work, [&] {
            source.reset();
            isRemoved = true;
            end.start(5);
        });
        QVERIFY2(loop.run(), name(work));
        QCOMPARE(callsAfterwards, 0);
    }
}

void tst_ChangesDuringWait::sourceAddedByAThread()
{
    constexpr int Rounds = 200;
    Loop loop(loopKind());
    Semaphore isIdle;
    int calls = 0;
    int inOtherThreads = 0;
    std::thread thread([&] {
        for (int round = 0; round < Rounds; ++round) {
            isIdle.acquire();
            callLater([&] {
                inOtherThreads += QThread::currentThread() != this->thread();
                if (++calls == Rounds)
                    return loop.quit();
                callLater([&] { isIdle.release(); }, G_PRIORITY_LOW);
            });
        }
    });
    callLater([&] { isIdle.release(); }, G_PRIORITY_LOW);
    const bool ended = loop.run();
    isIdle.release(Rounds);
    thread.join();
    QVERIFY(ended);
    QCOMPARE(calls, Rounds);
    QCOMPARE(inOtherThreads, 0);
}

void tst_ChangesDuringWait::waitByHandEndsAfterACallback()
{
    settle();
    for (const Work work : { Work::GLibIdle, Work::GLibTimeout, Work::GLibFd }) {
        int calls = 0;
        bool isLate = false;
        QTimer guard;
        guard.callOnTimeout([&] { isLate = true; });
        guard.start(std::chrono::seconds(PatienceInSeconds));
        const OneShot shot(work, [&] { ++calls; });
        while (calls == 0 && !isLate)
            QVERIFY2(turn(QEventLoop::WaitForMoreEvents), name(work));
        QVERIFY2(!isLate, name(work));
        QCOMPARE(calls, 1);
    }
}

void tst_ChangesDuringWait::timeoutThatCameDueReadsTheSocket()
{
    const Channel channel;
    channel.write();
    int activations = 0;
    int inventions = 0;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        ++activations;
        char byte;
        inventions += ::recv(channel.reader, &byte, 1, MSG_PEEK) != 1;
    });
    // It comes to be looked for in another way than what is ready now and then.
    for (int i = 0; i < 100; ++i)
        turn();
    QVERIFY(activations >= 100);

    for (const int interval : { 1, 2, 10 }) {
        bool isRead = false;
        const GLibSource timeout(g_timeout_source_new(guint(interval)), G_PRIORITY_DEFAULT, [&] {
            channel.drain();
            isRead = true;
            return false;
        });
        // GLib asks it after the timeout, which so is not ready when it is asked, but is when GLib
        // looks at it again.
        const ProbeSource probe([&](int *) { QThread::msleep(ulong(interval) + 1); });
        turn();
        QVERIFY(isRead);
        channel.write();
    }
    // Qt's GLib dispatcher activates in the order in which GLib has the sources.
    if (!isQtGLib())
        QCOMPARE(inventions, 0);
}

DISPATCHER_TEST_MAIN(tst_ChangesDuringWait)

#include "tst_changesduringwait.moc"
