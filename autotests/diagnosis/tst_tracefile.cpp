// SPDX-License-Identifier: MIT

#include "tracereader.h"
#include "traceruns.h"

#include <eventlooptest.h>

#include <GLibEventDispatcher>

#include <QtCore/QTemporaryDir>

#include <csignal>
#include <optional>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/// Where a trace is written, and what is there whatever happens to the program.
class tst_TraceFile : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { QVERIFY(m_folder.isValid()); }
    void cleanup() { GLibEventDispatcher::setTraceFile({}); }

    void isCompleteWhenKilled();
    void rotates();
    void childrenHaveFilesOfTheirOwn();
    void forkedChildHasAFileOfItsOwn();
    void forkedChildsChildHasAFileOfItsOwn();
    void goesOnWithoutAFile();
    void staysCompleteWhenItCannotGrow();

private:
    QString file(const QString &name) const { return m_folder.filePath(name); }

    QTemporaryDir m_folder;
};

void tst_TraceFile::isCompleteWhenKilled()
{
    const QString name = file(QStringLiteral("killed"));
    const QString hang = QStringLiteral("still running: timers");
    std::optional<Trace> trace;
    // On a busy machine, 10 ms may be over before the loop sleeps. Then the program is started anew.
    for (int attempt = 0; attempt < 50 && (!trace || trace->named(QStringLiteral("sleeping")).isEmpty()); ++attempt) {
        QFile::remove(name);
        QProcess program;
        program.setProcessEnvironment(tracing(name));
        program.start(QStringLiteral(PROGRAM), {QStringLiteral("3600000"), QStringLiteral("nested")});
        QTRY_VERIFY_WITH_TIMEOUT(!Trace(name).named(hang).isEmpty(), 30000);
        QThread::msleep(300);
        kill(pid_t(program.processId()), SIGKILL);
        QVERIFY(program.waitForFinished());
        trace.emplace(name);
        QVERIFY2(!trace->named(hang).isEmpty(), trace->text);
        QVERIFY2(trace->named(hang).first().milliseconds() >= 100, trace->text);
    }
    QVERIFY2(!trace->named(QStringLiteral("sleeping")).isEmpty(), trace->text);
    // The loop that slept inside of it.
    QVERIFY2(std::any_of(trace->unended.begin(), trace->unended.end(),
                         [](const Trace::Slice &slice) { return slice.name.startsWith(QLatin1String("posted event ")); }),
             trace->text);
}

void tst_TraceFile::rotates()
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

void tst_TraceFile::childrenHaveFilesOfTheirOwn()
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

void tst_TraceFile::forkedChildHasAFileOfItsOwn()
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

/// As that of a daemon. The child in between has no turn.
void tst_TraceFile::forkedChildsChildHasAFileOfItsOwn()
{
#if defined(__SANITIZE_THREAD__)
    QSKIP("ThreadSanitizer ends a forked child that starts a thread");
#endif
    GLibEventDispatcher::setTraceFile(file(QStringLiteral("daemon")));
    const pid_t child = fork();
    if (child == 0) {
        const pid_t childs = fork();
        if (childs == 0) {
            runLoop(50ms, 10ms, [] { keepBusy(200us); });
            GLibEventDispatcher::setTraceFile({});
        }
        _exit(childs > 0 && waitpid(childs, nullptr, 0) != childs);
    }
    int status = 0;
    QCOMPARE(waitpid(child, &status, 0), child);
    QCOMPARE(status, 0);
    const QStringList names = QDir(m_folder.path()).entryList({QStringLiteral("daemon.*")});
    QCOMPARE(names.size(), 1);
    QVERIFY(!Trace(file(names.first())).named(QStringLiteral("(interval 10 ms) of QTimer")).isEmpty());
}

void tst_TraceFile::goesOnWithoutAFile()
{
    const QString name = file(QStringLiteral("none/file"));
    const Result result = run(QStringLiteral(PROGRAM), {QStringLiteral("1")}, tracing(name));
    QCOMPARE(result.status, 0);
    QVERIFY2(result.out.startsWith("end: "), result.out);
    QCOMPARE(result.err,
             "glib.eventdispatcher.trace: GLibEventDispatcher: the trace " + name.toLocal8Bit()
                 + " cannot be written: No such file or directory (errno 2); the program goes on without it\n");
}

/// A limit of the process's stands for a full disk.
void tst_TraceFile::staysCompleteWhenItCannotGrow()
{
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before;
    QCOMPARE(getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit limit = {20000, before.rlim_max};
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("the trace .*/limited ends here: ")));
    QCOMPARE(setrlimit(RLIMIT_FSIZE, &limit), 0);
    GLibEventDispatcher::setTraceFile(file(QStringLiteral("limited")));
    runLoop(1s, 1ms, [] { keepBusy(100us); });
    GLibEventDispatcher::setTraceFile({});
    QCOMPARE(setrlimit(RLIMIT_FSIZE, &before), 0);
    const Trace trace(file(QStringLiteral("limited")));
    QVERIFY2(trace.process == int(getpid()), trace.text);
}

DISPATCHER_TEST_MAIN(tst_TraceFile)

#include "tst_tracefile.moc"
