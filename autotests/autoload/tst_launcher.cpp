// SPDX-License-Identifier: MIT

#include "run.h"

#include <QtCore/QTemporaryDir>

#include <csignal>
#include <sys/stat.h>

namespace {

const QString Launcher = QStringLiteral(LAUNCHER);
const QString Program = QStringLiteral(PROGRAM);

enum CheckStatus { Yes = 0, No = 1, Unknown = 3 };

Result launch(const QStringList &arguments, const QMap<QString, QString> &variables = {})
{
    return run(Launcher, arguments, environment(variables));
}

Result check(const QString &program, const QMap<QString, QString> &variables = {})
{
    return launch({QStringLiteral("--check"), program}, variables);
}

}

class tst_Launcher : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void runsPrograms();
    void passesArguments();
    void passesExitStatus();
    void passesSignals();
    void keepsWhatWasPreloaded();
    void canBeTurnedOff_data();
    void canBeTurnedOff();
    void otherSettingsDoNotTurnItOff();
    void reportsStalls();
    void writesTraces();
    void findsProgramsAsAShellDoes();
    void explainsItself();
    void refusesWrongUsage_data();
    void refusesWrongUsage();
    void saysWhatItCannotDo_data();
    void saysWhatItCannotDo();
    void refusesWhatCannotBeRun();
    void checks_data();
    void checks();
    void checksFilesWithSpecialRights();
    void checksTheInstallation();
};

void tst_Launcher::runsPrograms()
{
    const Result result = launch({Program});
    QCOMPARE(result.err, QByteArray());
    QCOMPARE(result.out, QByteArray("dispatcher GLibEventDispatcher\nglib\n"));
    QCOMPARE(result.status, 0);
    QCOMPARE(launch({QStringLiteral("--"), Program}).status, 0);
    QCOMPARE(launch({QStringLiteral("--check"), QStringLiteral("--"), Program}).status, int(Yes));
}

void tst_Launcher::passesArguments()
{
    const QStringList arguments {QStringLiteral("a b"), QString(), QStringLiteral("--help"),
                                 QStringLiteral("$HOME '\"*")};
    const Result result
        = launch(QStringList {QStringLiteral("printf"), QStringLiteral("[%s]")} + arguments);
    QCOMPARE(result.out, QByteArray("[a b][][--help][$HOME '\"*]"));
}

void tst_Launcher::passesExitStatus()
{
    QCOMPARE(launch({Program, QStringLiteral("status")}).status, 42);
    QCOMPARE(launch({QStringLiteral("/nonexistent")}).status, 127);
}

void tst_Launcher::passesSignals()
{
    const Result result
        = launch({QStringLiteral("sh"), QStringLiteral("-c"), QStringLiteral("kill -TERM $$")});
    QCOMPARE(result.status, -SIGTERM);

    QProcess process;
    process.setProcessEnvironment(environment());
    process.start(Launcher,
                  {QStringLiteral("sh"), QStringLiteral("-c"),
                   QStringLiteral("trap 'exit 5' USR1; echo ready; while :; do sleep 0.01; done")});
    QVERIFY(process.waitForReadyRead());
    QCOMPARE(::kill(pid_t(process.processId()), SIGUSR1), 0);
    QVERIFY(process.waitForFinished());
    QCOMPARE(process.exitStatus(), QProcess::NormalExit);
    QCOMPARE(process.exitCode(), 5);
}

void tst_Launcher::keepsWhatWasPreloaded()
{
    const Result result
        = launch({Program}, {{QStringLiteral("LD_PRELOAD"), QStringLiteral(GLIB_TICKS)}});
    QCOMPARE(result.out, QByteArray("dispatcher GLibEventDispatcher\nglib\n"));
    QVERIFY(result.err.contains("glib"));
}

void tst_Launcher::canBeTurnedOff_data()
{
    QTest::addColumn<QString>("setting");
    for (const char *setting : {"off", "Off", "0", "no", "FALSE"})
        QTest::newRow(setting) << QString::fromLatin1(setting);
}

