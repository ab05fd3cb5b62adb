// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

#include <stdexcept>

#ifdef __GLIBC__
#    include <malloc.h>
#endif

namespace {

/// When a timer that threw is stopped, Qt's own dispatchers write to the frame it was fired from. That is to be one which
/// no other function uses then.
[[gnu::noinline]] void turnFarDown()
{
    volatile char space[1 << 16];
    space[0] = 0;
    turn();
    static_cast<void>(space[0]);
}

}

/**
 * Qt does not want exceptions to leave a handler, but its UNIX dispatcher lets them through and
 * goes on afterwards, and programs rely on that. Qt's GLib dispatcher has GLib's C frames in
 * between: they leave the context locked and the sources marked as running, so it cannot be used
 * afterwards.
 */
class tst_Exceptions : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { settle(); }

    void fromPostedEvent();
    void fromNotifier();
    void fromTimer();
    void timerThatThrewGoesOn();
    void fromEachHandlerWhileWaiting();
    void throughEventLoop();
    void throughNestedEventLoops();
    void caughtByTheOuterLoopsHandler();
    void theRestOfTheTurnIsNotLost();
    void manyTimes();
    void memoryStaysFlat_data();
    void memoryStaysFlat();

private:
    void verifyEverythingWorks();
};

namespace {

struct Thrown : std::runtime_error
{
    Thrown()
        : std::runtime_error("thrown by a test")
    {
    }
};

/// QEventLoop::exec() says this in several lines for each loop that an exception leaves.
void ignoreWarningOfEventLoop()
{
    static const QRegularExpression text(QStringLiteral("Qt has caught an exception"));
    QTest::ignoreMessage(QtWarningMsg, text);
}

}

void tst_Exceptions::verifyEverythingWorks()
{
    int delivered = 0;
    post([&] { ++delivered; });
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        channel.drain();
        ++activations;
    });
    TimerObject object;
    object.startTimer(1, Qt::PreciseTimer);
    QVERIFY(runUntil([&] { return delivered && activations && !object.fired.isEmpty(); }));

    QEventLoop outer;
    post([&] {
        QEventLoop inner;
        const WhenAboutToBlock poster([&] { post(&inner, [&] { inner.exit(1); }); });
        outer.exit(inner.exec() + 1);
    });
    QCOMPARE(outer.exec(), 2);
}

void tst_Exceptions::fromPostedEvent()
{
    post([] { throw Thrown(); });
    QVERIFY_THROWS_EXCEPTION(Thrown, turn());
    verifyEverythingWorks();
}

void tst_Exceptions::fromNotifier()
{
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        channel.drain();
        throw Thrown();
    });
    QVERIFY_THROWS_EXCEPTION(Thrown, turn());
    verifyEverythingWorks();
    channel.write();
    QVERIFY_THROWS_EXCEPTION(Thrown, turn());
    verifyEverythingWorks();
}

void tst_Exceptions::fromTimer()
{
    // It ends itself first because of what Qt's own dispatchers do otherwise; see the next test.
    TimerObject object;
    object.onTimer = [&](int id) {
        object.killTimer(id);
        throw Thrown();
    };
    object.startTimer(0);
    QVERIFY_THROWS_EXCEPTION(Thrown, turn());
    verifyEverythingWorks();
    object.startTimer(1, Qt::PreciseTimer);
    QThread::msleep(2);
    QVERIFY_THROWS_EXCEPTION(Thrown, turn());
    verifyEverythingWorks();
}

void tst_Exceptions::timerThatThrewGoesOn()
{
    TimerObject object;
    object.onTimer = [](int) { throw Thrown(); };
    object.startTimer(0);
    QVERIFY_THROWS_EXCEPTION(Thrown, turnFarDown());
    if (DispatcherUnderTest::kind() == DispatcherUnderTest::Kind::Ours) {
        QVERIFY_THROWS_EXCEPTION(Thrown, turn());
        QCOMPARE(object.fired.size(), 2);
    } else {
        // Qt's own dispatchers take it to be in its handler for ever.
        turn();
        QCOMPARE(object.fired.size(), 1);
    }
}

void tst_Exceptions::fromEachHandlerWhileWaiting()
{
    post([] { throw Thrown(); });
    QVERIFY_THROWS_EXCEPTION(Thrown, runUntil([] { return false; }));
    settle();

    Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        channel.drain();
        throw Thrown();
    });
    {
        const WhenAboutToBlock writer([&] { channel.write(); });
        QVERIFY_THROWS_EXCEPTION(Thrown, runUntil([] { return false; }));
    }

    TimerObject object;
    object.onTimer = [&](int id) {
        object.killTimer(id);
        throw Thrown();
    };
    object.startTimer(5, Qt::PreciseTimer);
    QVERIFY_THROWS_EXCEPTION(Thrown, runUntil([] { return false; }));
    verifyEverythingWorks();
}

