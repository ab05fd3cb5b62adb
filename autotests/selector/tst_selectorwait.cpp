// SPDX-License-Identifier: MIT

#include "selectortest.h"

#include <atomic>
#include <random>

#include <QtCore/QSemaphore>

#include <pthread.h>
#include <signal.h>

/// How long a select() lasts: timeouts, wake-ups and signals.
class tst_SelectorWait : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void withoutTimeoutWaitsForReadiness();
    void zeroAndLessReturnAtOnce_data();
    void zeroAndLessReturnAtOnce();
    void zeroTimeoutLooksAtDescriptors();
    void timeoutIsNeverCutShort();
    void timeoutIsFinerThanAMillisecond();
    void timeoutMayBeVeryLong_data();
    void timeoutMayBeVeryLong();
    void readinessEndsTheWait();

    void wakeUpBeforehandEndsTheNextSelect();
    void wakeUpIsTakenByASelectThatDoesNotWait();
    void manyWakeUpsAreOne();
    void wakeUpFromAnotherThreadEndsTheSelect();
    void noWakeUpIsMissed();
    void noWakeUpOfManyThreadsIsMissed();

    void signalsDoNotEndTheSelect_data();
    void signalsDoNotEndTheSelect();
    void signalsDoNotHideReadiness();
};

namespace {

constexpr auto Read = GLibSelector::Read;

/// The time that a select() takes that finds nothing.
Duration waited(GLibSelector &selector, std::optional<Duration> timeout)
{
    const auto start = Clock::now();
    const Ready ready = select(selector, timeout);
    const auto elapsed = Clock::now() - start;
    if (!ready.empty())
        qFatal("something was ready");
    return elapsed;
}

/// Sends signals to the thread that makes it, whose handler lets no system call be restarted.
class SignalStorm
{
public:
    SignalStorm()
        : m_thread([this, target = ::pthread_self()] {
            while (!m_done) {
                ::pthread_kill(target, SIGUSR1);
                std::this_thread::sleep_for(100us);
            }
        })
    {
    }
    ~SignalStorm() { m_done = true; }

    static int handled() { return s_handled; }

private:
    struct Handler
    {
        struct sigaction old = {};
        Handler()
        {
            struct sigaction action = {};
            action.sa_handler = [](int) { ++s_handled; };
            ::sigaction(SIGUSR1, &action, &old);
        }
        ~Handler() { ::sigaction(SIGUSR1, &old, nullptr); }
    };

    static inline std::atomic<int> s_handled{0};
    Handler m_handler;
    std::atomic<bool> m_done{false};
    Thread m_thread;
};

}

void tst_SelectorWait::withoutTimeoutWaitsForReadiness()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    std::atomic<bool> written{false};
    const Thread writer([&] {
        std::this_thread::sleep_for(50ms);
        written = true;
        channel.write();
    });
    QVERIFY(!selector.select());
    QVERIFY(written);
    QCOMPARE(takeAll(selector), Ready({{channel.here, Read}}));
}

void tst_SelectorWait::zeroAndLessReturnAtOnce_data()
{
    QTest::addColumn<qint64>("timeout");
    QTest::newRow("0") << qint64(0);
    QTest::newRow("-1 ns") << qint64(-1);
    QTest::newRow("-1 h") << qint64(Duration(-1h).count());
    QTest::newRow("the least") << qint64(Duration::min().count());
}

void tst_SelectorWait::zeroAndLessReturnAtOnce()
{
    QFETCH(qint64, timeout);
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    for (int i = 0; i < 100; ++i)
        QVERIFY(waited(selector, Duration(timeout)) < 10s);
}

void tst_SelectorWait::zeroTimeoutLooksAtDescriptors()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    for (int i = 0; i < 10; ++i) {
        channel.write();
        QCOMPARE(select(selector, 0ns), Ready({{channel.here, Read}}));
        drain(channel.here);
        QCOMPARE(select(selector, -1ns), Ready());
    }
}

void tst_SelectorWait::timeoutIsNeverCutShort()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    std::mt19937 random;
    for (int i = 0; i < 500; ++i) {
        const Duration timeout(
            std::uniform_int_distribution<>(1, i % 2 ? 20'000 : 3'000'000)(random));
        const Duration elapsed = waited(selector, timeout);
        QVERIFY2(elapsed >= timeout,
                 qPrintable(u"%1 ns of %2"_s.arg(elapsed.count()).arg(timeout.count())));
    }
}

void tst_SelectorWait::timeoutIsFinerThanAMillisecond()
{
    GLibSelector selector;
    // On a busy machine any of them can be late, but if whole milliseconds were waited for, none of
    // them could be in time.
    Duration shortest = Long;
    for (int i = 0; i < 5000 && shortest >= 900us; ++i)
        shortest = std::min(shortest, waited(selector, 200us));
    QVERIFY2(shortest < 900us, qPrintable(u"%1 ns"_s.arg(shortest.count())));
}

void tst_SelectorWait::timeoutMayBeVeryLong_data()
{
    QTest::addColumn<qint64>("timeout");
    QTest::newRow("a minute") << qint64(Duration(1min).count());
    // More milliseconds than an int can hold.
    QTest::newRow("a year") << qint64(Duration(365 * 24h).count());
    QTest::newRow("nearly the longest") << qint64(Duration::max().count() - 1);
    QTest::newRow("the longest") << qint64(Duration::max().count());
}

void tst_SelectorWait::timeoutMayBeVeryLong()
{
    QFETCH(qint64, timeout);
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    std::atomic<bool> written{false};
    const Thread writer([&] {
        std::this_thread::sleep_for(50ms);
        written = true;
        channel.write();
    });
    const auto usedBefore = processorTime();
    QCOMPARE(select(selector, Duration(timeout)), Ready({{channel.here, Read}}));
    QVERIFY(written);
    // Less than a spinning thread, though not by so much that a slow start could exceed it.
    QVERIFY(processorTime() - usedBefore < 10ms);
}

void tst_SelectorWait::readinessEndsTheWait()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    QSemaphore mayWrite;
    const Thread writer([&] {
        for (int i = 0; i < 500; ++i) {
            mayWrite.acquire();
            channel.write();
        }
    });
    for (int i = 0; i < 500; ++i) {
        mayWrite.release();
        QCOMPARE(select(selector), Ready({{channel.here, Read}}));
        drain(channel.here);
    }
}

