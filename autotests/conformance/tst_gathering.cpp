// SPDX-License-Identifier: MIT

#include "gathering.h"

#include <QtTest/QTest>

using namespace std::chrono_literals;

/// How long a thread lets the events of another gather. What is posted is the test's.
class tst_Gathering : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void lastsWhileEventsCome();
    void endsWithTheEvents();
    void inVainBecomesRare();
    void successBringsItBack();
};

namespace {

using Clock = Gathering::Clock;

constexpr auto always = [] { return true; };
constexpr auto never = [] { return false; };

/// How many of so many occasions are used, each in vain.
int usedInVain(Gathering &gathering, int occasions)
{
    int used = 0;
    for (int i = 0; i < occasions; ++i)
        used += gathering.gather(never);
    return used;
}

}

void tst_Gathering::lastsWhileEventsCome()
{
    Gathering gathering;
    for (int i = 0; i < 100; ++i) {
        int asked = 0;
        const Clock::time_point start = Clock::now();
        QVERIFY(gathering.gather([&] { return ++asked, true; }));
        QVERIFY(Clock::now() - start >= Gathering::Longest);
        QVERIFY(asked >= 2);
        QVERIFY(asked <= 1 + Gathering::Longest / Gathering::Step);
    }
}

/// What there was before says nothing about what is to come.
void tst_Gathering::endsWithTheEvents()
{
    Gathering gathering;
    int asked = 0;
    QVERIFY(gathering.gather([&] { return ++asked == 1; }));
    QCOMPARE(asked, 2);
    while (asked == 2)
        gathering.gather([&] { return ++asked < 5; });
    // The time may end it sooner, if the system gives the processor to somebody else.
    QVERIFY(asked > 2 && asked <= 5);
}

void tst_Gathering::inVainBecomesRare()
{
    Gathering gathering;
    QVERIFY(usedInVain(gathering, 2 * Backoff::LongestPause) <= 12);
    const int used = usedInVain(gathering, 100 * Backoff::LongestPause);
    QVERIFY(used >= 99 && used <= 101); // and never ends
}

void tst_Gathering::successBringsItBack()
{
    Gathering gathering;
    usedInVain(gathering, 10000);
    while (!gathering.gather(always)) { }
    for (int i = 0; i < 100; ++i)
        QVERIFY(gathering.gather(always));
}

QTEST_APPLESS_MAIN(tst_Gathering)

#include "tst_gathering.moc"