void tst_Launcher::canBeTurnedOff()
{
    QFETCH(QString, setting);
    const QMap<QString, QString> off {{QStringLiteral("GLIBEVENTDISPATCHER"), setting}};
    const Result result = launch({Program, QStringLiteral("dispatcher")}, off);
    QCOMPARE(result.out, QByteArray("dispatcher QEventDispatcherUNIX\n"));
    QCOMPARE(result.err, QByteArray());
    const Result checked = check(Program, off);
    QCOMPARE(checked.status, int(No));
    QVERIFY2(checked.out.contains("GLIBEVENTDISPATCHER=" + setting.toLatin1()), checked.out);
    // A folder that it could not be loaded from makes no difference then.
    QTemporaryDir folder(QDir::tempPath() + QStringLiteral("/a folder XXXXXX"));
    const QString launcher = folder.filePath(QStringLiteral("qt-on-glib"));
    QVERIFY(QFile::copy(Launcher, launcher));
    QCOMPARE(run(launcher, {Program, QStringLiteral("dispatcher")}, environment(off)).err, QByteArray());
}

void tst_Launcher::otherSettingsDoNotTurnItOff()
{
    for (const char *setting : {"", "on", "1", "yes", "true", "offer"}) {
        const Result result = launch({Program, QStringLiteral("dispatcher")},
                                     {{QStringLiteral("GLIBEVENTDISPATCHER"), QString::fromLatin1(setting)}});
        QCOMPARE(result.out, QByteArray("dispatcher GLibEventDispatcher\n"));
    }
}

void tst_Launcher::findsProgramsAsAShellDoes()
{
    const QFileInfo program(Program);
    const QMap<QString, QString> path {
        {QStringLiteral("PATH"), program.path() + u':' + qEnvironmentVariable("PATH")}};
    QCOMPARE(launch({program.fileName(), QStringLiteral("status")}, path).status, 42);
    QCOMPARE(check(program.fileName(), path).status, int(Yes));
    const Result missing = launch({QStringLiteral("no-such-program")});
    QCOMPARE(missing.status, 127);
    QCOMPARE(missing.err, QByteArray("qt-on-glib: no-such-program: not found\n"));

    // The commands that look at it are not to take it for an option.
    const QTemporaryDir folder;
    QVERIFY(QDir(folder.path()).mkdir(QStringLiteral("-folder")));
    const QString file = QStringLiteral("-folder/program");
    QVERIFY(QFile::link(Program, folder.filePath(file)));
    const QString before = QDir::currentPath();
    QVERIFY(QDir::setCurrent(folder.path()));
    const Result started = launch({QStringLiteral("--"), file});
    const Result checked = launch({QStringLiteral("--check"), QStringLiteral("--"), file});
    QVERIFY(QDir::setCurrent(before));
    QCOMPARE(started.err, QByteArray());
    QCOMPARE(started.status, 0);
    QCOMPARE(checked.status, int(Yes));
}

void tst_Launcher::reportsStalls()
{
    const QMap<QString, QString> toStandardError {{QStringLiteral("QT_FORCE_STDERR_LOGGING"), QStringLiteral("1")}};
    const QByteArray report = " by posted event QEvent::MetaCall to QCoreApplication\n";
    const Result slow = launch({QStringLiteral("--stalls"), Program, QStringLiteral("slow")}, toStandardError);
    QCOMPARE(slow.status, 0);
    QVERIFY2(slow.err.contains(report), slow.err);
    QVERIFY2(slow.err.contains(": 1 stall, longest "), slow.err);
    QCOMPARE(launch({Program, QStringLiteral("slow")}, toStandardError).err, QByteArray());

    const auto limit = [](const QStringList &options) {
        return launch(options + QStringList {QStringLiteral("printenv"), QStringLiteral("GLIBEVENTDISPATCHER_STALLS")}).out;
    };
    QCOMPARE(limit({QStringLiteral("--stalls")}), QByteArray("100\n"));
    QCOMPARE(limit({QStringLiteral("--stalls=7"), QStringLiteral("--")}), QByteArray("7\n"));
    QCOMPARE(limit({}), QByteArray());
}

void tst_Launcher::writesTraces()
{
    const QTemporaryDir folder;
    const QString name = folder.filePath(QStringLiteral("trace"));
    QCOMPARE(launch({QStringLiteral("--trace=") + name, QStringLiteral("--stalls=1000"), Program, QStringLiteral("slow")}).status, 0);
    QFile file(name);
    QVERIFY(file.open(QIODevice::ReadOnly));
    const QByteArray trace = file.readAll();
    QVERIFY2(trace.contains("\"name\":\"posted event QEvent::MetaCall to QCoreApplication\""), trace);

    const auto variable = [](const QStringList &options) {
        return launch(options + QStringList {QStringLiteral("printenv"), QStringLiteral("GLIBEVENTDISPATCHER_TRACE")}).out;
    };
    QCOMPARE(variable({QStringLiteral("--trace=file")}), QDir::currentPath().toLocal8Bit() + "/file\n");
    QCOMPARE(variable({}), QByteArray());
}