void tst_SelectorWait::wakeUpBeforehandEndsTheNextSelect()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    selector.wakeUp();
    QVERIFY(waited(selector, Long) < Long);
    QVERIFY(!selector.add(channel.here, Read));
    selector.wakeUp();
    QVERIFY(waited(selector, std::nullopt) < Long);
    // And only that one.
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorWait::wakeUpIsTakenByASelectThatDoesNotWait()
{
    GLibSelector selector;
    selector.wakeUp();
    QVERIFY(!selector.select(0ns));
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorWait::manyWakeUpsAreOne()
{
    GLibSelector selector;
    for (int i = 0; i < 1000; ++i)
        selector.wakeUp();
    inAnotherThread([&] { selector.wakeUp(); });
    QVERIFY(waited(selector, Long) < Long);
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorWait::wakeUpFromAnotherThreadEndsTheSelect()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    std::atomic<bool> woken{false};
    const Thread waker([&] {
        std::this_thread::sleep_for(50ms);
        woken = true;
        selector.wakeUp();
    });
    QVERIFY(waited(selector, std::nullopt) < Long);
    QVERIFY(woken);
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorWait::noWakeUpIsMissed()
{
    constexpr int Rounds = 5000;
    GLibSelector selector;
    QSemaphore mayWake;
    std::atomic<int> wakeUps{0};
    const Thread waker([&] {
        std::mt19937 random;
        for (int i = 0; i < Rounds; ++i) {
            mayWake.acquire();
            // To meet the other thread before, in and after its preparations for the wait.
            for (int spins = std::uniform_int_distribution<>(0, 2000)(random); spins > 0; --spins)
                std::atomic_signal_fence(std::memory_order_seq_cst);
            ++wakeUps;
            selector.wakeUp();
        }
    });
    for (int i = 1; i <= Rounds; ++i) {
        mayWake.release();
        QVERIFY(waited(selector, Long) < Long);
        QCOMPARE(wakeUps, i);
    }
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorWait::noWakeUpOfManyThreadsIsMissed()
{
    constexpr int Threads = 4;
    constexpr int Rounds = 5000;
    GLibSelector selector;
    std::atomic<int> posted{0};
    {
        std::vector<std::unique_ptr<Thread>> threads;
        for (int i = 0; i < Threads; ++i) {
            threads.push_back(std::make_unique<Thread>([&] {
                for (int round = 0; round < Rounds; ++round) {
                    ++posted;
                    selector.wakeUp();
                    if (round % 16 == 0)
                        std::this_thread::yield();
                }
            }));
        }
        while (posted < Threads * Rounds) {
            if (waited(selector, Long) >= Long)
                break;
        }
    }
    QCOMPARE(posted, Threads * Rounds);
    QVERIFY(!selector.select(0ns)); // takes the last one
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorWait::signalsDoNotEndTheSelect_data()
{
    QTest::addColumn<bool>("hasDescriptor");
    QTest::newRow("no descriptors") << false;
    QTest::newRow("a descriptor") << true;
}

void tst_SelectorWait::signalsDoNotEndTheSelect()
{
    QFETCH(bool, hasDescriptor);
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    if (hasDescriptor)
        QVERIFY(!selector.add(channel.here, Read));
    const SignalStorm storm;
    for (const auto timeout : {Duration(100us), Duration(1ms), Duration(100ms)}) {
        const int handled = SignalStorm::handled();
        QVERIFY(waited(selector, timeout) >= timeout);
        QVERIFY(timeout < 100ms || SignalStorm::handled() > handled);
    }
    const int handled = SignalStorm::handled();
    const Thread waker([&] {
        while (SignalStorm::handled() < handled + 20)
            std::this_thread::sleep_for(1ms);
        selector.wakeUp();
    });
    QVERIFY(waited(selector, std::nullopt) < Long);
    QVERIFY(SignalStorm::handled() >= handled + 20);
}

void tst_SelectorWait::signalsDoNotHideReadiness()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    const SignalStorm storm;
    const int handled = SignalStorm::handled();
    for (int i = 0; i < 200 || SignalStorm::handled() < handled + 200; ++i) {
        channel.write();
        QCOMPARE(select(selector, 0ns), Ready({{channel.here, Read}}));
        drain(channel.here);
        QCOMPARE(select(selector, 0ns), Ready());
    }
}

QTEST_APPLESS_MAIN(tst_SelectorWait)

#include "tst_selectorwait.moc"
