// SPDX-License-Identifier: MIT

#include "flood.h"

/// Who gets a turn when the other side has work all the time. All of it is counted in the other
/// side's turns, so that the speed of the machine does not matter.
class tst_Fairness : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase_data();

    void floodsOfBothSides_data();
    void floodsOfBothSides();
    void glibWorkInAFloodOfQts_data();
    void glibWorkInAFloodOfQts();
    void glibDescriptorBesideABusyNotifier();
    void qtWorkInAFloodOfGLibs_data();
    void qtWorkInAFloodOfGLibs();
    void prioritiesKeepTheirOrder();
    void everythingAtOnce();
};

namespace {

Loop::Kind loopKind()
{
    QFETCH_GLOBAL(Loop::Kind, kind);
    return kind;
}

/// How GLib is to rank Qt's work. Qt's GLib dispatcher ranks zero timers like everything else.
int rankOf(Work work)
{
    return work == Work::ZeroTimer && !isQtGLib() ? G_PRIORITY_DEFAULT_IDLE : G_PRIORITY_DEFAULT;
}

/// GLib's sources of lower priority wait while Qt has work.
bool isGLibServed(Work flood, int priority)
{
    return priority <= rankOf(flood);
}

/// In a loop of GLib's, Qt's work waits likewise. In one of Qt's it has a turn after each of GLib's,
/// but not under Qt's GLib dispatcher.
bool isQtServed(Work work, int floodPriority)
{
    return rankOf(work) <= floodPriority || (Loop::isQts(loopKind()) && !isQtGLib());
}

/// While Qt floods itself and GLib had no work, exec() looks at GLib every 50 us. No machine takes
/// as many turns in that time.
constexpr int Patience = 10'000;

}

void tst_Fairness::initTestCase_data()
{
    QTest::addColumn<Loop::Kind>("kind");
    QTest::newRow("exec") << Loop::Exec;
    QTest::newRow("processEvents") << Loop::ByHand;
    QTest::newRow("g_main_loop_run") << Loop::MainLoop;
}

void tst_Fairness::floodsOfBothSides_data()
{
    QTest::addColumn<int>("priority");
    QTest::addColumn<Work>("flood");
    for (const NamedPriority &priority : Priorities) {
        for (const Work flood : Floods)
            QTest::addRow("%s, %s", priority.name, name(flood)) << priority.value << flood;
    }
}

void tst_Fairness::floodsOfBothSides()
{
    QFETCH(int, priority);
    QFETCH(Work, flood);
    const Contest contest(loopKind(), flood, priority);
    QVERIFY(contest.ended);
    QCOMPARE(contest.isServed(Contest::GLib), isGLibServed(flood, priority));
    QCOMPARE(contest.isServed(Contest::Qt), isQtServed(flood, priority));
    if (contest.isServed(Contest::GLib) && contest.isServed(Contest::Qt))
        QVERIFY2(contest.longestRow <= 2, QByteArray::number(contest.longestRow));
}

void tst_Fairness::glibWorkInAFloodOfQts_data()
{
    floodsOfBothSides_data();
}

void tst_Fairness::glibWorkInAFloodOfQts()
{
    QFETCH(int, priority);
    QFETCH(Work, flood);
    constexpr int Enough = 20;
    constexpr int Pause = 50; // in which GLib has nothing to do
    Loop loop(loopKind());
    int served = 0;
    int waited = -Pause;
    int longestWait = 0;
    std::unique_ptr<GLibSource> source;
    const Flood qtsWork(flood, [&] {
        if (served == Enough || waited == 2 * Patience)
            return loop.quit();
        if (++waited == 0) {
            source = std::make_unique<GLibSource>(g_idle_source_new(), priority, [&] {
                longestWait = std::max(longestWait, waited);
                waited = -Pause;
                ++served;
                return false;
            });
        }
    });
    QVERIFY(loop.run());
    QCOMPARE(served, isGLibServed(flood, priority) ? Enough : 0);
    const bool mayBePatient = loopKind() == Loop::Exec && !isQtGLib();
    QVERIFY2(longestWait <= (mayBePatient ? Patience : 2), QByteArray::number(longestWait));
}

