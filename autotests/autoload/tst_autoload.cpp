// SPDX-License-Identifier: MIT

#include "run.h"

#include <QtCore/QLibraryInfo>
#include <QtCore/QStandardPaths>
#include <QtCore/QTemporaryDir>

#include <dlfcn.h>
#include <link.h>
#include <sys/auxv.h>

namespace {

const QString Module = QStringLiteral(MODULE);
const QString Program = QStringLiteral(PROGRAM);
const QString LibraryName = QStringLiteral(LIBRARY_NAME);

constexpr char Ran[] = "dispatcher GLibEventDispatcher\nglib\n";
constexpr char RanOnQts[] = "dispatcher QEventDispatcherUNIX\n";

/// A Python that has one of @p modules, and which one; empty strings if there is none.
QPair<QString, QString> pythonWith(const QStringList &modules)
{
    for (const QString &python : {QStringLiteral("/usr/bin/python3"), QStringLiteral("python3")}) {
        for (const QString &module : modules) {
            if (run(python, {QStringLiteral("-c"), QStringLiteral("import %1.QtCore").arg(module)},
                    environment())
                    .status
                == 0)
                return {python, module};
        }
    }
    return {};
}

QString programOfQt(const QString &name)
{
    return QStandardPaths::findExecutable(name, {QLibraryInfo::path(QLibraryInfo::BinariesPath)});
}

bool mentionsFrameworks(const QByteArray &maps)
{
    return maps.contains("libglib") || maps.contains("libGLibEventDispatcher.so")
        || maps.contains("libQt") || maps.contains("libstdc++");
}

}

class tst_Autoload : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void preloaded_data();
    void preloaded();
    void linked();
    void linkedBehindQt();
    void exitStatusStays();
    void childrenGetItToo();
    void ownDispatcherStays();
    void programThatNeedsNone();
    void tooLate();
    void canBeTurnedOff();
    void otherProcessesAreLeftAlone_data();
    void otherProcessesAreLeftAlone();
    void unusableLibraryCostsOneLine_data();
    void unusableLibraryCostsOneLine();
    void staticQtCostsOneLine();
    void preloadedByTheLinker();
    void unreadableSegment();
    void python_data();
    void python();
    void qt5PythonIsLeftAlone();
    void toolOfQt();
    void serverOfQt();
};

void tst_Autoload::preloaded_data()
{
    QTest::addColumn<QString>("task");
    QTest::addColumn<QByteArray>("output");

    QTest::newRow("application") << QString() << QByteArray(Ran);
    QTest::newRow("class derived from it") << QStringLiteral("derived") << QByteArray(Ran);
    QTest::newRow("two, one after the other")
        << QStringLiteral("twice") << QByteArray(Ran).repeated(2);
}

void tst_Autoload::preloaded()
{
    QFETCH(QString, task);
    QFETCH(QByteArray, output);
    const Result result = run(Program, {task}, preloading(Module));
    QCOMPARE(result.err, QByteArray());
    QCOMPARE(result.out, output);
    QCOMPARE(result.status, 0);
}

void tst_Autoload::linked()
{
    const Result result = run(QStringLiteral(LINKED_PROGRAM), {}, environment());
    QCOMPARE(result.err, QByteArray());
    QCOMPARE(result.out, QByteArray(Ran));

    // In front of Qt: it is asked only when the application is constructed.
    const Result idle
        = run(QStringLiteral(LINKED_PROGRAM), {QStringLiteral("no-application")}, environment());
    QVERIFY(!idle.out.contains("libGLibEventDispatcher.so"));
    const Result own
        = run(QStringLiteral(LINKED_PROGRAM), {QStringLiteral("own-dispatcher")}, environment());
    QCOMPARE(own.out, QByteArray("dispatcher OwnDispatcher\n"));
}

void tst_Autoload::linkedBehindQt()
{
    const Result result = run(QStringLiteral(LINKED_BEHIND_PROGRAM), {}, environment());
    QCOMPARE(result.err, QByteArray());
    QCOMPARE(result.out, QByteArray(Ran));
}

void tst_Autoload::exitStatusStays()
{
    QCOMPARE(run(Program, {QStringLiteral("status")}, preloading(Module)).status, 42);
}

void tst_Autoload::childrenGetItToo()
{
    const QStringList arguments {QStringLiteral("-c"), QStringLiteral("\"$0\"; exit $?"), Program};
    QCOMPARE(run(QStringLiteral("/bin/sh"), arguments, preloading(Module)).out, QByteArray(Ran));
}

