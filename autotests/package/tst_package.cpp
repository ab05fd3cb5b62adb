// SPDX-License-Identifier: MIT

#include "answer.h"

#include <QtCore/QDirIterator>
#include <QtCore/QTemporaryDir>

namespace {

const QString LibraryFolder = QStringLiteral(LIBRARY_FOLDER);
const QString CMake = QStringLiteral(CMAKE);

QByteArray content(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

/// The command that begins with @p start, as the README has it, or else docs/packaging.md.
QByteArray documented(const QByteArray &start)
{
    const QByteArray text = content(QStringLiteral(SOURCE_FOLDER "/README.md"))
        + content(QStringLiteral(SOURCE_FOLDER "/docs/packaging.md"));
    const qsizetype begin = text.indexOf(start);
    if (begin < 0)
        return "echo No document says how to: " + start + "; false";
    // A line of a block, or a piece of one in backquotes.
    return text.mid(begin, text.indexOf('\n', begin) - begin).split('`').first();
}

} // namespace

class tst_Package : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void uninstall();
    void autoloadModuleNeedsOnlyTheCLibrary();
    void mentionsNoFolder();
    void findPackage();
    void unknownComponent();
    void partOfAProject_data();
    void partOfAProject();
    void pkgConfig();
    void launcher();

private:
    QByteArray shell(const QString &home, const QByteArray &commands,
                     const QStringList &arguments = {});
    QByteArray configureConsumer(const QString &folder, const QStringList &options,
                                 const QString &home = {});
    bool buildConsumer(const QString &folder, const QStringList &options, const QString &home = {});
    QString installed(const QString &path) const { return m_prefix + u'/' + path; }
    QString library(const QString &name) const { return installed(LibraryFolder + u'/' + name); }

    QTemporaryDir m_top;
    const QString m_home = m_top.filePath(QStringLiteral("home/me"));
    const QString m_prefix = m_home + QStringLiteral("/.local");
    const QString m_firstHome = m_top.filePath(QStringLiteral("first"));
    const QString m_sources = m_top.filePath(QStringLiteral("sources"));
};

/// Runs what somebody with that home directory types in the folder with the sources, where the
/// folder "build" is this build.
QByteArray tst_Package::shell(const QString &home, const QByteArray &commands,
                              const QStringList &arguments)
{
    QProcessEnvironment variables = bareEnvironment();
    variables.insert(QStringLiteral("HOME"), home);
    const QByteArray script = "cd '" + QFile::encodeName(m_sources) + "'\n" + commands;
    return answer(
        QStringLiteral("sh"),
        QStringList{ QStringLiteral("-ec"), QString::fromLocal8Bit(script), QStringLiteral("sh") }
            + arguments,
        variables);
}

/// Installs everything into one home directory and moves it to another.
void tst_Package::initTestCase()
{
    for (const QString &folder : { m_sources, m_firstHome, QFileInfo(m_home).path() })
        QVERIFY(QDir().mkpath(folder));
    QVERIFY(QFile::link(QStringLiteral(BUILD_FOLDER), m_sources + QStringLiteral("/build")));
    const QByteArray log = shell(m_firstHome, documented("cmake --install build"));
    QVERIFY2(log.contains("libGLibEventDispatcher.so"), log);
    QVERIFY(QDir().rename(m_firstHome, m_home));

    for (const char *file :
         { "libGLibEventDispatcher.so", "libGLibEventDispatcher.so.1",
           "libGLibEventDispatcherAutoload.so", "pkgconfig/glibeventdispatcher.pc",
           "cmake/GLibEventDispatcher/GLibEventDispatcherConfig.cmake",
           "cmake/GLibEventDispatcher/GLibEventDispatcherConfigVersion.cmake" })
        QVERIFY2(QFile::exists(library(QLatin1String(file))), file);
    for (const char *file : { "bin/qt-on-glib", "share/man/man1/qt-on-glib.1",
                              "include/GLibEventDispatcher/GLibSelector",
                              "include/GLibEventDispatcher/GLibEventDispatcher" })
        QVERIFY2(QFile::exists(installed(QLatin1String(file))), file);
    QVERIFY(content(installed(QStringLiteral(
                        "include/GLibEventDispatcher/glibeventdispatcher_version.h")))
                .contains("VERSION_STR \"" VERSION "\""));

    // Debian's folders are for Debian's packages.
    QVERIFY2(!LibraryFolder.contains(u'/'), LIBRARY_FOLDER);
    QVERIFY(!QFile::exists(installed(QStringLiteral("share/doc"))));
}