void tst_Launcher::explainsItself()
{
    const Result help = launch({QStringLiteral("--help")});
    QCOMPARE(help.status, 0);
    QCOMPARE(launch({QStringLiteral("-h")}).out, help.out);
    for (const char *word : {"PROGRAM", "--stalls", "--trace", "--check", "--version", "GLIBEVENTDISPATCHER"})
        QVERIFY2(help.out.contains(word), word);
    const Result version = launch({QStringLiteral("--version")});
    QCOMPARE(version.status, 0);
    QVERIFY2(version.out.startsWith("qt-on-glib 1."), version.out);
}

void tst_Launcher::refusesWrongUsage_data()
{
    QTest::addColumn<QStringList>("arguments");
    QTest::newRow("nothing") << QStringList();
    QTest::newRow("unknown option") << QStringList {QStringLiteral("--fast"), Program};
    QTest::newRow("nothing to check") << QStringList {QStringLiteral("--check")};
    QTest::newRow("nothing to check after the options")
        << QStringList {QStringLiteral("--check"), QStringLiteral("--")};
    QTest::newRow("no number") << QStringList {QStringLiteral("--stalls=soon"), Program};
    QTest::newRow("an empty number") << QStringList {QStringLiteral("--stalls="), Program};
    QTest::newRow("nothing to report on") << QStringList {QStringLiteral("--stalls")};
    QTest::newRow("no file") << QStringList {QStringLiteral("--trace="), Program};
    QTest::newRow("nothing to trace") << QStringList {QStringLiteral("--trace=file")};
    QTest::newRow("nothing after the options") << QStringList {QStringLiteral("--")};
}

void tst_Launcher::refusesWrongUsage()
{
    QFETCH(QStringList, arguments);
    const Result result = launch(arguments);
    QCOMPARE(result.status, 2);
    QCOMPARE(result.out, QByteArray());
    QVERIFY(!result.err.isEmpty());
}

void tst_Launcher::saysWhatItCannotDo_data()
{
    QTest::addColumn<QString>("folder");
    QTest::addColumn<QString>("program");
    QTest::addColumn<QByteArray>("output");
    QTest::addColumn<QByteArray>("reason");

    const QByteArray qts("dispatcher QEventDispatcherUNIX\n");
    QTest::newRow("no module") << QStringLiteral("empty") << Program << qts
                               << QByteArray("is missing");
    QTest::newRow("a space") << QStringLiteral("a space") << Program << qts
                             << QByteArray("a space or a colon");
    QTest::newRow("static Qt") << QString() << QStringLiteral(STATIC_QT_PROGRAM)
                               << QByteArray("ran\n")
                               << QByteArray("it was linked statically with Qt");
    QTest::newRow("static") << QString() << QStringLiteral(STATIC_PROGRAM) << QByteArray("ran\n")
                            << QByteArray("it is linked statically");
    QTest::newRow("Qt 5") << QString() << QStringLiteral(QT5_PROGRAM) << QByteArray("ran\n")
                          << QByteArray("it is a Qt 5 program");
}

void tst_Launcher::saysWhatItCannotDo()
{
    QFETCH(QString, folder);
    QFETCH(QString, program);
    QFETCH(QByteArray, output);
    QFETCH(QByteArray, reason);
    QTemporaryDir top;
    QString launcher = Launcher;
    if (!folder.isEmpty()) {
        QVERIFY(QDir(top.path()).mkdir(folder));
        launcher = top.filePath(folder + QStringLiteral("/qt-on-glib"));
        QVERIFY(QFile::copy(Launcher, launcher));
    }
    const Result result = run(launcher, {program, QStringLiteral("dispatcher")}, environment());
    QCOMPARE(result.status, 0);
    QCOMPARE(result.out, output);
    QCOMPARE(result.err.count('\n'), 1);
    QVERIFY2(result.err.startsWith("qt-on-glib: "), result.err);
    QVERIFY2(result.err.contains(reason), result.err);
    // It may be one that sets a GLibEventDispatcher itself.
    QVERIFY2(!result.err.contains("own event dispatcher"), result.err);
}

