// SPDX-License-Identifier: MIT

#include "interop.h"

#include <array>

/// Programs that poll for GLib by a function of their own, as debuggers and other event loops do.
class tst_PollFunction : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase_data();

    void called();
    void pollsQtsDescriptors();
    void thatWritesOnlyWhatItFinds();
    void thatLeavesOutADescriptor();
    void thatPostsAnEvent();
    void thatServesEvents_data();
    void thatServesEvents();
    void thatExcludesNotifiers();
    void changesWhileSourcesArePrepared();
    void loopBetweenTheStepsOfAnIteration();
    void readInItsLoop();
    void readByACallbackOfHighPriority();
    void readBeforeNotifiersAreExcluded();

private:
    void testReadMeanwhile(bool byPollFunction);
};

namespace {

Loop::Kind loopKind()
{
    QFETCH_GLOBAL(Loop::Kind, kind);
    return kind;
}

/// The default context's poll function to the end of its scope.
class PollFunction
{
public:
    using Function = std::function<int(GPollFD *fds, guint count, int timeout)>;

    explicit PollFunction(Function function)
    {
        s_function = std::move(function);
        g_main_context_set_poll_func(nullptr, [](GPollFD *fds, guint count, int timeout) {
            return s_function(fds, count, timeout);
        });
    }
    ~PollFunction() { g_main_context_set_poll_func(nullptr, m_before); }
    Q_DISABLE_COPY_MOVE(PollFunction)

private:
    static inline Function s_function;
    const GPollFunc m_before = g_main_context_get_poll_func(nullptr);
};

}

void tst_PollFunction::initTestCase_data()
{
    QTest::addColumn<Loop::Kind>("kind");
    QTest::newRow("exec") << Loop::Exec;
    QTest::newRow("processEvents") << Loop::ByHandWaiting;
    QTest::newRow("g_main_loop_run") << Loop::MainLoop;
}

void tst_PollFunction::called()
{
    int sleeps = 0;
    const PollFunction function([&](GPollFD *fds, guint count, int timeout) {
        sleeps += timeout != 0;
        return g_poll(fds, count, timeout);
    });
    Loop loop(loopKind());
    QTimer timer;
    int ticks = 0;
    timer.callOnTimeout([&] {
        if (++ticks == 10)
            loop.quit();
    });
    timer.start(5);
    QVERIFY(loop.run());
    // On a busy machine, timers may be due before the loop can sleep.
    QVERIFY(sleeps > 0);
}

void tst_PollFunction::pollsQtsDescriptors()
{
    int ready = 0;
    const PollFunction function([&](GPollFD *fds, guint count, int timeout) {
        ready = g_poll(fds, count, timeout);
        return ready;
    });
    Loop loop(loopKind());
    const Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    constexpr int Rounds = 100;
    int received = 0;
    int seen = 0;
    Semaphore drained;
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        seen += ready > 0;
        channel.drain();
        drained.release();
        if (++received == Rounds)
            loop.quit();
    });
    // Nobody wakes the loop up but the descriptor.
    std::thread writer([&] {
        for (int round = 0; round < Rounds; ++round) {
            channel.write();
            if (!drained.acquire())
                break;
        }
    });
    const bool ended = loop.run();
    writer.join();
    QVERIFY(ended);
    QCOMPARE(received, Rounds);
    QCOMPARE(seen, Rounds);
}

void tst_PollFunction::thatWritesOnlyWhatItFinds()
{
    int written = 0;
    const PollFunction function([&](GPollFD *fds, guint count, int timeout) {
        for (guint i = 0; i < count; ++i)
            written += fds[i].revents != 0;
        std::vector<GPollFD> found(fds, fds + count);
        const int result = g_poll(found.data(), count, timeout);
        for (guint i = 0; i < count; ++i) {
            if (found[i].revents)
                fds[i].revents = found[i].revents;
        }
        return result;
    });
    constexpr int Rounds = 300;
    Loop loop(loopKind());
    const Channel channel;
    QSocketNotifier reading(channel.reader, QSocketNotifier::Read);
    QSocketNotifier writing(channel.writer, QSocketNotifier::Write);
    writing.setEnabled(false);
    int rounds = 0;
    int inRound = 0;
    connect(&reading, &QSocketNotifier::activated, this, [&] {
        channel.drain();
        inRound = 0;
        writing.setEnabled(true); // then the dispatcher may poll without the function, once
    });
    connect(&writing, &QSocketNotifier::activated, this, [&] {
        if (++inRound < 3)
            return;
        writing.setEnabled(false);
        if (++rounds == Rounds)
            return loop.quit();
        channel.write();
    });
    channel.write();
    QVERIFY(loop.run());
    QCOMPARE(rounds, Rounds);
    QCOMPARE(written, 0);
}

