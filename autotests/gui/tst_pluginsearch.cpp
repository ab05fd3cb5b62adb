// SPDX-License-Identifier: MIT

#include <QtCore/QDir>
#include <QtCore/QFile>
#include <QtCore/QProcess>
#include <QtCore/QTemporaryDir>
#include <QtTest/QtTest>

/// Where the library looks for the window-system plugin, and what it says if there is none of use.
class tst_PluginSearch : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void besideTheLibrary();
    void behindALink();
    void inQtsPluginPath();
    void missing();
    void otherQt();
    void notAPlugin();
    void nextPlaceAfterAMisfit();
    void programWithoutWindows();

private:
    void put(const QString &file, const QString &folder);
    QString besideLibrary() const { return m_dir->filePath(QStringLiteral("lib/glibeventdispatcher")); }
    QString inPluginPath() const { return m_dir->filePath(QStringLiteral("qt/glibeventdispatcher")); }
    void run(const QStringList &arguments = {}, const QString &libraries = QStringLiteral("lib"));

    /// One line, which names the file and the places.
    void checkComplaint();

    const QString m_name = QFileInfo(QStringLiteral(WINDOWSYSTEM_PLUGIN)).fileName();
    std::unique_ptr<QTemporaryDir> m_dir;
    QByteArray m_output;
    QByteArray m_errors;
};

void tst_PluginSearch::init()
{
    m_dir = std::make_unique<QTemporaryDir>();
    for (const QString &folder : {besideLibrary(), inPluginPath()})
        QVERIFY(QDir().mkpath(folder));
    // Under the name by which programs ask for it.
    QVERIFY(QFile::copy(QStringLiteral(LIBRARY), m_dir->filePath(QStringLiteral("lib/" LIBRARY_NAME))));
}

void tst_PluginSearch::put(const QString &file, const QString &folder)
{
    QVERIFY(QFile::copy(file, folder + QLatin1Char('/') + m_name));
}

void tst_PluginSearch::run(const QStringList &arguments, const QString &libraries)
{
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    environment.insert(QStringLiteral("LD_LIBRARY_PATH"), m_dir->filePath(libraries));
    environment.insert(QStringLiteral("QT_PLUGIN_PATH"), m_dir->filePath(QStringLiteral("qt")));
    environment.insert(QStringLiteral("QT_QPA_PLATFORM"), QStringLiteral("offscreen"));
    environment.insert(QStringLiteral("QT_NO_GLIB"), QStringLiteral("1"));
    environment.insert(QStringLiteral("XDG_RUNTIME_DIR"), m_dir->path());
    environment.remove(QStringLiteral("QT_MESSAGE_PATTERN"));
    QProcess program;
    program.setProcessEnvironment(environment);
    program.start(QStringLiteral(PROGRAM), arguments);
    QVERIFY(program.waitForFinished(60000));
    QCOMPARE(program.exitStatus(), QProcess::NormalExit);
    QCOMPARE(program.exitCode(), 0);
    m_output = program.readAllStandardOutput();
    m_errors = program.readAllStandardError();
}

void tst_PluginSearch::checkComplaint()
{
    QCOMPARE(m_output, QByteArray());
    QCOMPARE(m_errors.count('\n'), 1);
    for (const QString &named :
         {m_name, QDir(besideLibrary()).canonicalPath(), inPluginPath(),
          QStringLiteral("libglibeventdispatcher1"), QStringLiteral("qt6-base-private-dev")})
        QVERIFY2(m_errors.contains(named.toLocal8Bit()), m_errors.constData());
}

void tst_PluginSearch::besideTheLibrary()
{
    put(QStringLiteral(WINDOWSYSTEM_PLUGIN), besideLibrary());
    run();
    QCOMPARE(m_errors, QByteArray());
    QCOMPARE(m_output, QByteArray("painted\n"));
}

void tst_PluginSearch::behindALink()
{
    put(QStringLiteral(WINDOWSYSTEM_PLUGIN), besideLibrary());
    QVERIFY(QDir().mkpath(m_dir->filePath(QStringLiteral("links"))));
    QVERIFY(QFile::link(m_dir->filePath(QStringLiteral("lib/" LIBRARY_NAME)),
                        m_dir->filePath(QStringLiteral("links/" LIBRARY_NAME))));
    run({}, QStringLiteral("links"));
    QCOMPARE(m_errors, QByteArray());
    QCOMPARE(m_output, QByteArray("painted\n"));
}

void tst_PluginSearch::inQtsPluginPath()
{
    put(QStringLiteral(WINDOWSYSTEM_PLUGIN), inPluginPath());
    run();
    QCOMPARE(m_errors, QByteArray());
    QCOMPARE(m_output, QByteArray("painted\n"));
}

void tst_PluginSearch::missing()
{
    run({QStringLiteral("--briefly")});
    checkComplaint();
}

void tst_PluginSearch::otherQt()
{
    put(QStringLiteral(OTHER_QT_PLUGIN), besideLibrary());
    run({QStringLiteral("--briefly")});
    checkComplaint();
    QVERIFY2(m_errors.contains("was built for Qt 6.99.1"), m_errors.constData());
}

void tst_PluginSearch::notAPlugin()
{
    put(QFINDTESTDATA("tst_pluginsearch.cpp"), besideLibrary());
    run({QStringLiteral("--briefly")});
    checkComplaint();
}

void tst_PluginSearch::nextPlaceAfterAMisfit()
{
    put(QStringLiteral(OTHER_QT_PLUGIN), besideLibrary());
    put(QStringLiteral(WINDOWSYSTEM_PLUGIN), inPluginPath());
    run();
    QCOMPARE(m_errors, QByteArray());
    QCOMPARE(m_output, QByteArray("painted\n"));
}

void tst_PluginSearch::programWithoutWindows()
{
    run({QStringLiteral("--no-windows")});
    QCOMPARE(m_errors, QByteArray());
    QCOMPARE(m_output, QByteArray());
}

QTEST_GUILESS_MAIN(tst_PluginSearch)

#include "tst_pluginsearch.moc"
