// SPDX-License-Identifier: MIT

#include "run.h"

namespace {

QProcessEnvironment reporting(const char *limit)
{
    return environment({{QStringLiteral("GLIBEVENTDISPATCHER_STALLS"), QLatin1String(limit)},
                        {QStringLiteral("QT_FORCE_STDERR_LOGGING"), QStringLiteral("1")},
                        {QStringLiteral("QT_QPA_PLATFORM"), QStringLiteral("offscreen")}});
}

/// Runs the example with the handlers of that @p kind, which take @p duration ms.
Result slowHandlers(const char *kind, int duration, const char *limit = "200")
{
    return run(QStringLiteral(PROGRAM), {QString::number(duration), QLatin1String(kind)}, reporting(limit));
}

}

/// What programs say about each kind of handler that keeps a thread.
class tst_StallReports : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void names_data();
    void names();
    void namesWindowEvents();
    void counts();
    void reportsWhatNeverEnds();
    void refusesWhatIsNoNumber();
    void saysNothingUnlessAsked();
};

void tst_StallReports::names_data()
{
    QTest::addColumn<QByteArrayList>("words");
    const auto add = [](const char *kind, const QByteArrayList &words) { QTest::newRow(kind) << words; };
    add("event", {"by posted event QEvent::User to Receiver \"slow receiver\"\n"
                  "  in a Qt loop: posted event QEvent::User to Receiver \"slow receiver\"\n"});
    add("timer", {"by timer ", "(interval 10 ms) of Receiver \"slow timer\"\n"});
    add("notifier", {"by socket notifier (descriptor ", ", type Read) QSocketNotifier \"slow notifier\"\n"});
    add("source", {"by GLib source \"slow source\", callback slowCallback", "priority 200, default context\n"});
    add("awake", {"by a slot connected to awake()\n"});
    add("block", {"by a slot connected to aboutToBlock()\n"});
    add("nested", {"by timer ", "(interval 10 ms) of Receiver \"slow timer\"\n  in a Qt loop: posted event QEvent::MetaCall",
                   "\n  in a Qt loop: timer "});
    add("nestedglib", {"by posted event QEvent::MetaCall to Receiver \"around a GLib loop\"\n  in a Qt loop: posted event ",
                       "\n  in a GLib loop: GLib source \"GLibEventDispatcher\"", "\n  in a Qt loop: posted event "});
    add("thread", {"by posted event QEvent::MetaCall to Receiver \"in another thread\"\n"});
    add("outside", {"by GLib source \"slow source outside\", callback ", "\n  in a GLib loop: GLib source "});
}

void tst_StallReports::names()
{
    QFETCH(const QByteArrayList, words);
    const Result result = slowHandlers(QTest::currentDataTag(), 600);
    QCOMPARE(result.status, 0);
    QVERIFY2(result.err.count(" has been kept for ") == 1, result.err);
    for (const QByteArray &word : words)
        QVERIFY2(result.err.contains(word), word + "\n" + result.err);
    QVERIFY2(result.err.contains("\n  stack, the innermost call first:\n    "), result.err);
    QVERIFY2(result.err.contains("\n    work() ("), result.err);
    // The report comes while it lasts, and there are a line at its end and one at the program's.
    const qsizetype report = result.err.indexOf("glib.eventdispatcher.stalls: GLibEventDispatcher: thread ");
    const qsizetype end = result.err.indexOf(" goes on after about ");
    const qsizetype total = result.err.indexOf("glib.eventdispatcher.stalls: GLibEventDispatcher: 1 stall, longest ");
    QVERIFY2(report >= 0 && report < end && end < total, result.err);
}

void tst_StallReports::namesWindowEvents()
{
#ifdef WINDOW_PROGRAM
    const Result result = run(QStringLiteral(WINDOW_PROGRAM), {QStringLiteral("600")}, reporting("200"));
    QCOMPARE(result.status, 0);
    QVERIFY2(result.err.contains(" by window-system event QEvent::Expose to (anonymous namespace)::Window \"slow window\"\n"),
             result.err);
#else
    QSKIP("The plugin for programs with windows is not built");
#endif
}

void tst_StallReports::counts()
{
    const Result result = run(QStringLiteral(PROGRAM), {QStringLiteral("300"), QStringLiteral("source"), QStringLiteral("source")},
                              reporting("100"));
    QCOMPARE(result.status, 0);
    const QRegularExpression line(
        QStringLiteral("2 stalls, longest (\\d+) ms, total (\\d+) ms: GLib source \"slow source\""));
    const QRegularExpressionMatch match = line.match(QString::fromUtf8(result.err));
    QVERIFY2(match.hasMatch(), result.err);
    const int longest = match.captured(1).toInt();
    const int total = match.captured(2).toInt();
    QVERIFY2(longest >= 150 && total >= longest + 150, result.err);
}

void tst_StallReports::reportsWhatNeverEnds()
{
    QProcess program;
    program.setProcessEnvironment(reporting("100"));
    program.start(QStringLiteral(PROGRAM), {QStringLiteral("3600000"), QStringLiteral("timer")});
    QByteArray err;
    QTRY_VERIFY_WITH_TIMEOUT((err += program.readAllStandardError()).contains("by timer "), 30000);
    QCOMPARE(program.state(), QProcess::Running);
    QVERIFY2(!err.contains("goes on after"), err);
    program.kill();
    QVERIFY(program.waitForFinished());
}

void tst_StallReports::refusesWhatIsNoNumber()
{
    const Result result = slowHandlers("timer", 1, "soon");
    QVERIFY2(result.err.contains("GLIBEVENTDISPATCHER_STALLS=soon is not a number of milliseconds; stalls are not reported"),
             result.err);
}

void tst_StallReports::saysNothingUnlessAsked()
{
    QCOMPARE(slowHandlers("timer", 300, "0").err, QByteArray());
}

QTEST_GUILESS_MAIN(tst_StallReports)

#include "tst_stallreports.moc"