void tst_Exceptions::throughEventLoop()
{
    post([] { throw Thrown(); });
    QEventLoop loop;
    ignoreWarningOfEventLoop();
    QVERIFY_THROWS_EXCEPTION(Thrown, loop.exec());
    verifyEverythingWorks();
    post([&] { loop.exit(3); });
    QCOMPARE(loop.exec(), 3);
}

void tst_Exceptions::throughNestedEventLoops()
{
    constexpr int Depth = 10;
    std::function<void(int)> descend = [&](int depth) {
        QEventLoop loop;
        post([&, depth] {
            if (depth == Depth)
                throw Thrown();
            descend(depth + 1);
        });
        loop.exec();
    };
    for (int i = 0; i < Depth; ++i)
        ignoreWarningOfEventLoop();
    QVERIFY_THROWS_EXCEPTION(Thrown, descend(1));
    verifyEverythingWorks();
}

void tst_Exceptions::caughtByTheOuterLoopsHandler()
{
    QEventLoop outer;
    bool caught = false;
    post([&] {
        QEventLoop inner;
        QTimer::singleShot(1ms, &inner, [] { throw Thrown(); });
        ignoreWarningOfEventLoop();
        try {
            inner.exec();
        } catch (const Thrown &) {
            caught = true;
        }
        post([&] { outer.exit(4); });
    });
    QCOMPARE(outer.exec(), 4);
    QVERIFY(caught);
    verifyEverythingWorks();
}

void tst_Exceptions::theRestOfTheTurnIsNotLost()
{
    int delivered = 0;
    post([] { throw Thrown(); });
    post([&] { ++delivered; });

    Channel channels[3];
    QObject parent;
    int activations = 0;
    for (Channel &channel : channels) {
        channel.write();
        auto *notifier = new QSocketNotifier(channel.reader, QSocketNotifier::Read, &parent);
        connect(notifier, &QSocketNotifier::activated, this, [&] {
            channel.drain();
            ++activations;
            throw Thrown();
        });
    }

    TimerObject object;
    object.onTimer = [&](int id) {
        object.killTimer(id);
        throw Thrown();
    };
    for (int i = 0; i < 3; ++i)
        object.startTimer(1, Qt::PreciseTimer);

    int caught = 0;
    Watchdog watchdog;
    while (!(delivered == 1 && activations == 3 && object.fired.size() == 3)
           && !watchdog.expired()) {
        try {
            turn();
        } catch (const Thrown &) {
            ++caught;
        }
    }
    QVERIFY(!watchdog.expired());
    QCOMPARE(caught, 7);
}

void tst_Exceptions::manyTimes()
{
    for (int i = 0; i < 1000; ++i) {
        post([] { throw Thrown(); });
        QVERIFY_THROWS_EXCEPTION(Thrown, turn());
    }
    verifyEverythingWorks();
}

void tst_Exceptions::memoryStaysFlat_data()
{
    QTest::addColumn<bool>("timers");
    QTest::newRow("notifiers") << false;
    if (DispatcherUnderTest::kind() == DispatcherUnderTest::Kind::Ours)
        QTest::newRow("timers") << true; // Qt's own dispatchers let each of them throw only once
}

/// Every turn ends by an exception, and leaves results that nobody has fetched.
void tst_Exceptions::memoryStaysFlat()
{
// The allocators of sanitizers tell nothing.
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33) && !defined(__SANITIZE_ADDRESS__)
    QFETCH(bool, timers);
    if (isQtGLib())
        QSKIP("An exception leaves Qt's GLib dispatcher in the middle of GLib");
    Channel channels[3];
    QObject parent;
    TimerObject object;
    object.onTimer = [](int) { throw Thrown(); };
    for (Channel &channel : channels) {
        if (timers) {
            object.startTimer(0);
            continue;
        }
        channel.write();
        auto *notifier = new QSocketNotifier(channel.reader, QSocketNotifier::Read, &parent);
        connect(notifier, &QSocketNotifier::activated, this, [] { throw Thrown(); });
    }
    const auto allocated = [] {
        const struct mallinfo2 info = ::mallinfo2();
        return qint64(info.uordblks) + qint64(info.hblkhd);
    };
    const auto throwOften = [&](int times) {
        for (int i = 0; i < times; ++i) {
            try {
                turn();
            } catch (const Thrown &) {
            }
            object.fired.clear();
        }
    };
    throwOften(1000);
    const qint64 before = allocated();
    throwOften(30000);
    const qint64 growth = allocated() - before;
    QVERIFY2(growth < 50000, qPrintable(QStringLiteral("%1 bytes").arg(growth)));
#else
    QSKIP("The C library does not tell how much memory is allocated");
#endif
}

DISPATCHER_TEST_MAIN(tst_Exceptions)

#include "tst_exceptions.moc"