/// For one poll: the array belongs to the function.
void tst_PollFunction::thatLeavesOutADescriptor()
{
    const Channel channel;
    bool leavesOut = true;
    int polled = 0;
    const PollFunction function([&](GPollFD *fds, guint count, int timeout) {
        for (guint i = 0; i < count; ++i) {
            if (fds[i].fd != channel.reader)
                continue;
            ++polled;
            if (leavesOut)
                fds[i].events = 0;
        }
        return g_poll(fds, count, timeout);
    });
    Loop loop(loopKind());
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activated = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        ++activated;
        channel.drain();
        loop.quit();
    });
    channel.write();
    QTimer timer;
    timer.callOnTimeout([&] { leavesOut = leavesOut && polled < 3; });
    timer.start(1);
    QVERIFY(loop.run());
    QCOMPARE(activated, 1);
}

/// The event ends the poll that follows.
void tst_PollFunction::thatPostsAnEvent()
{
    constexpr int Rounds = 10;
    Loop loop(loopKind());
    int received = 0;
    int sleeps = 0;
    bool isPosted = false;
    const PollFunction function([&](GPollFD *fds, guint count, int timeout) {
        if (timeout == 0 || isPosted)
            return g_poll(fds, count, timeout);
        isPosted = true;
        post([&] {
            isPosted = false;
            if (++received == Rounds)
                loop.quit();
        });
        constexpr int TooLong = 5000;
        const int ready = g_poll(fds, count, TooLong);
        sleeps += ready == 0;
        return ready;
    });
    QVERIFY(loop.run());
    QCOMPARE(received, Rounds);
    QCOMPARE(sleeps, 0);
}

void tst_PollFunction::thatServesEvents_data()
{
    QTest::addColumn<bool>("byGLib");
    QTest::addColumn<int>("depth");
    QTest::newRow("processEvents") << false << 1;
    QTest::newRow("g_main_context_iteration") << true << 1;
    QTest::newRow("g_main_context_iteration, three deep") << true << 3;
}

/// It serves whatever there is before it polls. Who wakes the poll up is not to be lost.
void tst_PollFunction::thatServesEvents()
{
    QFETCH(bool, byGLib);
    QFETCH(int, depth);
    Semaphore slept;
    int serving = 0;
    const PollFunction function([&](GPollFD *fds, guint count, int timeout) {
        if ((timeout || serving > 0) && serving < depth) {
            ++serving;
            if (byGLib)
                g_main_context_iteration(nullptr, false);
            else
                QCoreApplication::processEvents();
            if (--serving == 0)
                slept.release();
        }
        return g_poll(fds, count, timeout);
    });
    Loop loop(loopKind());
    constexpr int Rounds = 20;
    int delivered = 0;
    std::thread poster([&] {
        for (int round = 0; round < Rounds && slept.acquire(); ++round) {
            // Time to fall asleep.
            std::this_thread::sleep_for(5ms);
            post(this, [&] {
                if (++delivered == Rounds)
                    loop.quit();
            });
        }
    });
    const bool ended = loop.run();
    slept.release(Rounds);
    poster.join();
    settle();
    QVERIFY(ended);
    QCOMPARE(delivered, Rounds);
}

/// What it polls afterwards was collected before, and what that finds is not to be lost. A source of high priority is ready meanwhile.
void tst_PollFunction::thatExcludesNotifiers()
{
    int polls = 0;
    bool isNested = false;
    const PollFunction function([&](GPollFD *fds, guint count, int timeout) {
        if (!isNested && timeout) {
            ++polls;
            isNested = true;
            const GLibSource source(g_idle_source_new(), G_PRIORITY_HIGH, [] { return false; });
            QCoreApplication::processEvents(QEventLoop::ExcludeSocketNotifiers);
            isNested = false;
        }
        return g_poll(fds, count, timeout);
    });
    Loop loop(loopKind());
    const Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, &notifier, [&] {
        channel.drain();
        ++activations;
    });
    int ticks = 0;
    const GLibSource timeout(g_timeout_source_new(20), G_PRIORITY_DEFAULT, [&] {
        if (ticks++ == 0)
            channel.write();
        if (activations > 0)
            loop.quit();
        return true;
    });
    QVERIFY(loop.run());
    QCOMPARE(activations, 1);
    QVERIFY2(polls < 10 * ticks, QByteArray::number(polls));
}

/// A source's prepare() may change what the loop waits for. Who wakes the poll up is not to be lost then, either.
void tst_PollFunction::changesWhileSourcesArePrepared()
{
    const Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    const ProbeSource probe([&](int *) {
        notifier.setEnabled(false);
        notifier.setEnabled(true);
    });
    QVERIFY(isWokenUp(loopKind()));
}

