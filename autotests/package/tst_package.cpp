// SPDX-License-Identifier: MIT

#include "run.h"

#include <QtCore/QDirIterator>
#include <QtCore/QTemporaryDir>

namespace {

const QString LibraryFolder = QStringLiteral(LIBRARY_FOLDER);
const QString CMake = QStringLiteral(CMAKE);

/// The environment without anything that could help to find the installation.
QProcessEnvironment bareEnvironment()
{
    QProcessEnvironment variables = environment();
    for (const char *name : {"CMAKE_PREFIX_PATH", "PKG_CONFIG_PATH", "CXXFLAGS", "LDFLAGS"})
        variables.remove(QLatin1String(name));
    return variables;
}

QByteArray answer(const QString &program, const QStringList &arguments)
{
    const Result result = run(program, arguments, bareEnvironment());
    if (result.status != 0) {
        qWarning("%s %s: status %d\n%s%s", qPrintable(program), qPrintable(arguments.join(u' ')),
                 result.status, result.out.constData(), result.err.constData());
    }
    return result.status == 0 ? result.out : QByteArray("failed");
}

/// What `nm` tells of dynamic symbols, a line each.
QList<QByteArray> symbols(const QString &library, const QString &which)
{
    return answer(QStringLiteral(NM), {QStringLiteral("-D"), QStringLiteral("-C"), which, library})
        .split('\n');
}

}

class tst_Package : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void exportsNothingElse();
    void usesNoPrivateSymbolOfQt();
    void autoloadModuleNeedsOnlyTheCLibrary();
    void mentionsNoFolder();
    void findPackage();
    void addSubdirectory();
    void pkgConfig();
    void launcher();

private:
    bool buildConsumer(const QString &folder, const QStringList &options);
    QString installed(const QString &path) const { return m_prefix + u'/' + path; }
    QString library(const QString &name) const { return installed(LibraryFolder + u'/' + name); }

    QTemporaryDir m_top;
    QString m_firstPrefix = m_top.filePath(QStringLiteral("first"));
    QString m_prefix = m_top.filePath(QStringLiteral("home/me/.local"));
};

/// Installs everything into one prefix and moves it to another.
void tst_Package::initTestCase()
{
    const QByteArray log = answer(CMake, {QStringLiteral("--install"), QStringLiteral(BUILD_FOLDER),
                                          QStringLiteral("--prefix"), m_firstPrefix,
                                          QStringLiteral("--config"), QStringLiteral(BUILD_TYPE)});
    QVERIFY(log.contains("libGLibEventDispatcher.so"));
    QVERIFY(QDir().mkpath(QFileInfo(m_prefix).path()));
    QVERIFY(QDir().rename(m_firstPrefix, m_prefix));

    for (const char *file :
         {"libGLibEventDispatcher.so", "libGLibEventDispatcher.so.1", "libGLibEventDispatcherAutoload.so",
          "pkgconfig/glibeventdispatcher.pc",
          "cmake/GLibEventDispatcher/GLibEventDispatcherConfig.cmake",
          "cmake/GLibEventDispatcher/GLibEventDispatcherConfigVersion.cmake"})
        QVERIFY2(QFile::exists(library(QLatin1String(file))), file);
    for (const char *file :
         {"bin/qt-on-glib", "share/man/man1/qt-on-glib.1", "include/GLibEventDispatcher/GLibSelector",
          "include/GLibEventDispatcher/GLibEventDispatcher"})
        QVERIFY2(QFile::exists(installed(QLatin1String(file))), file);
}

void tst_Package::exportsNothingElse()
{
    int count = 0;
    for (const QByteArray &line : symbols(library(QStringLiteral("libGLibEventDispatcher.so")),
                                          QStringLiteral("--defined-only"))) {
        if (line.isEmpty())
            continue;
        ++count;
        QByteArray name = line.mid(19); // behind the address and the kind
        for (const char *prefix : {"vtable for ", "typeinfo for ", "typeinfo name for "}) {
            if (name.startsWith(prefix))
                name = name.mid(int(qstrlen(prefix))) + "::";
        }
        QVERIFY2(name.startsWith("GLibEventDispatcher::") || name.startsWith("GLibSelector::")
                     || name == "glibeventdispatcher_install",
                 line);
    }
    QVERIFY(count > 30);
}

void tst_Package::usesNoPrivateSymbolOfQt()
{
    int count = 0;
    for (const QByteArray &line : symbols(library(QStringLiteral("libGLibEventDispatcher.so")),
                                          QStringLiteral("--undefined-only"))) {
        QVERIFY2(!line.contains("PRIVATE_API"), line);
        count += line.contains("@Qt_6");
    }
    QVERIFY(count > 30);
}

