// SPDX-License-Identifier: MIT

#include "../../src/diagnosis/stallreport.h"

#include <QtCore/QEvent>
#include <QtTest/QTest>

using namespace std::chrono_literals;

/// The words for what programs rarely do, and tst_stallreports does not make them do.
class tst_StallWords : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void steps_data();
    void steps();
    void events();
    void sources();
    void threadWithoutASample();
};

namespace {

StallSample::Loop loopAt(Activity::Step step)
{
    StallSample::Loop loop{};
    loop.step = step;
    return loop;
}

}

void tst_StallWords::steps_data()
{
    QTest::addColumn<int>("step");
    QTest::addColumn<QByteArray>("words");
    const auto add = [](Activity::Step step, const char *words) {
        QTest::newRow(words) << int(step) << QByteArray(words);
    };
    add(Activity::Step::Asleep, "a poll");
    add(Activity::Step::Awake, "a slot connected to awake()");
    add(Activity::Step::Events, "the window system or the search for posted events");
    add(Activity::Step::AboutToBlock, "a slot connected to aboutToBlock()");
    add(Activity::Step::Preparing, "the prepare or check function of a GLib source");
    add(Activity::Step::GLibSources, "GLib's sources");
    add(Activity::Step::Notifiers, "the socket notifiers");
    add(Activity::Step::Timers, "the timers");
}

void tst_StallWords::steps()
{
    QFETCH(int, step);
    QFETCH(QByteArray, words);
    QCOMPARE(StallReport::words(loopAt(Activity::Step(step))), words);
}

void tst_StallWords::events()
{
    StallSample::Loop loop = loopAt(Activity::Step::Events);
    loop.kind = Activity::Handler::Kind::PostedEvent;
    loop.type = QEvent::User + 7;
    QVERIFY2(StallReport::words(loop).startsWith("posted event QEvent::User+7 to "), StallReport::words(loop));
    loop.type = QEvent::MetaCall;
    QVERIFY2(StallReport::words(loop).startsWith("posted event QEvent::MetaCall to "), StallReport::words(loop));
    loop.type = 999;
    QVERIFY2(StallReport::words(loop).startsWith("posted event event 999 to "), StallReport::words(loop));
}

void tst_StallWords::sources()
{
    GSource *const source = g_idle_source_new();
    GMainContext *const context = g_main_context_new();
    StallSample::Source sample{};
    sample.source = source;
    sample.priority = 200;
    QCOMPARE(StallReport::words(sample), QByteArray("GLib source without a name, priority 200, destroyed"));
    sample.context = g_main_context_default();
    QCOMPARE(StallReport::words(sample), QByteArray("GLib source without a name, priority 200, default context"));
    sample.context = context;
    qstrcpy(sample.name, "named");
    const QByteArray words = StallReport::words(sample);
    QVERIFY2(words.startsWith("GLib source \"named\", priority 200, context 0x"), words);
    g_main_context_unref(context);
    g_source_unref(source);
}

void tst_StallWords::threadWithoutASample()
{
    QCOMPARE(StallReport::silentText(42, 1500ms),
             QByteArray("GLibEventDispatcher: thread 42 has been kept for 1500 ms, and takes no signal, so nothing can "
                        "be said about it: it blocks them, or is in a system call that nothing interrupts"));
}

QTEST_APPLESS_MAIN(tst_StallWords)

#include "tst_stallwords.moc"