/// Whatever was installed is gone, and what was there before is not.
void tst_Package::uninstall()
{
    const QString home = m_top.filePath(QStringLiteral("second"));
    const QString folder = home + QStringLiteral("/.local/") + LibraryFolder;
    QVERIFY(QDir().mkpath(folder));
    QFile other(folder + QStringLiteral("/libOther.so"));
    QVERIFY(other.open(QIODevice::WriteOnly));
    other.close();

    QVERIFY(shell(home, documented("cmake --install build")) != "failed");
    QVERIFY(QFile::exists(folder + QStringLiteral("/libGLibEventDispatcher.so.1")));
    QVERIFY(shell(home, documented("cmake --build build --target uninstall")) != "failed");

    QStringList left;
    QDirIterator files(home, QDir::Files | QDir::System | QDir::Hidden,
                       QDirIterator::Subdirectories);
    while (files.hasNext())
        left += files.next();
    QCOMPARE(left, QStringList{ other.fileName() });
    QVERIFY(!QFile::exists(home + QStringLiteral("/.local/include/GLibEventDispatcher")));
}

void tst_Package::autoloadModuleNeedsOnlyTheCLibrary()
{
    const QByteArray sections = answer(
        QStringLiteral(READELF),
        { QStringLiteral("-d"), library(QStringLiteral("libGLibEventDispatcherAutoload.so")) });
    QCOMPARE(sections.count("(NEEDED)"), 1);
    QVERIFY2(sections.contains("[libc.so."), sections);
}

/// As it could not be moved otherwise.
void tst_Package::mentionsNoFolder()
{
    QDirIterator files(m_prefix, QDir::Files, QDirIterator::Subdirectories);
    while (files.hasNext()) {
        const QString path = files.next();
        const QByteArray text = content(path);
        QVERIFY2(!text.contains(QFile::encodeName(m_firstHome)), qPrintable(path));
        if (!path.contains(QStringLiteral(".so"))) // debug information may have it
            QVERIFY2(!text.contains(BUILD_FOLDER), qPrintable(path));
        else
            QVERIFY2(
                !answer(QStringLiteral(READELF), { QStringLiteral("-d"), path }).contains("PATH)"),
                qPrintable(path));
    }
}

/// With a home directory: as the documents say for what is installed there.
QByteArray tst_Package::configureConsumer(const QString &folder, const QStringList &options,
                                          const QString &home)
{
    const QStringList configure{ CMake,
                                 QStringLiteral("-S"),
                                 QStringLiteral(CONSUMER_FOLDER),
                                 QStringLiteral("-B"),
                                 folder,
                                 QStringLiteral("-G"),
                                 QStringLiteral(GENERATOR),
                                 QStringLiteral("-DCMAKE_CXX_COMPILER=" COMPILER) };
    const QByteArray setting
        = home.isEmpty() ? QByteArray() : documented("export CMAKE_PREFIX_PATH");
    return shell(home, setting + "\nexec \"$@\" 2>&1", configure + options);
}

bool tst_Package::buildConsumer(const QString &folder, const QStringList &options,
                                const QString &home)
{
    return configureConsumer(folder, options, home) != "failed"
        && answer(CMake,
                  { QStringLiteral("--build"), folder, QStringLiteral("--parallel"),
                    QStringLiteral("2") })
        != "failed";
}

void tst_Package::findPackage()
{
    const QString folder = m_top.filePath(QStringLiteral("find-package"));
    const QStringList options{ QStringLiteral("-DCOMPONENTS=Autoload"),
                               QStringLiteral("-DCMAKE_CXX_FLAGS=-fno-exceptions") };
    QVERIFY(buildConsumer(folder, options, m_home));
    QCOMPARE(answer(folder + QStringLiteral("/consumer"), {}), QByteArray("glib\n"));
    QCOMPARE(answer(folder + QStringLiteral("/autoloaded"), {}),
             QByteArray("GLibEventDispatcher\n"));
}

void tst_Package::unknownComponent()
{
    const QString folder = m_top.filePath(QStringLiteral("unknown-component"));
    QTest::ignoreMessage(QtWarningMsg,
                         QRegularExpression(QStringLiteral(
                             "(?s)there is no component Windows; the only one is\\s+Autoload")));
    QCOMPARE(configureConsumer(folder, { QStringLiteral("-DCOMPONENTS=Windows") }, m_home),
             QByteArray("failed"));
}

void tst_Package::partOfAProject_data()
{
    QTest::addColumn<bool>("isShared");
    QTest::newRow("shared") << true;
    QTest::newRow("static") << false;
}

