// SPDX-License-Identifier: MIT

#include "answer.h"

#include <GLibEventDispatcher>
#include <GLibSelector>

#include <QtCore/QTemporaryDir>

#include <dlfcn.h>

namespace {

const QString Library = QStringLiteral(LIBRARY);
const QByteArray BaseVersion = "GLIBEVENTDISPATCHER_1_QT"
    + QByteArray::number(GLIBEVENTDISPATCHER_QT_VERSION >> 16)
    + QByteArray::number((GLIBEVENTDISPATCHER_QT_VERSION >> 8) & 0xff);

struct Symbol {
    qulonglong size = 0;
    QByteArray name; // with its version
};

/// The dynamic symbols of the file, as nm has them.
QList<Symbol> symbols(const QString &file, const char *which)
{
    QList<Symbol> symbols;
    const QList<QByteArray> lines
        = answer(QStringLiteral(NM),
                 { QStringLiteral("-D"), QStringLiteral("-S"), QLatin1String(which), file })
              .split('\n');
    for (const QByteArray &line : lines) {
        const QList<QByteArray> words = line.simplified().split(' ');
        if (words.size() < 2)
            continue;
        Symbol symbol;
        symbol.name = words.last();
        symbol.name.replace("@@", "@");
        if (words.size() == 4)
            symbol.size = words[1].toULongLong(nullptr, 16);
        symbols += symbol;
    }
    return symbols;
}

qulonglong sizeOf(const QString &file, const QByteArray &name)
{
    for (const Symbol &symbol : symbols(file, "--defined-only")) {
        if (symbol.name.startsWith(name + '@'))
            return symbol.size;
    }
    return 0;
}

/// The lines of cmake/debian/symbols for this build, without the version of the library.
QByteArrayList listedSymbols()
{
    QFile file(QStringLiteral(SOURCE_FOLDER "/cmake/debian/symbols"));
    if (!file.open(QIODevice::ReadOnly))
        return {};
    QByteArrayList listed;
    for (const QByteArray &line : file.readAll().split('\n')) {
        const QByteArray name
            = line.startsWith(' ') ? line.simplified().split(' ').first() : QByteArray();
        if (name.endsWith("@GLIBEVENTDISPATCHER_1") || name.endsWith('@' + BaseVersion))
            listed += name;
    }
    return listed;
}

} // namespace

/// What docs/packaging.md promises to programs that were built with an earlier version.
class tst_Abi : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void exportsWhatIsListed();
    void sizes();
    void addsNoVirtualFunction();
    void refusesProgramsForTheOtherBaseClass();
    void installFunctionIsFoundByName();
    void usesNoPrivateSymbolOfQt();
};

void tst_Abi::exportsWhatIsListed()
{
    if (sizeof(void *) != 8)
        QSKIP("The list has the names of std::chrono's types on 64-bit systems");
    QByteArrayList missing = listedSymbols();
    QVERIFY(missing.size() > 40);
    QByteArrayList added;
    for (Symbol symbol : symbols(Library, "--defined-only")) {
        if (!symbol.name.contains('@')) // a version itself
            symbol.name += '@' + symbol.name;
        if (!missing.removeOne(symbol.name))
            added += symbol.name;
    }
    for (const QByteArray &name : std::as_const(added)) {
        qWarning("for cmake/debian/symbols: %s " GLIBEVENTDISPATCHER_VERSION_STR "%s",
                 name.constData(), name.contains("_QT") ? " 1" : "");
    }
    QVERIFY2(missing.isEmpty(), missing.join("\n"));
    QVERIFY2(added.isEmpty(), added.join("\n"));
}

void tst_Abi::sizes()
{
    QCOMPARE(sizeof(GLibSelector), sizeof(void *));
    QCOMPARE(sizeof(GLibSelector::Descriptor), 2 * sizeof(int) + sizeof(void *));
    QCOMPARE(sizeof(GLibEventDispatcher), sizeof(QAbstractEventDispatcher) + sizeof(void *));
}

void tst_Abi::addsNoVirtualFunction()
{
    // The address of an object of Qt's may be that of a copy in the program.
    Dl_info qt;
    QVERIFY(dladdr(dlsym(RTLD_DEFAULT, "qVersion"), &qt));
    const bool isV2 = GLIBEVENTDISPATCHER_QT_VERSION >= QT_VERSION_CHECK(6, 8, 0);
    const qulonglong base
        = sizeOf(QFile::decodeName(qt.dli_fname),
                 isV2 ? "_ZTV26QAbstractEventDispatcherV2" : "_ZTV24QAbstractEventDispatcher");
    QVERIFY(base > 0);
    QCOMPARE(sizeOf(Library, "_ZTV19GLibEventDispatcher"), base);
}

/// The library as it would be if it had been built with a Qt whose base class is another one: under
/// another version of its symbols.
void tst_Abi::refusesProgramsForTheOtherBaseClass()
{
    QFile file(Library);
    QVERIFY(file.open(QIODevice::ReadOnly));
    QByteArray content = file.readAll();
    QVERIFY(content.contains(BaseVersion));
    content.replace(BaseVersion, BaseVersion.chopped(2) + "99");

    QTemporaryDir folder;
    QFile other(folder.filePath(QFileInfo(Library).fileName()));
    QVERIFY(other.open(QIODevice::WriteOnly));
    QCOMPARE(other.write(content), content.size());
    other.close();

    QProcessEnvironment variables = environment();
    variables.insert(QStringLiteral("LD_LIBRARY_PATH"), folder.path());
    const Result result = run(QStringLiteral(PROGRAM), {}, variables);
    QVERIFY(result.status != 0);
    QVERIFY2(result.err.contains("version `" + BaseVersion + "' not found"), result.err);

    variables.insert(QStringLiteral("LD_LIBRARY_PATH"), QFileInfo(Library).path());
    QCOMPARE(run(QStringLiteral(PROGRAM), {}, variables).status, 0);
}

/// As plugin/autoload and Python look for it, which know no version.
void tst_Abi::installFunctionIsFoundByName()
{
    void *library = dlopen(LIBRARY, RTLD_NOW);
    QVERIFY2(library, dlerror());
    QVERIFY(dlsym(library, "glibeventdispatcher_install"));
    dlclose(library);
}

void tst_Abi::usesNoPrivateSymbolOfQt()
{
    int count = 0;
    for (const Symbol &symbol : symbols(Library, "--undefined-only")) {
        QVERIFY2(!symbol.name.contains("PRIVATE_API"), symbol.name);
        count += symbol.name.contains("@Qt_6");
    }
    QVERIFY(count > 30);
}

QTEST_GUILESS_MAIN(tst_Abi)

#include "tst_abi.moc"
