// SPDX-License-Identifier: MIT

#include "exampleprocess.h"

#include <QtCore/QTemporaryDir>

/// Builds the examples as their first lines say, with an installation in a folder of its own.
class tst_Recipes : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void recipe_data();
    void recipe();
    void signalsOfQtAndGio_data();
    void signalsOfQtAndGio();

private:
    bool run(const QString &commands, const QString &folder, QByteArray *output) const;

    QTemporaryDir m_top;
    const QString m_prefix = m_top.filePath(QStringLiteral("prefix"));
};

namespace {

QByteArray read(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

void write(const QString &path, const QByteArray &text)
{
    QFile file(path);
    if (!file.open(QIODevice::WriteOnly) || file.write(text) != text.size())
        qFatal("cannot write %s", qPrintable(path));
}

/// The indented lines of the first comment.
QByteArray recipeIn(const QByteArray &source)
{
    const qsizetype begin = source.indexOf("/*\n");
    const qsizetype end = source.indexOf("*/\n", begin);
    QByteArray recipe;
    for (const QByteArray &line : source.mid(begin, end - begin).split('\n')) {
        if (line.startsWith("    "))
            recipe += line.mid(4) + '\n';
    }
    return recipe;
}

} // namespace

/// Runs a shell's commands in a folder where the name c++ is this build's compiler.
bool tst_Recipes::run(const QString &commands, const QString &folder, QByteArray *output) const
{
    QProcess shell;
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    for (const char *name : { "CPPFLAGS", "CXXFLAGS", "LDFLAGS", "LD_LIBRARY_PATH" })
        environment.remove(QLatin1String(name));
    environment.insert(QStringLiteral("PATH"),
                       m_top.path() + u':' + environment.value(QStringLiteral("PATH")));
    environment.insert(QStringLiteral("PKG_CONFIG_PATH"),
                       m_prefix + QStringLiteral("/" LIBRARY_FOLDER "/pkgconfig"));
    environment.insert(QStringLiteral("CMAKE_PREFIX_PATH"), m_prefix);
    environment.insert(QStringLiteral("CMAKE_GENERATOR"), QStringLiteral(GENERATOR));
    environment.insert(QStringLiteral("CXX"), QStringLiteral(COMPILER));
    shell.setProcessEnvironment(environment);
    shell.setProcessChannelMode(QProcess::MergedChannels);
    shell.setWorkingDirectory(folder);
    shell.start(QStringLiteral("sh"), { QStringLiteral("-ec"), commands });
    const bool ended = shell.waitForFinished(200'000);
    *output = shell.readAll();
    return ended && shell.exitStatus() == QProcess::NormalExit && shell.exitCode() == 0;
}

void tst_Recipes::initTestCase()
{
    QVERIFY(QFile::link(QStringLiteral(COMPILER), m_top.filePath(QStringLiteral("c++"))));
    QByteArray output;
    QVERIFY2(run(QStringLiteral("'" CMAKE "' --install '" BUILD_FOLDER "' --config '" BUILD_TYPE
                                "' --prefix '%1'")
                     .arg(m_prefix),
                 m_top.path(), &output),
             output);
}

void tst_Recipes::recipe_data()
{
    QTest::addColumn<QString>("folder");
    for (const QString &example : QStringLiteral(EXAMPLES).split(u'|')) {
        const QString folder = example.section(u'=', 0, 0);
        QTest::newRow(qPrintable(folder)) << folder;
    }
}

void tst_Recipes::recipe()
{
    QFETCH(const QString, folder);
    const QByteArray source = read(QStringLiteral(EXAMPLES_FOLDER "/%1/main.cpp").arg(folder));
    const QByteArray recipe = recipeIn(source);
    QVERIFY(!recipe.isEmpty());
    QVERIFY(QDir(m_top.path()).mkpath(folder));
    const QDir copy(m_top.filePath(folder));
    write(copy.filePath(QStringLiteral("main.cpp")), source);

    QString commands = QString::fromUtf8(recipe);
    if (recipe.startsWith("cmake_minimum_required")) {
        write(copy.filePath(QStringLiteral("CMakeLists.txt")), recipe);
        commands = QStringLiteral("'" CMAKE "' . && '" CMAKE "' --build .");
    }
    QByteArray output;
    QVERIFY2(run(commands, copy.path(), &output), output);
    QVERIFY2(!output.contains("warning:"), output);
    const QString program = QFileInfo(ExampleProcess::path(folder)).fileName();
    QVERIFY2(QFileInfo(copy.filePath(program)).isExecutable(), output);
}

void tst_Recipes::signalsOfQtAndGio_data()
{
    QTest::addColumn<QByteArray>("first");
    QTest::addColumn<QByteArray>("second");
    QTest::addColumn<QString>("option");
    QTest::addColumn<bool>("compiles");
    const QByteArray qt("#include <GLibEventDispatcher>\n");
    const QByteArray gio("#include <gio/gio.h>\n");
    QTest::newRow("no cure") << qt << gio << QString() << false;
    QTest::newRow("no keywords") << qt << gio << QStringLiteral("-DQT_NO_KEYWORDS") << true;
    QTest::newRow("GIO first") << gio << qt << QString() << true;
}

/// What the examples and their README say of the name `signals`.
void tst_Recipes::signalsOfQtAndGio()
{
    QFETCH(const QByteArray, first);
    QFETCH(const QByteArray, second);
    QFETCH(const QString, option);
    QFETCH(const bool, compiles);
    QByteArray output;
    if (!run(QStringLiteral("pkg-config --exists gio-2.0"), m_top.path(), &output))
        QSKIP("GIO's headers are not installed (Debian: libglib2.0-dev)");
    write(m_top.filePath(QStringLiteral("both.cpp")), first + second);
    const bool compiled = run(QStringLiteral("c++ -std=c++17 -fPIC -fsyntax-only %1 both.cpp "
                                             "$(pkg-config --cflags glibeventdispatcher gio-2.0)")
                                  .arg(option),
                              m_top.path(), &output);
    QVERIFY2(compiled == compiles, output);
    QVERIFY2(compiled || output.contains("gdbusintrospection.h"), output);
}

QTEST_GUILESS_MAIN(tst_Recipes)

#include "tst_recipes.moc"
