// SPDX-License-Identifier: MIT

#include "run.h"

#include <QtCore/QDir>
#include <QtCore/QTemporaryDir>

namespace {

const QString ModuleName = QStringLiteral("libGLibEventDispatcherAutoload.so");
const QString LauncherName = QStringLiteral("qt-on-glib");

constexpr char PaintedByOurs[] = "painted with GLibEventDispatcher\n";

}

/// A program that gets the dispatcher without being built for it, with windows that may be served or not.
class tst_StepAside : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void installs_data() { addWays(QStringLiteral(WINDOWSYSTEM_PLUGIN)); }
    void installs();
    void stepsAside_data();
    void stepsAside();
    void programWithoutWindowsNeedsNoPlugin();
    void checksBeforehand_data();
    void checksBeforehand();

private:
    enum Way { Preloaded, Linked, Loaded, Launched };

    static void addWays(const QString &plugin);
    QString installed(const QString &name) const { return m_folder->filePath(name); }
    void putPlugin(const QString &file);
    Result runProgram(Way way, const QStringList &arguments = {}) const;
    Result check() const;

    const QString m_pluginName = QFileInfo(QStringLiteral(WINDOWSYSTEM_PLUGIN)).fileName();
    std::unique_ptr<QTemporaryDir> m_folder;
};

void tst_StepAside::addWays(const QString &plugin)
{
    QTest::addColumn<int>("way");
    QTest::addColumn<QString>("plugin");

    QTest::newRow("preloaded") << int(Preloaded) << plugin;
    QTest::newRow("linked") << int(Linked) << plugin;
    QTest::newRow("loaded before the application") << int(Loaded) << plugin;
    QTest::newRow("by qt-on-glib") << int(Launched) << plugin;
}

/// Everything is there but the plugin.
void tst_StepAside::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    for (const QString &name : {QStringLiteral(LIBRARY_NAME), ModuleName, LauncherName})
        QVERIFY(QFile::copy(QStringLiteral(FOLDER "/") + name, installed(name)));
    QVERIFY(QDir(m_folder->path()).mkdir(QStringLiteral("glibeventdispatcher")));
}

void tst_StepAside::putPlugin(const QString &file)
{
    QVERIFY(QFile::copy(file, installed(QStringLiteral("glibeventdispatcher/") + m_pluginName)));
}

Result tst_StepAside::runProgram(Way way, const QStringList &arguments) const
{
    QProcessEnvironment variables
        = environment({{QStringLiteral("LD_LIBRARY_PATH"), m_folder->path()},
                       {QStringLiteral("QT_QPA_PLATFORM"), QStringLiteral("offscreen")},
                       {QStringLiteral("XDG_RUNTIME_DIR"), m_folder->path()}});
    const QString program = QStringLiteral(UNAWARE_PROGRAM);
    switch (way) {
    case Preloaded:
        variables.insert(QStringLiteral("LD_PRELOAD"), installed(ModuleName));
        break;
    case Linked:
        return run(QStringLiteral(LINKED_PROGRAM), arguments, variables);
    case Loaded:
        return run(program, {QStringLiteral("--load"), installed(ModuleName)}, variables);
    case Launched:
        return run(installed(LauncherName), QStringList {program} + arguments, variables);
    }
    return run(program, arguments, variables);
}

Result tst_StepAside::check() const
{
    return run(installed(LauncherName), {QStringLiteral("--check"), QStringLiteral(UNAWARE_PROGRAM)},
               environment());
}

void tst_StepAside::installs()
{
    QFETCH(int, way);
    QFETCH(QString, plugin);
    putPlugin(plugin);
    const Result result = runProgram(Way(way));
    QCOMPARE(result.err, QByteArray());
    QCOMPARE(result.out, QByteArray(PaintedByOurs));
    QCOMPARE(result.status, 0);
}

void tst_StepAside::stepsAside_data()
{
    addWays(QString());
    QTest::newRow("a plugin for older versions") << int(Preloaded) << QStringLiteral(OLDER_QT_PLUGIN);
    QTest::newRow("a plugin for newer versions") << int(Preloaded) << QStringLiteral(NEWER_QT_PLUGIN);
    QTest::newRow("no plugin at all") << int(Preloaded) << QStringLiteral("/etc/passwd");
}

/// The windows are served by Qt's own dispatcher then.
void tst_StepAside::stepsAside()
{
    QFETCH(int, way);
    QFETCH(QString, plugin);
    if (!plugin.isEmpty())
        putPlugin(plugin);
    const Result result = runProgram(Way(way));
    QVERIFY2(result.out.startsWith("painted with Q"), result.out);
    QCOMPARE(result.status, 0);
    QCOMPARE(result.err.count('\n'), 1);
    QVERIFY2(result.err.contains("not installed, as the windows of this program would get no events"), result.err);
    QVERIFY2(result.err.contains(m_pluginName.toLatin1()), result.err);
}

void tst_StepAside::programWithoutWindowsNeedsNoPlugin()
{
    for (const Way way : {Preloaded, Linked, Launched}) {
        const Result result = runProgram(way, {QStringLiteral("--no-windows")});
        QCOMPARE(result.err, QByteArray());
        QCOMPARE(result.out, QByteArray("ran with GLibEventDispatcher\n"));
    }
}

void tst_StepAside::checksBeforehand_data()
{
    QTest::addColumn<QString>("plugin");
    QTest::addColumn<QByteArray>("answer");

    QTest::newRow("fits") << QStringLiteral(WINDOWSYSTEM_PLUGIN) << QByteArray("yes: ");
    QTest::newRow("missing") << QString() << QByteArray("is missing");
    QTest::newRow("for older versions")
        << QStringLiteral(OLDER_QT_PLUGIN) << QByteArray("is for Qt 6.2.0 to 6.3, and ");
    QTest::newRow("for newer versions")
        << QStringLiteral(NEWER_QT_PLUGIN) << QByteArray("is for Qt 6.99.1 to 6.99, and ");
    QTest::newRow("not a plugin") << QStringLiteral("/etc/passwd") << QByteArray("is not such a plugin");
}

void tst_StepAside::checksBeforehand()
{
    QFETCH(QString, plugin);
    QFETCH(QByteArray, answer);
    if (!plugin.isEmpty())
        putPlugin(plugin);
    const Result result = check();
    QCOMPARE(result.err, QByteArray());
    QCOMPARE(result.out.count('\n'), 1);
    QVERIFY2(result.out.contains(answer), result.out);
    QCOMPARE(result.status, answer.startsWith("yes") ? 0 : 1);
    if (answer.startsWith("is for"))
        QVERIFY2(result.out.trimmed().endsWith(QByteArray(" is Qt ") + qVersion()), result.out);
}

QTEST_GUILESS_MAIN(tst_StepAside)

#include "tst_stepaside.moc"