/// The project's programs run where they are built, and where they are installed. The library is compiled as one file, which
/// is faster, and which this build does not do.
void tst_Package::partOfAProject()
{
    QFETCH(bool, isShared);
    const QString folder = m_top.filePath(QLatin1String(QTest::currentDataTag()));
    const QString prefix = folder + QStringLiteral("-installed");
    QStringList options{ QStringLiteral("-DGLIBEVENTDISPATCHER_FOLDER=" SOURCE_FOLDER),
                         QStringLiteral("-DGLIBEVENTDISPATCHER_WINDOWSYSTEM=OFF"),
                         QStringLiteral("-DGLIBEVENTDISPATCHER_WERROR=ON"),
                         QStringLiteral("-DCMAKE_UNITY_BUILD=ON"),
                         QStringLiteral("-DCMAKE_UNITY_BUILD_BATCH_SIZE=0") };
    if (!isShared)
        options += QStringLiteral("-DBUILD_SHARED_LIBS=OFF");
    QVERIFY(buildConsumer(folder, options));
    QVERIFY(
        answer(CMake, { QStringLiteral("--install"), folder, QStringLiteral("--prefix"), prefix })
        != "failed");
    QCOMPARE(QFile::exists(prefix + u'/' + LibraryFolder
                           + QStringLiteral("/libGLibEventDispatcher.so.1")),
             isShared);

    const QStringList programs = isShared
        ? QStringList{ QStringLiteral("/consumer"), QStringLiteral("/autoloaded") }
        : QStringList{ QStringLiteral("/consumer") };
    for (const QString &program : programs) {
        const QByteArray expected
            = program == programs.first() ? "glib\n" : "GLibEventDispatcher\n";
        QCOMPARE(answer(folder + program, {}), expected);
    }
    QVERIFY(QDir(folder).removeRecursively());
    for (const QString &program : programs) {
        const QByteArray expected
            = program == programs.first() ? "glib\n" : "GLibEventDispatcher\n";
        QCOMPARE(answer(prefix + QStringLiteral("/bin") + program, {}), expected);
        QVERIFY(!content(prefix + QStringLiteral("/bin") + program)
                     .contains(QFile::encodeName(folder) + "/glibeventdispatcher"));
    }
    if (isShared)
        return;

    // A static library is a package as well.
    const QString second = m_top.filePath(QStringLiteral("static-package"));
    const QString findIt = QStringLiteral("-DCMAKE_PREFIX_PATH=") + prefix;
    QVERIFY(buildConsumer(second, { findIt }));
    QCOMPARE(answer(second + QStringLiteral("/consumer"), {}), QByteArray("glib\n"));
    QTest::ignoreMessage(QtWarningMsg,
                         QRegularExpression(QStringLiteral(
                             "(?s)there is no component Autoload, as.*BUILD_SHARED_LIBS=OFF")));
    QCOMPARE(configureConsumer(second, { findIt, QStringLiteral("-DCOMPONENTS=Autoload") }),
             QByteArray("failed"));
}

void tst_Package::pkgConfig()
{
    const auto ask = [this](const QByteArray &options) {
        return QString::fromLocal8Bit(shell(m_home,
                                            documented("export CMAKE_PREFIX_PATH") + "\npkg-config "
                                                + options + " glibeventdispatcher"))
            .simplified();
    };
    QCOMPARE(QDir(ask("--variable=prefix")).canonicalPath(), QDir(m_prefix).canonicalPath());
    QVERIFY(QFile::exists(ask("--variable=autoload")));
    QVERIFY(QFile::exists(ask("--variable=libdir") + QStringLiteral("/libGLibEventDispatcher.so")));
    QVERIFY(QFile::exists(ask("--variable=includedir")
                          + QStringLiteral("/GLibEventDispatcher/GLibSelector")));
    const QByteArray text = content(QStringLiteral(SOURCE_FOLDER "/docs/packaging.md"));
    const QStringList variables = ask("--print-variables").split(u' ');
    for (const QString &name : variables) {
        if (name != QStringLiteral("pcfiledir"))
            QVERIFY2(text.contains("| `" + name.toLatin1() + "` |"), qPrintable(name));
    }

    QVERIFY(QFile::copy(QStringLiteral(CONSUMER_FOLDER "/consumer.cpp"),
                        m_sources + QStringLiteral("/app.cpp")));
    QVERIFY(
        shell(m_home,
              documented("export CMAKE_PREFIX_PATH") + '\n' + documented("c++ -std=c++17 -fPIC"))
        != "failed");
    QCOMPARE(answer(m_sources + QStringLiteral("/a.out"), {}), QByteArray("glib\n"));
}

void tst_Package::launcher()
{
    const QString program = QStringLiteral(PROGRAM);
    const QByteArray ran("dispatcher GLibEventDispatcher\nglib\n");
    QCOMPARE(answer(installed(QStringLiteral("bin/qt-on-glib")), { program }), ran);
    QVERIFY(
        answer(installed(QStringLiteral("bin/qt-on-glib")), { QStringLiteral("--check"), program })
            .startsWith("yes"));

    // Called by a link, from anywhere.
    const QString link = m_top.filePath(QStringLiteral("link"));
    QVERIFY(QFile::link(installed(QStringLiteral("bin/qt-on-glib")), link));
    QCOMPARE(answer(link, { program }), ran);
}

QTEST_GUILESS_MAIN(tst_Package)

#include "tst_package.moc"
