// SPDX-License-Identifier: MIT

#include "exampleprocess.h"
#include "httpserver.h"

#include <QtCore/QStandardPaths>
#include <QtCore/QTemporaryDir>

#define START_EXAMPLE(process)                                                                     \
    if (process.program().isEmpty())                                                               \
        QSKIP("it is not built here; CMake's summary says what it needs");                         \
    process.setProcessChannelMode(QProcess::MergedChannels);                                       \
    process.start();                                                                               \
    QVERIFY(process.waitForStarted())

/// The examples without windows run and end by themselves, and say what they have done.
class tst_Examples : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void gstreamerBus_data();
    void gstreamerBus();
    void echoServer();
    void echoServerWithoutItsPort();
    void future_data();
    void future();
    void soup();
    void soupWithoutAServer();
    void pulseAudio();
    void pulseAudioWithoutAServer();
    void gapplication();
    void dbus();
    void workerThread();
    void workerThreadWithoutADirectory();
};

namespace {

bool isInstalled(const char *program)
{
    return !QStandardPaths::findExecutable(QLatin1String(program)).isEmpty();
}

} // namespace

void tst_Examples::gstreamerBus_data()
{
    QTest::addColumn<QStringList>("arguments");
    QTest::addColumn<int>("status");
    QTest::addColumn<QString>("pattern");
    const QString plays(QStringLiteral("(Qt: tick\n)+GLib: end of stream\n$"));
    QTest::newRow("by itself") << QStringList() << 0 << plays;
    QTest::newRow("pipeline") << QStringList(
        QStringLiteral("audiotestsrc num-buffers=50 ! fakesink sync=true"))
                              << 0 << plays;
    QTest::newRow("missing element")
        << QStringList(QStringLiteral("nosuchelement")) << 1 << QStringLiteral("nosuchelement");
    QTest::newRow("missing file") << QStringList(
        QStringLiteral("filesrc location=/nonexistent ! fakesink"))
                                  << 1 << QStringLiteral("^GLib: ");
}

void tst_Examples::gstreamerBus()
{
    QFETCH(const QStringList, arguments);
    QFETCH(const int, status);
    QFETCH(const QString, pattern);
    ExampleProcess example(QStringLiteral("gstreamer-bus"), arguments);
    START_EXAMPLE(example);
    QVERIFY(example.ends());
    const QByteArray output = example.readAll();
    QVERIFY2(example.exitCode() == status, output);
    QVERIFY2(QString::fromUtf8(output).contains(QRegularExpression(pattern)), output);
}