void tst_Autoload::ownDispatcherStays()
{
    QProcessEnvironment variables = preloading(Module);
    const Result result = run(Program, {QStringLiteral("own-dispatcher")}, variables);
    QCOMPARE(result.out, QByteArray("dispatcher OwnDispatcher\n"));
    QCOMPARE(result.err.count('\n'), 1);
    QVERIFY2(result.err.contains("as the program has set its OwnDispatcher"), result.err);

    variables.insert(QStringLiteral("QT_LOGGING_RULES"), QStringLiteral("*.debug=false"));
    const Result quiet = run(Program, {QStringLiteral("own-dispatcher")}, variables);
    QCOMPARE(quiet.out, QByteArray("dispatcher OwnDispatcher\n"));
    QCOMPARE(quiet.err, QByteArray());
}

/// It already has what it would get, even where the module itself could not give it.
void tst_Autoload::programThatNeedsNone()
{
    QTemporaryDir folder;
    const QString alone = folder.filePath(QStringLiteral("libGLibEventDispatcherAutoload.so"));
    QVERIFY(QFile::copy(Module, alone));
    for (const QString &module : {Module, alone}) {
        const Result result = run(QStringLiteral(OWN_PROGRAM), {}, preloading(module));
        QCOMPARE(result.err, QByteArray());
        QCOMPARE(result.out, QByteArray(Ran));
    }
}

void tst_Autoload::tooLate()
{
    QProcessEnvironment variables = environment();
    variables.insert(QStringLiteral("QT_LOGGING_RULES"), QStringLiteral("*.debug=false"));
    const Result result = run(Program, {QStringLiteral("load-late"), Module}, variables);
    QCOMPARE(result.out, QByteArray(RanOnQts));
    QCOMPARE(result.err.count('\n'), 1);
    QVERIFY2(result.err.contains("the application is there already"), result.err);
}

void tst_Autoload::canBeTurnedOff()
{
    QProcessEnvironment variables = environment();
    const QStringList arguments {QStringLiteral("dispatcher")};
    for (const char *setting : {"off", "OFF", "0", "no", "False"}) {
        variables.insert(QStringLiteral("GLIBEVENTDISPATCHER"), QString::fromLatin1(setting));
        variables.remove(QStringLiteral("LD_PRELOAD"));
        for (const char *program : {LINKED_PROGRAM, LINKED_BEHIND_PROGRAM})
            QCOMPARE(run(QString::fromLocal8Bit(program), arguments, variables).out, QByteArray(RanOnQts));
        variables.insert(QStringLiteral("LD_PRELOAD"), Module);
        QCOMPARE(run(Program, arguments, variables).out, QByteArray(RanOnQts));
    }
    variables.insert(QStringLiteral("GLIBEVENTDISPATCHER"), QStringLiteral("on"));
    QCOMPARE(run(Program, arguments, variables).out, QByteArray("dispatcher GLibEventDispatcher\n"));
}

void tst_Autoload::otherProcessesAreLeftAlone_data()
{
    QTest::addColumn<QString>("program");
    QTest::addColumn<QStringList>("arguments");

    QTest::newRow("shell")
        << QStringLiteral("/bin/sh")
        << QStringList {QStringLiteral("-c"),
                        QStringLiteral("while read -r l; do echo \"$l\"; done </proc/$$/maps")};
    QTest::newRow("tool") << QStringLiteral("/bin/cat")
                          << QStringList {QStringLiteral("/proc/self/maps")};
}

void tst_Autoload::otherProcessesAreLeftAlone()
{
    QFETCH(QString, program);
    QFETCH(QStringList, arguments);
    const Result result = run(program, arguments, preloading(Module));
    QCOMPARE(result.status, 0);
    QCOMPARE(result.err, QByteArray());
    QVERIFY2(result.out.contains("libGLibEventDispatcherAutoload.so"), "it was not preloaded");
    QVERIFY2(!mentionsFrameworks(result.out), result.out);
    QCOMPARE(run(QStringLiteral("/bin/true"), {}, preloading(Module)).status, 0);
    QCOMPARE(run(QStringLiteral("/bin/false"), {}, preloading(Module)).status, 1);

    // Qt is there, but no application is.
    const Result idle = run(Program, {QStringLiteral("no-application")}, preloading(Module));
    QVERIFY(idle.out.contains("libQt6Core"));
    QVERIFY(!idle.out.contains("libGLibEventDispatcher.so"));
}

