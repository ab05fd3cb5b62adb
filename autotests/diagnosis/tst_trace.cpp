// SPDX-License-Identifier: MIT

#include "run.h"
#include "tracereader.h"

#include <eventlooptest.h>

#include <GLibEventDispatcher>

#include <QtCore/QTemporaryDir>
#include <QtCore/QTimer>

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

namespace {

/// How long the handlers of the example take.
constexpr int Taken = 150;
/// ... and how much longer they may, as the machine has other work.
constexpr int Late = 5000;

QProcessEnvironment tracing(const QString &file, const char *limit = "0")
{
    return environment({{QStringLiteral("GLIBEVENTDISPATCHER_TRACE"), file},
                        {QStringLiteral("GLIBEVENTDISPATCHER_STALLS"), QLatin1String(limit)},
                        {QStringLiteral("QT_FORCE_STDERR_LOGGING"), QStringLiteral("1")}});
}

void keepBusy(std::chrono::nanoseconds time)
{
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) { }
}

/// Runs a loop for that time, in which @p work is called every @p interval.
template<typename Work>
void runLoop(std::chrono::milliseconds time, std::chrono::milliseconds interval, Work work)
{
    QEventLoop loop;
    QTimer timer;
    timer.callOnTimeout(work);
    timer.start(interval);
    QTimer::singleShot(time, &loop, &QEventLoop::quit);
    loop.exec();
}

}

/// What the file of GLibEventDispatcher::setTraceFile() has.
class tst_Trace : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void cleanup() { GLibEventDispatcher::setTraceFile({}); }

    void namesHandlers_data();
    void namesHandlers();
    void nestsSlices();
    void nestsLoops();
    void drawsSleeps();
    void hasATrackForEachThread();
    void drawsGLibsLoop();
    void drawsWakeUps();
    void worksBesideReports();
    void endsAndBeginsAnew();
    void countsWhatIsLost();
    void isCompleteWhenKilled();
    void rotates();
    void childrenHaveFilesOfTheirOwn();
    void forkedChildHasAFileOfItsOwn();
    void goesOnWithoutAFile();

private:
    QString file(const QString &name) const { return m_folder.filePath(name); }

    QTemporaryDir m_folder;
    std::unique_ptr<Trace> m_example; // with a slow handler of each kind
};

void tst_Trace::initTestCase()
{
    QVERIFY(m_folder.isValid());
    const QString name = file(QStringLiteral("example"));
    const Result result = run(QStringLiteral(PROGRAM), {QString::number(Taken)}, tracing(name));
    QCOMPARE(result.status, 0);
    QCOMPARE(result.err, QByteArray());
    m_example = std::make_unique<Trace>(name);
    QVERIFY2(!m_example->slices.isEmpty(), m_example->text);
    QCOMPARE(m_example->lost, 0);
}

void tst_Trace::namesHandlers_data()
{
    QTest::addColumn<QString>("name");
    QTest::newRow("event") << QStringLiteral("posted event QEvent::User to Receiver \"slow receiver\"");
    QTest::newRow("timer") << QStringLiteral("(interval 10 ms) of Receiver \"slow timer\"");
    QTest::newRow("notifier") << QStringLiteral("type Read) QSocketNotifier \"slow notifier\"");
    QTest::newRow("source") << QStringLiteral("GLib source \"slow source\", callback slowCallback");
    QTest::newRow("awake") << QStringLiteral("awake()");
    QTest::newRow("block") << QStringLiteral("aboutToBlock()");
    QTest::newRow("nestedglib") << QStringLiteral("posted event QEvent::MetaCall to Receiver \"around a GLib loop\"");
    QTest::newRow("thread") << QStringLiteral("posted event QEvent::MetaCall to Receiver \"in another thread\"");
    QTest::newRow("outside") << QStringLiteral("GLib source \"slow source outside\", callback ");
}

void tst_Trace::namesHandlers()
{
    QFETCH(const QString, name);
    const QList<Trace::Slice> found = m_example->named(name);
    QVERIFY2(!found.isEmpty(), m_example->text);
    QVERIFY(found.first().milliseconds() >= Taken - 1);
    QVERIFY(found.first().milliseconds() < Taken + Late);
}

void tst_Trace::nestsSlices()
{
    QCOMPARE(m_example->overlap(), QString());
    QVERIFY(m_example->unended.isEmpty());
}

void tst_Trace::nestsLoops()
{
    const auto isNested = [this](const QString &outer, const QString &between, const QString &inner) {
        for (const Trace::Slice &a : m_example->named(outer)) {
            for (const Trace::Slice &b : m_example->named(between)) {
                for (const Trace::Slice &c : m_example->named(inner)) {
                    if (a.contains(b) && b.contains(c))
                        return true;
                }
            }
        }
        return false;
    };
    QVERIFY(isNested(QStringLiteral("posted event QEvent::MetaCall to QAdoptedThread"), QStringLiteral("timers"),
                     QStringLiteral("of Receiver \"slow timer\"")));
    QVERIFY(isNested(QStringLiteral("\"around a GLib loop\""), QStringLiteral("GLib's dispatch"),
                     QStringLiteral("\"around a GLib loop\"")));
}

