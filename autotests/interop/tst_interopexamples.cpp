// SPDX-License-Identifier: MIT

#include <QtCore/QProcess>
#include <QtCore/QRegularExpression>
#include <QtCore/QTemporaryDir>
#include <QtTest/QtTest>

/// The examples run by themselves, end by themselves and say what they have done.
class tst_InteropExamples : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void gapplication();
    void dbus();
    void workerThread();
    void workerThreadWithoutADirectory();

private:
    struct Result
    {
        bool ended = false;
        int status = -1;
        QByteArray lastLine;
        QByteArray all;
    };

    static Result run(const char *program, const QStringList &arguments = {});
    static bool matches(const QByteArray &line, const char *pattern)
    {
        return QRegularExpression(QRegularExpression::anchoredPattern(QLatin1String(pattern)))
            .match(QString::fromUtf8(line))
            .hasMatch();
    }
};

tst_InteropExamples::Result tst_InteropExamples::run(const char *program,
                                                     const QStringList &arguments)
{
    QProcess process;
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    // As it is for whoever has a Qt without GLib.
    environment.insert(QStringLiteral("QT_NO_GLIB"), QStringLiteral("1"));
    process.setProcessEnvironment(environment);
    process.start(QFile::decodeName(program), arguments);
    Result result;
    result.ended
        = process.waitForFinished(60'000) && process.exitStatus() == QProcess::NormalExit;
    result.status = process.exitCode();
    const QByteArray output = process.readAllStandardOutput();
    result.lastLine = output.trimmed().split('\n').last();
    result.all = output + process.readAllStandardError();
    return result;
}

void tst_InteropExamples::gapplication()
{
#ifdef EXAMPLE_GAPPLICATION
    const Result result = run(EXAMPLE_GAPPLICATION);
    QVERIFY2(result.ended && result.status == 0, result.all);
    QVERIFY2(matches(result.lastLine,
                     "end: 10 greetings from Qt, 10 answers in GLib, [1-9][0-9]* ticks of a QTimer"),
             result.all);
#else
    QSKIP("Qt Network is not installed");
#endif
}

void tst_InteropExamples::dbus()
{
#ifdef EXAMPLE_DBUS
    if (QStandardPaths::findExecutable(QStringLiteral("dbus-daemon")).isEmpty())
        QSKIP("dbus-daemon is not installed");
    const Result result = run(EXAMPLE_DBUS);
    QVERIFY2(result.ended && result.status == 0, result.all);
    QCOMPARE(result.lastLine,
             QByteArray("end: 10 calls answered by GDBus, 10 replies received by QtDBus"));
    QVERIFY2(result.all.contains("7 * 7 = 49\n"), result.all);
#else
    QSKIP("Qt DBus is not installed");
#endif
}

void tst_InteropExamples::workerThread()
{
    QTemporaryDir directory;
    QVERIFY(directory.isValid());
    for (int i = 0; i < 25; ++i) {
        QFile file(directory.filePath(QString::number(i)));
        QVERIFY(file.open(QIODevice::WriteOnly));
        QCOMPARE(file.write(QByteArray(i, 'x')), i);
    }
    const Result result = run(EXAMPLE_WORKER_THREAD, { directory.path() });
    QVERIFY2(result.ended && result.status == 0, result.all);
    QCOMPARE(result.lastLine, QByteArray("end: 25 files, all answers in the worker thread"));
    QVERIFY2(result.all.contains("        24 24\n"), result.all);
}

void tst_InteropExamples::workerThreadWithoutADirectory()
{
    const Result result = run(EXAMPLE_WORKER_THREAD, { QStringLiteral("/nonexistent") });
    QVERIFY2(result.ended && result.status == EXIT_FAILURE, result.all);
    QVERIFY2(result.all.startsWith("worker-thread: "), result.all);
}

QTEST_GUILESS_MAIN(tst_InteropExamples)

#include "tst_interopexamples.moc"