void tst_Autoload::unusableLibraryCostsOneLine_data()
{
    QTest::addColumn<QString>("library");
    QTest::addColumn<QByteArray>("reason");

    QTest::newRow("missing") << QString() << QByteArray("cannot open shared object file");
    QTest::newRow("for another Qt") << QStringLiteral(NEWER_LIBRARY) << QByteArray("Qt_6.999");
    QTest::newRow("another library")
        << QStringLiteral(GLIB_TICKS) << QByteArray("undefined symbol");
    QTest::newRow("not a library")
        << QStringLiteral("/etc/passwd") << QByteArray("invalid ELF header");
}

void tst_Autoload::unusableLibraryCostsOneLine()
{
    QFETCH(QString, library);
    QFETCH(QByteArray, reason);
    QTemporaryDir folder;
    const QString module = folder.filePath(QStringLiteral("libGLibEventDispatcherAutoload.so"));
    QVERIFY(QFile::copy(Module, module));
    if (library.isEmpty()) {
        for (const QString &place : QStringLiteral(LIBRARY_FOLDERS).split(u':')) {
            if (QFile::exists(place + u'/' + LibraryName))
                QSKIP("the one that is installed in this system would be found");
        }
    } else {
        QVERIFY(QFile::copy(library, folder.filePath(LibraryName)));
    }

    const Result result = run(Program, {QStringLiteral("dispatcher")}, preloading(module));
    QCOMPARE(result.out, QByteArray(RanOnQts));
    QCOMPARE(result.status, 0);
    QCOMPARE(result.err.count('\n'), 1);
    QVERIFY2(result.err.startsWith("GLibEventDispatcher: autoload_program: not installed"),
             result.err);
    QVERIFY2(result.err.contains(reason), result.err);
    QVERIFY2(result.err.contains(LIBRARY_NAME), result.err);
}

void tst_Autoload::staticQtCostsOneLine()
{
    const Result result = run(QStringLiteral(LINKED_STATIC_QT_PROGRAM), {}, environment());
    QCOMPARE(result.out, QByteArray("ran\n"));
    QCOMPARE(result.err.count('\n'), 1);
    QVERIFY2(result.err.endsWith("it was linked statically with Qt\n"), result.err);

    // Not looked for in whatever it is preloaded into.
    QCOMPARE(run(QStringLiteral(STATIC_QT_PROGRAM), {}, preloading(Module)).err, QByteArray());
}

/// As by /etc/ld.so.preload: no variable tells of it.
void tst_Autoload::preloadedByTheLinker()
{
    Dl_info linker{};
    QVERIFY(dladdr(reinterpret_cast<void *>(getauxval(AT_BASE)), &linker));
    const auto runPreloaded = [&linker](const char *program) {
        return run(QFile::decodeName(linker.dli_fname),
                   {QStringLiteral("--preload"), Module, QString::fromLocal8Bit(program)}, environment());
    };
    const Result result = runPreloaded(PROGRAM);
    if (result.err.contains("--preload"))
        QSKIP("this dynamic linker has no --preload");
    QCOMPARE(result.err, QByteArray());
    QCOMPARE(result.out, QByteArray(Ran));

    const Result withStaticQt = runPreloaded(STATIC_QT_PROGRAM);
    QCOMPARE(withStaticQt.err, QByteArray());
    QCOMPARE(withStaticQt.out, QByteArray("ran\n"));
}

/// Turns a program header that nothing needs into a segment without rights. The name that is looked for is changed,
/// so that all segments are looked through.
void tst_Autoload::unreadableSegment()
{
    QTemporaryDir folder;
    QFile file(folder.filePath(QStringLiteral("program")));
    QVERIFY(QFile::copy(QStringLiteral(LINKED_STATIC_QT_PROGRAM), file.fileName()));
    QVERIFY(file.open(QIODevice::ReadWrite));
    uchar *data = file.map(0, file.size());
    QVERIFY(data);
    const auto *header = reinterpret_cast<const ElfW(Ehdr) *>(data);
    auto *segments = reinterpret_cast<ElfW(Phdr) *>(data + header->e_phoff);
    int changed = 0;
    for (int i = 0; i < header->e_phnum; ++i) {
        if (segments[i].p_type != PT_GNU_STACK)
            continue;
        constexpr int Page = 0x10000; // where they are largest
        segments[i] = {};
        segments[i].p_type = PT_LOAD;
        segments[i].p_offset = 16 * Page; // not the headers, which Linux looks for
        segments[i].p_vaddr = segments[i].p_paddr = 16 * Page; // behind all others
        segments[i].p_memsz = segments[i].p_filesz = Page;
        segments[i].p_align = Page;
        ++changed;
    }
    QByteArray content = file.readAll();
    for (qsizetype at; (at = content.indexOf("16QCoreApplication")) >= 0; content[at] = 'x')
        data[at] = 'x';
    QVERIFY(file.unmap(data)); // what can be written to is not run
    file.close();
    QCOMPARE(changed, 1);

    const Result result = run(file.fileName(), {}, environment());
    QCOMPARE(result.status, 0);
    QCOMPARE(result.out, QByteArray("ran\n"));
    QCOMPARE(result.err, QByteArray());
}