void tst_Package::autoloadModuleNeedsOnlyTheCLibrary()
{
    const QByteArray sections =
        answer(QStringLiteral(READELF),
               {QStringLiteral("-d"), library(QStringLiteral("libGLibEventDispatcherAutoload.so"))});
    QCOMPARE(sections.count("(NEEDED)"), 1);
    QVERIFY2(sections.contains("[libc.so."), sections);
}

/// As it could not be moved otherwise.
void tst_Package::mentionsNoFolder()
{
    QDirIterator files(m_prefix, QDir::Files, QDirIterator::Subdirectories);
    while (files.hasNext()) {
        const QString path = files.next();
        QFile file(path);
        QVERIFY(file.open(QIODevice::ReadOnly));
        const QByteArray content = file.readAll();
        QVERIFY2(!content.contains(QFile::encodeName(m_firstPrefix)), qPrintable(path));
        if (!path.contains(QStringLiteral(".so"))) // debug information may have it
            QVERIFY2(!content.contains(BUILD_FOLDER), qPrintable(path));
        else
            QVERIFY2(!answer(QStringLiteral(READELF), {QStringLiteral("-d"), path}).contains("PATH)"),
                     qPrintable(path));
    }
}

bool tst_Package::buildConsumer(const QString &folder, const QStringList &options)
{
    const QStringList configure{QStringLiteral("-S"), QStringLiteral(CONSUMER_FOLDER),
                                QStringLiteral("-B"), folder,
                                QStringLiteral("-G"), QStringLiteral(GENERATOR),
                                QStringLiteral("-DCMAKE_CXX_COMPILER=" COMPILER)};
    return answer(CMake, configure + options) != "failed"
        && answer(CMake, {QStringLiteral("--build"), folder, QStringLiteral("--parallel"),
                          QStringLiteral("2"), QStringLiteral("--target"), QStringLiteral("consumer"),
                          QStringLiteral("autoloaded")})
        != "failed";
}

void tst_Package::findPackage()
{
    const QString folder = m_top.filePath(QStringLiteral("find-package"));
    QVERIFY(buildConsumer(folder, {QStringLiteral("-DCMAKE_PREFIX_PATH=") + m_prefix}));
    QCOMPARE(answer(folder + QStringLiteral("/consumer"), {}), QByteArray("glib\n"));
    QCOMPARE(answer(folder + QStringLiteral("/autoloaded"), {}), QByteArray("GLibEventDispatcher\n"));
}

void tst_Package::addSubdirectory()
{
    const QString folder = m_top.filePath(QStringLiteral("add-subdirectory"));
    QVERIFY(buildConsumer(folder, {QStringLiteral("-DGLIBEVENTDISPATCHER_FOLDER=" SOURCE_FOLDER),
                                   QStringLiteral("-DGLIBEVENTDISPATCHER_WINDOWSYSTEM=OFF")}));
    QCOMPARE(answer(folder + QStringLiteral("/consumer"), {}), QByteArray("glib\n"));
    QCOMPARE(answer(folder + QStringLiteral("/autoloaded"), {}), QByteArray("GLibEventDispatcher\n"));
}

void tst_Package::pkgConfig()
{
    const QString file = library(QStringLiteral("pkgconfig/glibeventdispatcher.pc"));
    const auto ask = [file](const char *option) {
        return QString::fromLocal8Bit(answer(QStringLiteral(PKG_CONFIG), {QLatin1String(option), file}))
            .simplified();
    };
    QCOMPARE(QDir(ask("--variable=prefix")).canonicalPath(), QDir(m_prefix).canonicalPath());
    QVERIFY(QFile::exists(ask("--variable=autoload")));

    const QString program = m_top.filePath(QStringLiteral("pkg-config-consumer"));
    QStringList arguments{QStringLiteral("-std=c++17"), QStringLiteral("-fPIC"), QStringLiteral("-o"),
                          program, QStringLiteral(CONSUMER_FOLDER "/consumer.cpp")};
    arguments += ask("--cflags").split(u' ') + ask("--libs").split(u' ');
    arguments += QStringLiteral("-Wl,-rpath,") + ask("--variable=libdir");
    QVERIFY(answer(QStringLiteral(COMPILER), arguments) != "failed");
    QCOMPARE(answer(program, {}), QByteArray("glib\n"));
}

void tst_Package::launcher()
{
    const QString program = QStringLiteral(PROGRAM);
    const QByteArray ran("dispatcher GLibEventDispatcher\nglib\n");
    QCOMPARE(answer(installed(QStringLiteral("bin/qt-on-glib")), {program}), ran);
    QVERIFY(answer(installed(QStringLiteral("bin/qt-on-glib")), {QStringLiteral("--check"), program})
                .startsWith("yes"));

    // Called by a link, from anywhere.
    const QString link = m_top.filePath(QStringLiteral("link"));
    QVERIFY(QFile::link(installed(QStringLiteral("bin/qt-on-glib")), link));
    QCOMPARE(answer(link, {program}), ran);
}

QTEST_GUILESS_MAIN(tst_Package)

#include "tst_package.moc"