void tst_Launcher::refusesWhatCannotBeRun()
{
    for (const char *file : {"/usr", "/etc/passwd"}) {
        const Result result = launch({QString::fromLatin1(file)});
        QCOMPARE(result.status, 126);
        QCOMPARE(result.out, QByteArray());
        QCOMPARE(result.err, QByteArray("qt-on-glib: ") + file + ": not an executable file\n");
    }
}

void tst_Launcher::checks_data()
{
    QTest::addColumn<QString>("program");
    QTest::addColumn<int>("status");
    QTest::addColumn<QByteArray>("answer");

    QTest::newRow("Qt 6") << Program << int(Yes) << QByteArray("yes: ");
    QTest::newRow("no program") << QStringLiteral("no-such-program") << int(No)
                                << QByteArray("not found");
    QTest::newRow("folder") << QStringLiteral("/usr") << int(No) << QByteArray("is not a file");
    QTest::newRow("not executable")
        << QStringLiteral("/etc/passwd") << int(No) << QByteArray("is not executable");
    QTest::newRow("script") << Launcher << int(Unknown) << QByteArray("script for /bin/sh");
    QTest::newRow("no Qt") << QStringLiteral("/bin/true") << int(Unknown)
                           << QByteArray("not linked with Qt 6");
    QTest::newRow("static Qt") << QStringLiteral(STATIC_QT_PROGRAM) << int(No)
                               << QByteArray("linked statically with Qt");
    QTest::newRow("static") << QStringLiteral(STATIC_PROGRAM) << int(No)
                            << QByteArray("linked statically");
    QTest::newRow("Qt 5") << QStringLiteral(QT5_PROGRAM) << int(No) << QByteArray("Qt 5");
}

void tst_Launcher::checks()
{
    QFETCH(QString, program);
    QFETCH(int, status);
    QFETCH(QByteArray, answer);
    const Result result = check(program);
    QVERIFY2(result.out.contains(answer), result.out + result.err);
    QCOMPARE(result.err, QByteArray());
    QCOMPARE(result.out.count('\n'), 1);
    QCOMPARE(result.status, status);
}

void tst_Launcher::checksFilesWithSpecialRights()
{
    QTemporaryDir folder;
    const QString copy = folder.filePath(QStringLiteral("program"));
    QVERIFY(QFile::copy(Program, copy));
    QCOMPARE(check(copy).status, int(Yes));
    QCOMPARE(::chmod(QFile::encodeName(copy).constData(), 04755), 0);
    const Result result = check(copy);
    QCOMPARE(result.status, int(No));
    QVERIFY2(result.out.contains("setuid"), result.out);

    // No ELF program, and one for a machine that does not exist.
    QVERIFY(QFile::remove(copy));
    QFile file(copy);
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write("not a program");
    file.close();
    QCOMPARE(::chmod(QFile::encodeName(copy).constData(), 0755), 0);
    QVERIFY(check(copy).out.contains("is not an ELF program"));
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write(QByteArray("\x7f"
                          "ELF\x02\x01\x01",
                          7)
               + QByteArray(57, '\x7f'));
    file.close();
    QVERIFY(check(copy).out.contains("for another architecture"));
}

void tst_Launcher::checksTheInstallation()
{
    QTemporaryDir folder;
    const QString launcher = folder.filePath(QStringLiteral("qt-on-glib"));
    const QString library = folder.filePath(QStringLiteral(LIBRARY_NAME));
    const auto answer = [launcher] {
        return run(launcher, {QStringLiteral("--check"), Program}, environment());
    };
    QVERIFY(QFile::copy(Launcher, launcher));
    QVERIFY(answer().out.contains("libGLibEventDispatcherAutoload.so is missing"));
    QVERIFY(QFile::copy(QStringLiteral(MODULE),
                        folder.filePath(QStringLiteral("libGLibEventDispatcherAutoload.so"))));
    QVERIFY(answer().out.contains(LIBRARY_NAME " is missing"));
    QVERIFY(QFile::copy(QStringLiteral(NEWER_LIBRARY), library));
    const Result newer = answer();
    QCOMPARE(newer.status, int(No));
    QVERIFY2(newer.out.contains("Qt_6.999"), newer.out);
    QVERIFY(QFile::remove(library));
    QVERIFY(QFile::copy(QStringLiteral(LIBRARY), library));
    QCOMPARE(answer().status, int(Yes));
}

QTEST_GUILESS_MAIN(tst_Launcher)

#include "tst_launcher.moc"