void tst_Examples::echoServer()
{
    ExampleProcess example(QStringLiteral("echo-server"), {});
    START_EXAMPLE(example);
    QTRY_VERIFY_WITH_TIMEOUT(example.canReadLine(), 30'000);
    const QByteArray line = example.readLine();
    QVERIFY2(line.startsWith("listening on port "), line);

    QTcpSocket client;
    client.connectToHost(QHostAddress::LocalHost, line.mid(18).trimmed().toUShort());
    client.write("hello");
    QTRY_COMPARE_WITH_TIMEOUT(client.bytesAvailable(), 5, 30'000);
    QCOMPARE(client.readAll(), QByteArray("hello"));

    example.terminate();
    QVERIFY(example.ends());
    QCOMPARE(example.exitCode(), 0);
    QCOMPARE(example.readAll(), QByteArray("end: 5 bytes\n"));
}

void tst_Examples::echoServerWithoutItsPort()
{
    QTcpServer other;
    QVERIFY(other.listen(QHostAddress::LocalHost));
    ExampleProcess example(QStringLiteral("echo-server"), { QString::number(other.serverPort()) });
    START_EXAMPLE(example);
    QVERIFY(example.ends());
    QCOMPARE(example.exitCode(), EXIT_FAILURE);
    const QByteArray output = example.readAll();
    QVERIFY2(output.startsWith("cannot listen: "), output);
}

void tst_Examples::future_data()
{
    QTest::addColumn<QString>("input");
    QTest::addColumn<QString>("output");
    // What the shell puts before the name of the program.
    QTest::newRow("then") << QStringLiteral("echo a line |") << QStringLiteral("read: a line\n");
    QTest::newRow("onFailed") << QStringLiteral("</") << QStringLiteral("failed: .+\n");
    QTest::newRow("onCanceled") << QStringLiteral("sleep 5 |") << QStringLiteral("cancelled\n");
}

void tst_Examples::future()
{
    QFETCH(const QString, input);
    QFETCH(const QString, output);
    ExampleProcess example(QStringLiteral("future"), {});
    if (!example.program().isEmpty()) {
        example.setArguments(
            { QStringLiteral("-c"), input + QStringLiteral(" \"$0\""), example.program() });
        example.setProgram(QStringLiteral("sh"));
    }
    START_EXAMPLE(example);
    QVERIFY(example.ends());
    QCOMPARE(example.exitCode(), 0);
    const QByteArray all = example.readAll();
    const QRegularExpression whole(QRegularExpression::anchoredPattern(output));
    QVERIFY2(whole.match(QString::fromUtf8(all)).hasMatch(), all);
}

void tst_Examples::soup()
{
    HttpServer server;
    ExampleProcess example(QStringLiteral("soup"),
                           { QString::fromLatin1(server.url("/bytes/1234")),
                             QString::fromLatin1(server.url("/missing")) });
    START_EXAMPLE(example);
    QVERIFY(example.ends());
    QCOMPARE(example.exitCode(), 0);
    QCOMPARE(server.requests, 2);
    const QByteArray output = example.readAll();
    QVERIFY2(output.contains(server.url("/bytes/1234") + ": 200 OK, 1234 bytes\n"), output);
    QVERIFY2(output.contains(server.url("/missing") + ": 404 Not Found, "), output);
}

void tst_Examples::soupWithoutAServer()
{
    quint16 port = 0;
    {
        QTcpServer server;
        QVERIFY(server.listen(QHostAddress::LocalHost));
        port = server.serverPort();
    }
    const QString url = QStringLiteral("http://127.0.0.1:%1/").arg(port);
    ExampleProcess example(QStringLiteral("soup"), { url, QStringLiteral("nothing") });
    START_EXAMPLE(example);
    QVERIFY(example.ends());
    QCOMPARE(example.exitCode(), EXIT_FAILURE);
    const QByteArray output = example.readAll();
    QVERIFY2(output.contains(url.toLatin1() + ": "), output);
    QVERIFY2(output.contains("nothing: "), output);
}

void tst_Examples::pulseAudio()
{
    if (!isInstalled("pulseaudio"))
        QSKIP("pulseaudio is not installed");
    QTemporaryDir folder;
    QVERIFY(folder.isValid());
    const QString socket = folder.filePath(QStringLiteral("socket"));
    QProcess server;
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    for (const char *variable :
         { "HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH" })
        environment.insert(QLatin1String(variable), folder.path());
    server.setProcessEnvironment(environment);
    server.setProcessChannelMode(QProcess::MergedChannels);
    server.start(
        QStringLiteral("pulseaudio"),
        { QStringLiteral("-n"), QStringLiteral("--daemonize=no"),
          QStringLiteral("--use-pid-file=no"), QStringLiteral("--exit-idle-time=-1"),
          QStringLiteral("--load=module-null-sink sink_name=nowhere"),
          QStringLiteral("--load=module-native-protocol-unix auth-anonymous=1 socket=") + socket });
    QTRY_VERIFY2_WITH_TIMEOUT(QFile::exists(socket), server.readAll(), 30'000);

    ExampleProcess example(QStringLiteral("pulseaudio"), {});
    example.setVariable(QStringLiteral("PULSE_SERVER"), QStringLiteral("unix:") + socket);
    START_EXAMPLE(example);
    QVERIFY(example.ends());
    QCOMPARE(example.readAll(), QByteArray("nowhere: Null Output\n"));
    QCOMPARE(example.exitCode(), 0);
    server.terminate();
    QVERIFY(server.waitForFinished());
}

void tst_Examples::pulseAudioWithoutAServer()
{
    ExampleProcess example(QStringLiteral("pulseaudio"), {});
    example.setVariable(QStringLiteral("PULSE_SERVER"), QStringLiteral("unix:/nonexistent"));
    START_EXAMPLE(example);
    QVERIFY(example.ends());
    QCOMPARE(example.readAll(), QByteArray("PulseAudio: Connection refused\n"));
    QCOMPARE(example.exitCode(), EXIT_FAILURE);
}

void tst_Examples::gapplication()
{
    ExampleProcess example(QStringLiteral("gapplication"), {});
    START_EXAMPLE(example);
    QVERIFY(example.ends());
    const QByteArray output = example.readAll();
    QVERIFY2(example.exitCode() == 0, output);
    const QRegularExpression end(QStringLiteral(
        "\nend: 10 greetings from Qt, 10 answers in GLib, [1-9][0-9]* ticks of a QTimer\n$"));
    QVERIFY2(QString::fromUtf8(output).contains(end), output);
}

void tst_Examples::dbus()
{
    if (!isInstalled("dbus-daemon"))
        QSKIP("dbus-daemon is not installed");
    ExampleProcess example(QStringLiteral("dbus"), {});
    START_EXAMPLE(example);
    QVERIFY(example.ends());
    const QByteArray output = example.readAll();
    QVERIFY2(example.exitCode() == 0, output);
    QVERIFY2(output.endsWith("\nend: 10 calls answered by GDBus, 10 replies received by QtDBus\n"),
             output);
    QVERIFY2(output.contains("7 * 7 = 49\n"), output);
}

void tst_Examples::workerThread()
{
    QTemporaryDir directory;
    QVERIFY(directory.isValid());
    for (int i = 0; i < 25; ++i) {
        QFile file(directory.filePath(QString::number(i)));
        QVERIFY(file.open(QIODevice::WriteOnly));
        QCOMPARE(file.write(QByteArray(i, 'x')), i);
    }
    ExampleProcess example(QStringLiteral("worker-thread"), { directory.path() });
    START_EXAMPLE(example);
    QVERIFY(example.ends());
    const QByteArray output = example.readAll();
    QVERIFY2(example.exitCode() == 0, output);
    QVERIFY2(output.endsWith("\nend: 25 files, all answers in the worker thread\n"), output);
    QVERIFY2(output.contains("        24 24\n"), output);
}

void tst_Examples::workerThreadWithoutADirectory()
{
    ExampleProcess example(QStringLiteral("worker-thread"), { QStringLiteral("/nonexistent") });
    START_EXAMPLE(example);
    QVERIFY(example.ends());
    const QByteArray output = example.readAll();
    QVERIFY2(example.exitCode() == EXIT_FAILURE, output);
    QVERIFY2(output.startsWith("worker-thread: "), output);
}

QTEST_GUILESS_MAIN(tst_Examples)

#include "tst_examples.moc"
