// SPDX-License-Identifier: MIT

#include "shortlook.h"

#include <QtTest/QTest>

using namespace std::chrono_literals;

/// How long a thread looks for a wake-up before it sleeps. The time is the test's.
class tst_ShortLook : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void noneBeforeAWakeUp();
    void lengthFollowsTheWakeUps();
    void lengthHasALimit();
    void looksInVainBecomeRare();
    void successBringsThemBack();
    void lookEndsInTime();
};

namespace {

void wakeUp(ShortLook &look, ShortLook::Duration duration, int times = 100)
{
    for (int i = 0; i < times; ++i)
        look.noteWakeUp(duration);
}

/// How many of so many sleeps have a look before them, each in vain.
int looksInVain(ShortLook &look, int sleeps)
{
    int looks = 0;
    for (int i = 0; i < sleeps; ++i) {
        if (look.next() == 0ns)
            continue;
        ++looks;
        look.note(false);
    }
    return looks;
}

}

void tst_ShortLook::noneBeforeAWakeUp()
{
    ShortLook look;
    QCOMPARE(looksInVain(look, 1000), 0);
}

void tst_ShortLook::lengthFollowsTheWakeUps()
{
    ShortLook look;
    wakeUp(look, 4us);
    QVERIFY(look.next() > 7us && look.next() <= 8us);
    wakeUp(look, 10us);
    QVERIFY(look.next() > 19us && look.next() <= 20us);
    wakeUp(look, 4us);
    QVERIFY(look.next() >= 8us && look.next() < 9us);
}

/// A clock or a number of another thread may be anything.
void tst_ShortLook::lengthHasALimit()
{
    ShortLook look;
    wakeUp(look, 10h);
    QCOMPARE(look.next(), ShortLook::Longest);
    wakeUp(look, -10h);
    QVERIFY(look.next() < 1us);
}

void tst_ShortLook::looksInVainBecomeRare()
{
    ShortLook look;
    wakeUp(look, 20us);
    QVERIFY(looksInVain(look, 2 * Backoff::LongestPause) <= 12);
    const int looks = looksInVain(look, 100 * Backoff::LongestPause);
    QVERIFY(looks >= 99 && looks <= 101); // and never end
}

void tst_ShortLook::successBringsThemBack()
{
    ShortLook look;
    wakeUp(look, 20us);
    looksInVain(look, 10000);
    while (look.next() == 0ns) { }
    look.note(true);
    for (int i = 0; i < 100; ++i) {
        QVERIFY(look.next() > 0ns);
        look.note(true);
    }
    // A single one in vain costs few looks.
    QVERIFY(look.next() > 0ns);
    look.note(false);
    QVERIFY(looksInVain(look, 20) >= 2);
}

void tst_ShortLook::lookEndsInTime()
{
    using Clock = ShortLook::Clock;
    ShortLook look;
    int asked = 0;
    const auto never = [&] { ++asked; return false; };
    QVERIFY(!look.look(never, Clock::time_point::max()));
    QCOMPARE(asked, 0);
    wakeUp(look, 1h);
    QVERIFY(!look.look(never, Clock::now())); // a timer is due
    QCOMPARE(asked, 1);
    while (asked == 1)
        QVERIFY(!look.look(never, Clock::time_point::max()));
    const auto always = [] { return true; };
    while (!look.look(always, Clock::time_point::max())) { }
    QVERIFY(look.look(always, Clock::now() - 1h));
}

QTEST_APPLESS_MAIN(tst_ShortLook)

#include "tst_shortlook.moc"
