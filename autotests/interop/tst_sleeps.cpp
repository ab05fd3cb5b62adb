// SPDX-License-Identifier: MIT

#include "interop.h"

#include <dlfcn.h>
#include <poll.h>

/// aboutToBlock() comes before each sleep, and awake() after it. Others flush there what they have to send.
class tst_Sleeps : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void announced_data();
    void announced();
    void notInVain_data();
    void notInVain();
    void excludedDescriptorsAfterAGLibLoop();
};

namespace {

enum Step : char { AboutToBlock = 'b', Sleep = 's', Awake = 'a', Call = 'c' };

/// What the main thread has done, while somebody wants to know.
QByteArray *history = nullptr;
thread_local bool isMainThread = false;

void note(Step step)
{
    if (history && isMainThread)
        history->append(step);
}

template<typename Function>
Function original(Function, const char *name)
{
    return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}

// These are called in place of the C library's, by GLib and by the dispatchers.

extern "C" int poll(pollfd *fds, nfds_t count, int timeout)
{
    static const auto call = original(&poll, "poll");
    if (timeout)
        note(Sleep);
    return call(fds, count, timeout);
}

extern "C" int ppoll(pollfd *fds, nfds_t count, const timespec *timeout, const sigset_t *mask)
{
    static const auto call = original(&ppoll, "ppoll");
    if (!timeout || timeout->tv_sec || timeout->tv_nsec)
        note(Sleep);
    return call(fds, count, timeout, mask);
}

void tst_Sleeps::announced_data()
{
    QTest::addColumn<Loop::Kind>("kind");
    QTest::newRow("exec") << Loop::Exec;
    QTest::newRow("processEvents") << Loop::ByHandWaiting;
    // Qt's GLib dispatcher announces nothing when a loop of GLib's runs.
    if (!isQtGLib())
        QTest::newRow("g_main_loop_run") << Loop::MainLoop;
}

void tst_Sleeps::announced()
{
    QFETCH(Loop::Kind, kind);
    QByteArray steps;
    isMainThread = true;
    const auto stop = qScopeGuard([] { history = nullptr; });
    QObject context;
    connect(dispatcher(), &QAbstractEventDispatcher::aboutToBlock, &context, [] { note(AboutToBlock); });
    connect(dispatcher(), &QAbstractEventDispatcher::awake, &context, [] { note(Awake); });

    Loop loop(kind);
    const Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, &context, [&] {
        channel.drain();
        note(Call);
    });
    const GLibSource timeout(g_timeout_source_new(3), G_PRIORITY_DEFAULT, [&] {
        note(Call);
        channel.write();
        return true;
    });
    QTimer timer;
    int rounds = 0;
    timer.callOnTimeout([&] {
        note(Call);
        if (++rounds == 50)
            loop.quit();
        // The next wait begins with a callback of GLib's.
        callLater([] { note(Call); });
        post([] { note(Call); });
    });
    timer.start(2);
    history = &steps;
    QVERIFY(loop.run());
    history = nullptr;

    // The last step before a sleep is the announcement, and the next one before another call or
    // announcement is the end of the sleep. GLib calls its sources before a dispatcher can know of that.
    QVERIFY(steps.count(Sleep) >= 10);
    for (qsizetype sleep = steps.indexOf(Sleep); sleep >= 0; sleep = steps.indexOf(Sleep, sleep + 1)) {
        QVERIFY2(sleep > 0 && steps.at(sleep - 1) == AboutToBlock, steps.left(sleep + 1).right(20));
        const qsizetype awake = steps.indexOf(Awake, sleep);
        const qsizetype next = steps.indexOf(AboutToBlock, sleep);
        QVERIFY2(next < 0 || (awake >= 0 && awake < next), steps.mid(sleep - 1, 20));
    }
}

void tst_Sleeps::notInVain_data()
{
    announced_data();
}

/// A timer that is started when the loop is about to sleep is known to that sleep. A GLib loop that was ended by
/// a source of higher priority, so that the dispatcher was not told of the end of its poll, changes nothing.
void tst_Sleeps::notInVain()
{
    QFETCH(Loop::Kind, kind);
    {
        const Channel channel;
        Loop ended(Loop::MainLoop);
        const GLibSource source(channel.reader, G_IO_IN, G_PRIORITY_HIGH, [&] {
            channel.drain();
            ended.quit();
            return false;
        });
        channel.write();
        QVERIFY(ended.run());
    }
    Loop loop(kind);
    QTimer timer;
    timer.setSingleShot(true);
    timer.setTimerType(Qt::PreciseTimer);
    int announced = 0;
    int fired = 0;
    timer.callOnTimeout([&] {
        if (++fired == 50)
            loop.quit();
    });
    connect(dispatcher(), &QAbstractEventDispatcher::aboutToBlock, &timer, [&] {
        ++announced;
        timer.start(2);
    });
    timer.start(2);
    QVERIFY(loop.run());
    // Some of Qt's timers are rounded to whole milliseconds, which makes for a second sleep.
    QVERIFY2(announced <= 4 * fired, qPrintable(QString::number(announced)));
}

/// What a GLib loop has polled for the notifiers does not end the sleeps of a loop that excludes them.
void tst_Sleeps::excludedDescriptorsAfterAGLibLoop()
{
    const Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] { channel.drain(); });
    {
        Loop ended(Loop::MainLoop);
        const GLibSource source(g_timeout_source_new(5), G_PRIORITY_HIGH, [&] {
            channel.write();
            ended.quit();
            return false;
        });
        QVERIFY(ended.run());
    }

    QByteArray steps;
    isMainThread = true;
    const auto stop = qScopeGuard([] { history = nullptr; });
    QEventLoop loop;
    QTimer::singleShot(50, Qt::PreciseTimer, &loop, &QEventLoop::quit);
    history = &steps;
    // Qt's GLib dispatcher includes them all the same.
    loop.exec(QEventLoop::ExcludeSocketNotifiers);
    history = nullptr;
    QVERIFY2(steps.count(Sleep) > 0 && steps.count(Sleep) < 20, QByteArray::number(steps.count(Sleep)));
}

DISPATCHER_TEST_MAIN(tst_Sleeps)

#include "tst_sleeps.moc"