void tst_Autoload::python_data()
{
    QTest::addColumn<bool>("preload");
    QTest::addColumn<QString>("script");

    const QString load = QStringLiteral("import ctypes; ctypes.CDLL('%1')\n").arg(Module);
    const QString import = QStringLiteral("from %1.QtCore import *\n");
    QTest::newRow("preloaded") << true << import;
    QTest::newRow("loaded after Qt") << false << import + load;
    QTest::newRow("loaded before Qt") << false << load + import;
}

void tst_Autoload::python()
{
    QFETCH(bool, preload);
    QFETCH(QString, script);
    const auto [python, module] = pythonWith({QStringLiteral("PySide6"), QStringLiteral("PyQt6")});
    if (python.isEmpty())
        QSKIP("neither PySide6 nor PyQt6 is installed");
    const QString source = script.arg(module)
        + QStringLiteral("app = QCoreApplication([])\n"
                         "print(QAbstractEventDispatcher.instance().metaObject().className())\n"
                         "QTimer.singleShot(0, app.quit)\n"
                         "app.exec()\n");
    const Result result
        = run(python, {QStringLiteral("-c"), source}, preload ? preloading(Module) : environment());
    QCOMPARE(result.err, QByteArray());
    QCOMPARE(result.out, QByteArray("GLibEventDispatcher\n"));
    QCOMPARE(result.status, 0);
}

void tst_Autoload::qt5PythonIsLeftAlone()
{
    const auto [python, module] = pythonWith({QStringLiteral("PyQt5"), QStringLiteral("PySide2")});
    if (python.isEmpty())
        QSKIP("neither PyQt5 nor PySide2 is installed");
    const QString source = QStringLiteral("from %1.QtCore import *\n"
                                          "app = QCoreApplication([])\n"
                                          "print(open('/proc/self/maps').read())\n"
                                          "QTimer.singleShot(0, app.quit)\n"
                                          "app.exec_()\n")
                               .arg(module);
    const Result result = run(python, {QStringLiteral("-c"), source}, preloading(Module));
    QCOMPARE(result.err, QByteArray());
    QVERIFY(result.out.contains("libQt5Core"));
    QVERIFY(!result.out.contains("libQt6Core"));
    QVERIFY(!result.out.contains("libGLibEventDispatcher.so"));
    QCOMPARE(result.status, 0);
}

void tst_Autoload::toolOfQt()
{
    const QString lrelease = programOfQt(QStringLiteral("lrelease"));
    if (lrelease.isEmpty())
        QSKIP("lrelease of Qt 6 is not installed");
    QTemporaryDir folder;
    QFile file(folder.filePath(QStringLiteral("some.ts")));
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write("<!DOCTYPE TS><TS version=\"2.1\" language=\"de\"></TS>\n");
    file.close();

    const Result result = run(lrelease, {file.fileName()}, preloading(Module));
    QCOMPARE(result.err, QByteArray());
    QCOMPARE(result.status, 0);
    QVERIFY(QFile::exists(folder.filePath(QStringLiteral("some.qm"))));
}

/// A program with an event loop, to which requests come from a thread.
void tst_Autoload::serverOfQt()
{
    const QString qmlls = programOfQt(QStringLiteral("qmlls"));
    if (qmlls.isEmpty())
        QSKIP("qmlls of Qt 6 is not installed");
    QProcess process;
    process.setProcessEnvironment(preloading(Module + u' ' + QStringLiteral(GLIB_TICKS)));
    process.start(qmlls, QStringList());

    const QByteArray request(R"({"jsonrpc":"2.0","id":1,"method":"initialize",)"
                             R"("params":{"processId":null,"rootUri":null,"capabilities":{}}})");
    process.write("Content-Length: " + QByteArray::number(request.size()) + "\r\n\r\n" + request);
    QByteArray out;
    QVERIFY(QTest::qWaitFor(
        [&] { return (out += process.readAllStandardOutput()).contains("capabilities"); }, 30000));
    QByteArray err;
    QVERIFY(QTest::qWaitFor(
        [&] { return (err += process.readAllStandardError()).contains("glib\n"); }, 30000));
    process.kill();
    QVERIFY(process.waitForFinished());
}

QTEST_GUILESS_MAIN(tst_Autoload)

#include "tst_autoload.moc"