/// The timer of the example is due 10 ms after its start.
void tst_Trace::drawsSleeps()
{
    const QList<Trace::Slice> sleeps = m_example->named(QStringLiteral("sleeping"));
    QVERIFY(!sleeps.isEmpty());
    QVERIFY(sleeps.first().milliseconds() >= 5);
    for (const Trace::Slice &sleep : sleeps) {
        for (const Trace::Slice &slice : std::as_const(m_example->slices))
            QVERIFY2(!sleep.contains(slice) || slice.name == sleep.name, qPrintable(slice.name));
    }
}

void tst_Trace::hasATrackForEachThread()
{
    const int main = m_example->named(QStringLiteral("\"slow timer\"")).first().thread;
    const int worker = m_example->named(QStringLiteral("\"in another thread\"")).first().thread;
    QVERIFY(main != worker);
    QCOMPARE(m_example->threads[main], QStringLiteral("slow-handlers"));
    QCOMPARE(m_example->threads[worker], QStringLiteral("slow thread"));
}

/// The source belongs to a step of the loop that GLib runs.
void tst_Trace::drawsGLibsLoop()
{
    const Trace::Slice source = m_example->named(QStringLiteral("\"slow source outside\"")).first();
    const QList<Trace::Slice> steps = m_example->named(QStringLiteral("GLib's dispatch"));
    QVERIFY(std::any_of(steps.begin(), steps.end(), [&](const Trace::Slice &step) { return step.contains(source); }));
}

void tst_Trace::drawsWakeUps()
{
    const QString name = file(QStringLiteral("wake-ups"));
    GLibEventDispatcher::setTraceFile(name);
    QEventLoop loop;
    QTimer::singleShot(0, [] { }); // the first turn is that which the trace begins in
    settle();
    std::thread waker([&loop] {
        std::this_thread::sleep_for(100ms);
        QMetaObject::invokeMethod(&loop, &QEventLoop::quit, Qt::QueuedConnection);
        std::this_thread::sleep_for(300ms); // its name is looked up when it is written down
    });
#ifdef Q_OS_LINUX
    pthread_setname_np(waker.native_handle(), "the waker");
#endif
    loop.exec();
    waker.join();
    GLibEventDispatcher::setTraceFile({});

    const Trace trace(name);
    QCOMPARE(trace.overlap(), QString());
    QVERIFY2(!trace.arrows.isEmpty(), trace.text);
    for (const auto &[from, to] : trace.arrows) {
        QVERIFY(from.thread != to.thread);
        QVERIFY(from.begin <= to.begin);
        QVERIFY(trace.isAt(from, QStringLiteral("wake-up")));
        QVERIFY(trace.isAt(to, QStringLiteral("posted events, window events")));
        QCOMPARE(trace.threads[to.thread], QStringLiteral("tst_trace"));
    }
#ifdef Q_OS_LINUX
    QCOMPARE(trace.threads[trace.arrows.last().first.thread], QStringLiteral("the waker"));
#endif
}

void tst_Trace::worksBesideReports()
{
    const QString name = file(QStringLiteral("reports"));
    const Result result = run(QStringLiteral(PROGRAM), {QString::number(400), QStringLiteral("source")}, tracing(name, "100"));
    QVERIFY2(result.err.contains(" has been kept for "), result.err);
    QVERIFY2(result.err.contains("by GLib source \"slow source\", callback slowCallback"), result.err);
    QCOMPARE(Trace(name).named(QStringLiteral("GLib source \"slow source\", callback slowCallback")).size(), 1);
}

void tst_Trace::endsAndBeginsAnew()
{
    const auto slices = [this](const QString &name, bool isOn) {
        const QString path = file(name);
        GLibEventDispatcher::setTraceFile(isOn ? path : QString());
        runLoop(50ms, 10ms, [] { keepBusy(200us); });
        GLibEventDispatcher::setTraceFile({});
        return Trace(path).named(QStringLiteral("(interval 10 ms) of QTimer")).size();
    };
    QVERIFY(slices(QStringLiteral("first"), true) > 0);
    QCOMPARE(slices(QStringLiteral("none"), false), 0);
    QVERIFY(slices(QStringLiteral("second"), true) > 0);
    QVERIFY(slices(QStringLiteral("first"), true) > 0);
}

/// More than there is memory for until it is written.
void tst_Trace::countsWhatIsLost()
{
    const QString name = file(QStringLiteral("lost"));
    GLibEventDispatcher::setTraceFile(name);
    runLoop(1s, 0ms, [] { keepBusy(6us); });
    GLibEventDispatcher::setTraceFile({});
    const Trace trace(name);
    QVERIFY(trace.lost > 0);
    QVERIFY(trace.slices.size() > 1000);
    QCOMPARE(trace.overlap(), QString());
}