/// GLib's sources need not be asked in each turn, but their descriptors have to be polled.
void tst_Fairness::glibDescriptorBesideABusyNotifier()
{
    constexpr int Before = 1000; // turns without the descriptor
    constexpr int Settling = 100; // the first ones with it, which take longer than GLib's sources have to wait
    constexpr int Last = 5000;
    Loop loop(loopKind());
    Channel channel;
    std::unique_ptr<GLibSource> source;
    int served = 0;
    int turns = 0;
    int missed = 0;
    const Flood busy(Work::Notifier, [&] {
        if (++turns == Before) {
            source = std::make_unique<GLibSource>(channel.reader, G_IO_IN, G_PRIORITY_DEFAULT, [&] {
                channel.drain();
                ++served;
                return true;
            });
        } else if (turns % 4 == 0) {
            served = 0;
            channel.write();
        } else if (turns % 4 == 2 && turns >= Before + Settling) {
            missed += served == 0;
        }
        if (turns == Last)
            loop.quit();
    });
    QVERIFY(loop.run());
    QCOMPARE(missed, 0);
}

void tst_Fairness::qtWorkInAFloodOfGLibs_data()
{
    QTest::addColumn<int>("priority");
    QTest::addColumn<Work>("work");
    for (const NamedPriority &priority : Priorities) {
        for (const Work work : { Work::PostedEvent, Work::Notifier, Work::Timer, Work::ZeroTimer })
            QTest::addRow("%s, %s", priority.name, name(work)) << priority.value << work;
    }
}

void tst_Fairness::qtWorkInAFloodOfGLibs()
{
    QFETCH(int, priority);
    QFETCH(Work, work);
    constexpr int Enough = 20;
    constexpr int TooMany = 5'000;
    Loop loop(loopKind());
    int served = 0;
    int waited = 0;
    int longestWait = 0;
    std::unique_ptr<OneShot> shot;
    const GLibSource flood(g_idle_source_new(), priority, [&] {
        if (served == Enough || ++waited == TooMany) {
            loop.quit();
        } else if (waited == 1) {
            shot = std::make_unique<OneShot>(work, [&] {
                longestWait = std::max(longestWait, waited);
                waited = 0;
                ++served;
            });
            if (work == Work::Timer)
                QThread::msleep(2); // so that it is due
        }
        return true;
    });
    QVERIFY(loop.run());
    QCOMPARE(served, isQtServed(work, priority) ? Enough : 0);
    QVERIFY2(longestWait <= 2, QByteArray::number(longestWait));
}

void tst_Fairness::prioritiesKeepTheirOrder()
{
    for (int round = 0; round < 20; ++round) {
        Loop loop(loopKind());
        QList<int> served;
        QObject context;
        // All of it is ready at once, in the middle of a loop, and the least important came first.
        callLater([&] {
            callLater([&] { loop.quit(); }, G_PRIORITY_LOW + 1);
            for (auto priority = std::rbegin(Priorities); priority != std::rend(Priorities);
                 ++priority) {
                callLater([&, value = priority->value] { served.append(value); }, priority->value);
            }
            post(&context, [] { });
        });
        QVERIFY(loop.run());
        QList<int> expected;
        for (const NamedPriority &priority : Priorities)
            expected.append(priority.value);
        QCOMPARE(served, expected);
    }
}

void tst_Fairness::everythingAtOnce()
{
    // Floods of all kinds at the rank that both sides have in common: all advance alike.
    constexpr int Enough = 500;
    Loop loop(loopKind());
    int counts[4] = {};
    const auto count = [&](int which) {
        ++counts[which];
        if (*std::min_element(std::begin(counts), std::end(counts)) >= Enough)
            loop.quit();
    };
    const Flood posted(Work::PostedEvent, [&] { count(0); });
    const Flood socket(Work::Notifier, [&] { count(1); });
    const GLibSource idle(g_idle_source_new(), G_PRIORITY_DEFAULT, [&] {
        count(2);
        return true;
    });
    const Channel channel;
    const GLibSource fd(channel.writer, G_IO_OUT, G_PRIORITY_DEFAULT, [&] {
        count(3);
        return true;
    });
    QVERIFY(loop.run());
    for (const int each : counts)
        QVERIFY2(each <= Enough + 5, QByteArray::number(each));
}

DISPATCHER_TEST_MAIN(tst_Fairness)

#include "tst_fairness.moc"
