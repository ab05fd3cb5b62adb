// SPDX-License-Identifier: MIT

#include <eventlooptest.h>

#include <GLibEventDispatcher>

#include <QtCore/QTimer>

#include <glib.h>

using Statistics = GLibEventDispatcher::Statistics;

class tst_Statistics : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void countsWhatIsThere();
    void countsWakeUps();
    void addsUpTimes();
    void areZeroBeforeTheStart();

private:
    static Statistics statistics() { return qobject_cast<GLibEventDispatcher *>(dispatcher())->statistics(); }
};

void tst_Statistics::countsWhatIsThere()
{
    settle();
    const Statistics before = statistics();
    const bool isPoll = qgetenv("GLIBEVENTDISPATCHER_BACKEND") == "poll";
    if (!isPoll && QByteArray(before.backend) != "epoll")
        QSKIP("There is no epoll on this system");
    QCOMPARE(QByteArray(before.backend), QByteArray(isPoll ? "poll" : "epoll"));

    const Channel channel;
    QSocketNotifier reading(channel.reader, QSocketNotifier::Read);
    QSocketNotifier exceptions(channel.reader, QSocketNotifier::Exception);
    QTimer timer;
    timer.start(3600000);
    QCOMPARE(statistics().descriptors, before.descriptors + 1);
    QCOMPARE(statistics().timers, before.timers + 1);
    turn();
    QCOMPARE(statistics().turns, before.turns + 1);
    QCOMPARE(statistics().sleeps, before.sleeps);
}

void tst_Statistics::countsWakeUps()
{
    settle();
    const Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    bool isActivated = false;
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        channel.drain();
        isActivated = true;
    });
    settle();

    // On a busy machine, what ends a sleep may come before it.
    const Statistics before = statistics();
    for (int i = 0; i < 50 && statistics().wokenByDescriptor == before.wokenByDescriptor; ++i) {
        isActivated = false;
        const WhenAboutToBlock write([&] {
            std::this_thread::sleep_for(20ms);
            channel.write();
        });
        QVERIFY(runUntil([&] { return isActivated; }));
    }
    QCOMPARE(statistics().wokenByDescriptor, before.wokenByDescriptor + 1);

    const auto wakeUps = statistics().wokenByWakeUp;
    for (int i = 0; i < 50 && statistics().wokenByWakeUp == wakeUps; ++i) {
        bool isCalled = false;
        const WhenAboutToBlock wake([&] {
            std::this_thread::sleep_for(20ms);
            post(this, [&] { isCalled = true; });
        });
        QVERIFY(runUntil([&] { return isCalled; }));
    }
    QCOMPARE(statistics().wokenByWakeUp, wakeUps + 1);
    QCOMPARE(statistics().wokenByDescriptor, before.wokenByDescriptor + 1);

    const auto timeouts = statistics().wokenByTime;
    QTimer timer;
    timer.start(20);
    QVERIFY(runUntil([&] { return statistics().wokenByTime > timeouts; }));
    QVERIFY(statistics().sleeps >= before.sleeps + 3);
}

void tst_Statistics::addsUpTimes()
{
    settle();
    const Statistics before = statistics();
    bool isDone = false;
    QTimer::singleShot(200, Qt::PreciseTimer, this, [&] {
        std::this_thread::sleep_for(30ms);
        g_idle_add(
            [](gpointer done) -> gboolean {
                std::this_thread::sleep_for(40ms);
                *static_cast<bool *>(done) = true;
                return G_SOURCE_REMOVE;
            },
            &isDone);
    });
    QVERIFY(runUntil([&] { return isDone; }));
    // A turn ends with the next sleep.
    isDone = false;
    QTimer::singleShot(20, Qt::PreciseTimer, this, [&] { isDone = true; });
    QVERIFY(runUntil([&] { return isDone; }));
    const Statistics after = statistics();
    QVERIFY(after.asleep - before.asleep >= 30ms);
    QVERIFY(after.inQt - before.inQt >= 30ms);
    QVERIFY(after.inGLib - before.inGLib >= 40ms);
    QVERIFY(after.longestTurn >= 30ms);
}

void tst_Statistics::areZeroBeforeTheStart()
{
    const GLibEventDispatcher unused;
    QCOMPARE(unused.statistics().turns, 0u);
    QCOMPARE(unused.statistics().descriptors, 0);
}

DISPATCHER_TEST_MAIN(tst_Statistics)

#include "tst_statistics.moc"