void tst_Trace::isCompleteWhenKilled()
{
    const QString name = file(QStringLiteral("killed"));
    QProcess program;
    program.setProcessEnvironment(tracing(name));
    program.start(QStringLiteral(PROGRAM), {QStringLiteral("3600000"), QStringLiteral("nested")});
    const QString hang = QStringLiteral("still running: timers");
    QTRY_VERIFY_WITH_TIMEOUT(!Trace(name).named(hang).isEmpty(), 30000);
    QThread::msleep(300);
    kill(pid_t(program.processId()), SIGKILL);
    QVERIFY(program.waitForFinished());
    const Trace trace(name);
    QVERIFY2(!trace.named(hang).isEmpty(), trace.text);
    QVERIFY2(trace.named(hang).first().milliseconds() >= 100, trace.text);
    QVERIFY2(!trace.named(QStringLiteral("sleeping")).isEmpty(), trace.text);
    // The loop that slept inside of it.
    QVERIFY2(std::any_of(trace.unended.begin(), trace.unended.end(),
                         [](const Trace::Slice &slice) { return slice.name.startsWith(QLatin1String("posted event ")); }),
             trace.text);
}

void tst_Trace::rotates()
{
    const QString name = file(QStringLiteral("rotated"));
    qputenv("GLIBEVENTDISPATCHER_TRACE_SIZE", "20000");
    GLibEventDispatcher::setTraceFile(name);
    runLoop(1s, 1ms, [] { keepBusy(100us); });
    GLibEventDispatcher::setTraceFile({});
    qunsetenv("GLIBEVENTDISPATCHER_TRACE_SIZE");
    const Trace older(name + QStringLiteral(".1"));
    const Trace newer(name);
    QVERIFY2(!older.slices.isEmpty(), older.text);
    QVERIFY(older.text.size() > 20000);
    QVERIFY(older.text.size() < 1000000); // what is written at once is not divided
    QVERIFY(newer.text.size() < older.text.size() + 20000);
    QCOMPARE(newer.threads, older.threads);
    QVERIFY(!newer.threads.isEmpty());
    QVERIFY(QDir(m_folder.path()).entryList({QStringLiteral("rotated*")}).size() == 2);
}

void tst_Trace::childrenHaveFilesOfTheirOwn()
{
    const QString name = file(QStringLiteral("shared"));
    GLibEventDispatcher::setTraceFile(name);
    QProcess program;
    program.setProcessEnvironment(tracing(name));
    program.start(QStringLiteral(PROGRAM), {QStringLiteral("10"), QStringLiteral("timer")});
    QVERIFY(program.waitForStarted());
    const auto child = program.processId();
    runLoop(50ms, 10ms, [] { keepBusy(200us); });
    QTRY_COMPARE(program.state(), QProcess::NotRunning); // it may have ended in that loop
    QCOMPARE(program.exitCode(), 0);
    GLibEventDispatcher::setTraceFile({});
    QCOMPARE(Trace(name).process, int(getpid()));
    const Trace childs(name + u'.' + QString::number(child));
    QCOMPARE(childs.process, int(child));
    QCOMPARE(childs.named(QStringLiteral("\"slow timer\"")).size(), 1);
}

void tst_Trace::forkedChildHasAFileOfItsOwn()
{
#if defined(__SANITIZE_THREAD__)
    QSKIP("ThreadSanitizer ends a forked child that starts a thread");
#endif
    const QString name = file(QStringLiteral("forked"));
    GLibEventDispatcher::setTraceFile(name);
    const auto handle = [] { runLoop(50ms, 10ms, [] { keepBusy(200us); }); };
    handle();
    const pid_t child = fork();
    if (child == 0) {
        handle();
        GLibEventDispatcher::setTraceFile({});
        _exit(0);
    }
    QVERIFY(child > 0);
    int status = 0;
    QCOMPARE(waitpid(child, &status, 0), child);
    QCOMPARE(status, 0);
    handle();
    GLibEventDispatcher::setTraceFile({});
    const Trace parents(name);
    const Trace childs(name + u'.' + QString::number(child));
    for (const Trace *trace : {&parents, &childs})
        QVERIFY2(!trace->named(QStringLiteral("(interval 10 ms) of QTimer")).isEmpty(), trace->text);
    QCOMPARE(parents.process, int(getpid()));
    QCOMPARE(childs.process, int(child));
}

void tst_Trace::goesOnWithoutAFile()
{
    const QString name = file(QStringLiteral("none/file"));
    const Result result = run(QStringLiteral(PROGRAM), {QStringLiteral("1")}, tracing(name));
    QCOMPARE(result.status, 0);
    QVERIFY2(result.out.startsWith("end: "), result.out);
    QCOMPARE(result.err,
             "glib.eventdispatcher.trace: GLibEventDispatcher: the trace " + name.toLocal8Bit()
                 + " cannot be written: No such file or directory (errno 2); the program goes on without it\n");
}

DISPATCHER_TEST_MAIN(tst_Trace)

#include "tst_trace.moc"
