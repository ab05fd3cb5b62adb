// SPDX-License-Identifier: MIT

#include <QtCore/QDir>
#include <QtCore/QFile>
#include <QtCore/QJsonObject>
#include <QtCore/QPluginLoader>
#include <QtCore/QProcess>
#include <QtCore/QTemporaryDir>
#include <QtCore/QVersionNumber>
#include <QtTest/QTest>

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
    void otherQt_data();
    void otherQt();
    void rangeOfQt();
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
         {m_name, QDir(besideLibrary()).canonicalPath(), inPluginPath(), QStringLiteral("private headers"),
          QStringLiteral("qt6-base-private-dev")})
        QVERIFY2(m_errors.contains(named.toLocal8Bit()), m_errors.constData());
    // No distribution has it.
    QVERIFY2(!m_errors.contains("libglibeventdispatcher1"), m_errors.constData());
}

void tst_PluginSearch::besideTheLibrary()
{
    put(QStringLiteral(WINDOWSYSTEM_PLUGIN), besideLibrary());
    run();
    QCOMPARE(m_errors, QByteArray());
    QCOMPARE(m_output, QByteArray("painted with GLibEventDispatcher\n"));
}

void tst_PluginSearch::behindALink()
{
    put(QStringLiteral(WINDOWSYSTEM_PLUGIN), besideLibrary());
    QVERIFY(QDir().mkpath(m_dir->filePath(QStringLiteral("links"))));
    QVERIFY(QFile::link(m_dir->filePath(QStringLiteral("lib/" LIBRARY_NAME)),
                        m_dir->filePath(QStringLiteral("links/" LIBRARY_NAME))));
    run({}, QStringLiteral("links"));
    QCOMPARE(m_errors, QByteArray());
    QCOMPARE(m_output, QByteArray("painted with GLibEventDispatcher\n"));
}

void tst_PluginSearch::inQtsPluginPath()
{
    put(QStringLiteral(WINDOWSYSTEM_PLUGIN), inPluginPath());
    run();
    QCOMPARE(m_errors, QByteArray());
    QCOMPARE(m_output, QByteArray("painted with GLibEventDispatcher\n"));
}

void tst_PluginSearch::missing()
{
    run({QStringLiteral("--briefly")});
    checkComplaint();
}

void tst_PluginSearch::otherQt_data()
{
    QTest::addColumn<QString>("plugin");
    QTest::addColumn<QByteArray>("versions");

    QTest::newRow("tried with older ones") << QStringLiteral(OLDER_QT_PLUGIN) << QByteArray("6.2.0 to 6.3");
    QTest::newRow("built for a newer one") << QStringLiteral(NEWER_QT_PLUGIN) << QByteArray("6.99.1 to 6.99");
}

void tst_PluginSearch::otherQt()
{
    QFETCH(QString, plugin);
    QFETCH(QByteArray, versions);
    put(plugin, besideLibrary());
    run({QStringLiteral("--briefly")});
    checkComplaint();
    QVERIFY2(m_errors.contains(" is for Qt " + versions), m_errors.constData());
}

/// From the one that it was built with, which may be older than the one at hand, to one that is not older.
void tst_PluginSearch::rangeOfQt()
{
    const QJsonObject versions = QPluginLoader(QStringLiteral(WINDOWSYSTEM_PLUGIN))
                                     .metaData()
                                     .value(QStringLiteral("MetaData"))
                                     .toObject();
    const auto version = [&versions](const char *key) {
        return QVersionNumber::fromString(versions.value(QLatin1String(key)).toString());
    };
    QCOMPARE(version("QtVersion"), QVersionNumber::fromString(QStringLiteral(QT_VERSION_STR)));
    const QVersionNumber newest = version("NewestQt");
    QCOMPARE(newest.segmentCount(), 2);
    QVERIFY(newest >= QVersionNumber(6, 11));
    QVERIFY(newest >= QVersionNumber(QT_VERSION_MAJOR, QT_VERSION_MINOR));
}

void tst_PluginSearch::notAPlugin()
{
    put(QStringLiteral("/etc/passwd"), besideLibrary());
    run({QStringLiteral("--briefly")});
    checkComplaint();
}

void tst_PluginSearch::nextPlaceAfterAMisfit()
{
    put(QStringLiteral(OLDER_QT_PLUGIN), besideLibrary());
    put(QStringLiteral(WINDOWSYSTEM_PLUGIN), inPluginPath());
    run();
    QCOMPARE(m_errors, QByteArray());
    QCOMPARE(m_output, QByteArray("painted with GLibEventDispatcher\n"));
}

void tst_PluginSearch::programWithoutWindows()
{
    run({QStringLiteral("--no-windows")});
    QCOMPARE(m_errors, QByteArray());
    QCOMPARE(m_output, QByteArray("ran with GLibEventDispatcher\n"));
}

QTEST_GUILESS_MAIN(tst_PluginSearch)

#include "tst_pluginsearch.moc"