/// A program may take the steps of an iteration itself.
void tst_PollFunction::loopBetweenTheStepsOfAnIteration()
{
    Semaphore isIdle;
    int delivered = 0;
    constexpr int Rounds = 20;
    std::thread poster([&] {
        for (int round = 0; round < Rounds && isIdle.acquire(); ++round) {
            std::this_thread::sleep_for(5ms); // time to fall asleep
            post(this, [&] { ++delivered; });
        }
    });
    GMainContext *const context = g_main_context_default();
    QVERIFY(g_main_context_acquire(context));
    bool isOver = false;
    const GLibSource patience(g_timeout_source_new_seconds(PatienceInSeconds), G_PRIORITY_DEFAULT, [&] {
        isOver = true;
        return false;
    });
    for (int asked = 0; delivered < Rounds && !isOver;) {
        int priority = 0;
        g_main_context_prepare(context, &priority);
        std::array<GPollFD, 64> fds;
        int timeout = -1;
        const int count = g_main_context_query(context, priority, &timeout, fds.data(), int(fds.size()));
        QVERIFY(count <= int(fds.size()));
        g_main_context_iteration(context, false);
        if (asked == delivered && asked < Rounds) {
            ++asked;
            isIdle.release();
        }
        g_poll(fds.data(), guint(count), timeout);
        if (g_main_context_check(context, priority, fds.data(), count))
            g_main_context_dispatch(context);
    }
    g_main_context_release(context);
    isIdle.release(Rounds);
    poster.join();
    settle();
    QCOMPARE(delivered, Rounds);
    QVERIFY(!isOver);
}

/// A poll finds a notifier ready. Before its loop is told, a nested loop reads that, and has so many turns that
/// the descriptor is idle then.
void tst_PollFunction::testReadMeanwhile(bool byPollFunction)
{
    std::vector<Channel> idle(8);
    std::vector<std::unique_ptr<QSocketNotifier>> idleNotifiers;
    for (const Channel &channel : idle)
        idleNotifiers.push_back(std::make_unique<QSocketNotifier>(channel.reader, QSocketNotifier::Read));
    Loop loop(loopKind());
    const Channel channel;
    const Channel high;
    int received = 0;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        channel.drain();
        if (++received == 2)
            loop.quit();
        else
            callLater([&] { channel.write(); });
    });
    settle();

    bool hasNested = false;
    const auto nest = [&] {
        hasNested = true;
        // Sources of higher priority keep GLib from asking for Qt.
        const GLibSource busy(g_idle_source_new(), G_PRIORITY_HIGH, [] { return true; });
        for (int i = 0; i < 200 && received < 2; ++i)
            turn();
    };
    const PollFunction function([&](GPollFD *fds, guint count, int timeout) {
        const int ready = g_poll(fds, count, timeout);
        if (byPollFunction && !hasNested)
            nest();
        return ready;
    });
    const GLibSource callback(high.reader, G_IO_IN, G_PRIORITY_HIGH, [&] {
        high.drain();
        nest();
        return false;
    });
    channel.write();
    if (!byPollFunction)
        high.write();
    QVERIFY(loop.run());
    QVERIFY(hasNested);
    QCOMPARE(received, 2);
}

void tst_PollFunction::readInItsLoop()
{
    testReadMeanwhile(true);
}

void tst_PollFunction::readByACallbackOfHighPriority()
{
    testReadMeanwhile(false);
}

/// As before, and the next loop, which is one without notifiers, is not to keep what the poll has found either. The loop
/// has work before the poll, so that GLib does not ask it.
void tst_PollFunction::readBeforeNotifiersAreExcluded()
{
    Loop loop(loopKind());
    const Channel outer;
    const Channel inner;
    const Channel high;
    int activated = 0;
    QSocketNotifier innerNotifier(inner.reader, QSocketNotifier::Read);
    connect(&innerNotifier, &QSocketNotifier::activated, this, [&] {
        ++activated;
        inner.drain();
    });
    QSocketNotifier outerNotifier(outer.reader, QSocketNotifier::Read);
    connect(&outerNotifier, &QSocketNotifier::activated, this, [&] {
        outer.drain();
        callLater([&] { loop.quit(); }, G_PRIORITY_LOW);
        Loop nested(Loop::MainLoop);
        const GLibSource callback(high.reader, G_IO_IN, G_PRIORITY_HIGH, [&] {
            high.drain();
            for (int i = 0; i < 20 && activated == 0; ++i)
                QCoreApplication::processEvents();
            nested.quit();
            return false;
        });
        inner.write();
        high.write();
        post(this, [] { });
        nested.run();
        QCoreApplication::processEvents(QEventLoop::ExcludeSocketNotifiers);
    });
    settle();
    outer.write();
    QVERIFY(loop.run());
    settle();
    QCOMPARE(activated, 1);
}

DISPATCHER_TEST_MAIN(tst_PollFunction)

#include "tst_pollfunction.moc"
