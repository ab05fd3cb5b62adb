// SPDX-License-Identifier: MIT

#include "exampleprocess.h"

#include <QtCore/QRandomGenerator>
#include <QtCore/QSocketNotifier>

#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

struct PlayerProcess : ExampleProcess
{
    explicit PlayerProcess(const QStringList &arguments)
        : ExampleProcess(QStringLiteral("gstreamer-player"), arguments)
    {
    }
};

/// The terminal that a player is started in.
class Terminal : public QObject
{
    Q_OBJECT

public:
    enum Output { OutputHere, OutputToClosedPipe };

    Terminal()
        : m_master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC))
    {
        grantpt(m_master);
        unlockpt(m_master);
        m_name = ptsname(m_master);
        // Without this the first reading would find a terminal that nobody has open.
        m_slave = open(m_name, O_RDWR | O_NOCTTY | O_CLOEXEC);
        m_output.setSocket(m_master);
        m_output.setEnabled(true);
        connect(&m_output, &QSocketNotifier::activated, this, [this] {
            char data[1024];
            const ssize_t size = read(m_master, data, sizeof data);
            if (size > 0)
                m_text.append(data, size);
            else
                m_output.setEnabled(false);
        });
    }

    ~Terminal() override { hangUp(); }

    bool start(PlayerProcess &player, Output output = OutputHere)
    {
        player.setChildProcessModifier([this, output] {
            setsid();
            const int terminal = open(m_name, O_RDWR); // Becomes the controlling one.
            dup2(terminal, STDIN_FILENO);
            if (output == OutputHere) {
                dup2(terminal, STDOUT_FILENO);
                dup2(terminal, STDERR_FILENO);
            } else {
                int ends[2] = {-1, -1};
                if (pipe(ends) == 0) {
                    close(ends[0]);
                    dup2(ends[1], STDOUT_FILENO);
                }
            }
        });
        player.start();
        return m_slave >= 0 && player.waitForStarted();
    }

    bool type(const QByteArray &keys)
    {
        return write(m_master, keys, size_t(keys.size())) == keys.size();
    }

    void hangUp()
    {
        m_output.setEnabled(false);
        for (int *fd : {&m_master, &m_slave}) {
            if (*fd >= 0)
                close(*fd);
            *fd = -1;
        }
    }

    QByteArray text() const { return m_text; }

    /// Lines drawn over one another, the last one being the one that is seen.
    qsizetype redraws() const { return m_text.count("\033[K"); }
    QByteArray lastRedraw() const { return m_text.mid(m_text.lastIndexOf("\033[K") + 3); }

    /// Seconds, or -1 before there is a progress bar.
    int position() const
    {
        static const QRegularExpression shown(QStringLiteral("\\] (\\d+):(\\d+):(\\d+) / \\d"));
        int position = -1;
        for (auto all = shown.globalMatch(QString::fromLatin1(m_text)); all.hasNext();) {
            const QRegularExpressionMatch match = all.next();
            position = match.captured(1).toInt() * 3600 + match.captured(2).toInt() * 60
                + match.captured(3).toInt();
        }
        return position;
    }

    /// Whether it hands over lines and echoes them, as a shell wants it.
    bool isCooked() const { return (mode().c_lflag & tcflag_t(ICANON | ECHO)) == (ICANON | ECHO); }

    bool hasMode(const termios &other) const
    {
        const termios now = mode();
        return now.c_iflag == other.c_iflag && now.c_oflag == other.c_oflag
            && now.c_cflag == other.c_cflag && now.c_lflag == other.c_lflag
            && std::equal(std::begin(now.c_cc), std::end(now.c_cc), std::begin(other.c_cc));
    }

    termios mode() const
    {
        termios mode = {};
        tcgetattr(m_slave, &mode);
        return mode;
    }

private:
    int m_master;
    int m_slave;
    QByteArray m_name;
    QByteArray m_text;
    QSocketNotifier m_output{QSocketNotifier::Read};
};

class tst_GStreamerPlayer : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init();
    void cleanup();

    void withoutArgumentASampleIsPlayedToTheEnd();
    void fileNamesAndUris_data();
    void fileNamesAndUris();
    void failures_data();
    void failures();
    void whatCanBeDecodedIsPlayed();
    void signalsStopIt_data();
    void signalsStopIt();

    void progressIsRedrawnOnATerminal();
    void spacePausesAndResumes();
    void arrowsSeek();
    void terminalIsRestored_data();
    void terminalIsRestored();
    void hangUpStopsIt();

private:
    QString path(const QString &name) const { return m_folder.filePath(name); }
    QString createFile(const QString &name, const QByteArray &content) const;
    QString createWav(const QString &name, int milliseconds) const;

    QTemporaryDir m_folder;
    QString m_sample;
    QString m_long;
    QString m_short;
};

namespace {

/// The numbers of bus messages and ticks in the line that begins with @p start, if it is the last.
QList<int> counts(const QByteArray &output, const char *start)
{
    const QRegularExpression line(
        QStringLiteral("(?:^|\\n)%1: (\\d+) bus messages from GLib, (\\d+) ticks from Qt\\r?\\n$")
            .arg(QLatin1String(start)));
    const QRegularExpressionMatch match = line.match(QString::fromLocal8Bit(output));
    if (!match.hasMatch())
        return {};
    return {match.captured(1).toInt(), match.captured(2).toInt()};
}

}

QString tst_GStreamerPlayer::createFile(const QString &name, const QByteArray &content) const
{
    QFile file(path(name));
    if (!file.open(QIODevice::WriteOnly) || file.write(content) != content.size())
        qFatal("cannot write %s", qPrintable(file.fileName()));
    return file.fileName();
}

/// Silence, 8000 samples of one byte a second.
QString tst_GStreamerPlayer::createWav(const QString &name, int milliseconds) const
{
    const quint32 size = quint32(milliseconds) * 8;
    QByteArray content;
    QDataStream stream(&content, QIODevice::WriteOnly);
    stream.setByteOrder(QDataStream::LittleEndian);
    stream.writeRawData("RIFF", 4);
    stream << quint32(size + 36);
    stream.writeRawData("WAVEfmt ", 8);
    stream << quint32(16) << quint16(1) << quint16(1) << quint32(8000) << quint32(8000)
           << quint16(1) << quint16(8);
    stream.writeRawData("data", 4);
    stream << size;
    content.append(qsizetype(size), '\x80');
    return createFile(name, content);
}

void tst_GStreamerPlayer::initTestCase()
{
    QVERIFY(m_folder.isValid());
    qputenv("TMPDIR", QFile::encodeName(m_folder.path()));
    m_long = createWav(QStringLiteral("long.wav"), 10 * 60 * 1000);
    m_short = createWav(QStringLiteral("short.wav"), 300);

    // The player's own sample is the only file with a picture to be had here.
    PlayerProcess player({});
    player.start();
    QByteArray output;
    QTRY_VERIFY_WITH_TIMEOUT(
        (output += player.readAllStandardOutput()).contains("\nplaying "), 30000);
    const QStringList samples =
        QDir(m_folder.path()).entryList({QStringLiteral("gstreamer-player-*.ogg")});
    QCOMPARE(samples.size(), 1);
    m_sample = path(QStringLiteral("sample.ogg"));
    QVERIFY(QFile::copy(path(samples.first()), m_sample));
    player.terminate();
    QVERIFY(player.ends());
}

void tst_GStreamerPlayer::init()
{
    QVERIFY(QDir::setCurrent(m_folder.path()));
}

void tst_GStreamerPlayer::cleanup()
{
    // However it ended, the sample is gone.
    const QStringList pattern(QStringLiteral("gstreamer-player-*"));
    QCOMPARE(QDir(m_folder.path()).entryList(pattern), QStringList());
}

void tst_GStreamerPlayer::withoutArgumentASampleIsPlayedToTheEnd()
{
    PlayerProcess player({});
    QElapsedTimer time;
    time.start();
    player.start();
    QVERIFY(player.ends());
    const QByteArray output = player.readAllStandardOutput();
    QCOMPARE(player.exitCode(), 0);
    QVERIFY2(time.elapsed() >= 3000, "the fake sinks did not take the time that real ones take");

    const QList<int> messagesAndTicks = counts(output, "end of stream");
    QCOMPARE(messagesAndTicks.size(), 2);
    QCOMPARE_GT(messagesAndTicks.at(0), 0);
    QCOMPARE_GT(messagesAndTicks.at(1), 0);
    QCOMPARE(output.count("\nno audio output here: "), 1);
    QCOMPARE(output.count("\nno video output here: "), 1);

    // Not on a terminal, so there are few lines and nothing is drawn over.
    QCOMPARE_GT(output.count("\n["), 1);
    QCOMPARE_LE(output.count("\n["), 11);
    QVERIFY(output.contains("\n[==========] 00:00:03 / 00:00:03\nend of stream: "));
    QVERIFY(!output.contains('\r'));
    QVERIFY(!output.contains('\033'));
}

void tst_GStreamerPlayer::fileNamesAndUris_data()
{
    QTest::addColumn<QString>("argument");
    QTest::newRow("absolute") << m_short;
    QTest::newRow("relative") << QStringLiteral("short.wav");
    QTest::newRow("URI") << QUrl::fromLocalFile(m_short).toString();
    QTest::newRow("spaces, percent") << createWav(QStringLiteral("50%20 of it.wav"), 300);
    createWav(QStringLiteral("take:1.wav"), 300);
    QTest::newRow("looks like a URI") << QStringLiteral("take:1.wav");
    QTest::newRow("not ASCII") << createWav(QStringLiteral("\u00e4\u266b.wav"), 300);
}

void tst_GStreamerPlayer::fileNamesAndUris()
{
    QFETCH(const QString, argument);
    PlayerProcess player({argument});
    player.start();
    QVERIFY(player.ends());
    QVERIFY(!player.readAllStandardError().contains("gstreamer-player: "));
    QCOMPARE(player.exitCode(), 0);
    QCOMPARE(counts(player.readAllStandardOutput(), "end of stream").size(), 2);
}

void tst_GStreamerPlayer::failures_data()
{
    QTest::addColumn<QString>("argument");
    QTest::addColumn<QStringList>("variables");
    QTest::addColumn<QString>("problem");

    QByteArray noise(50000, '\0');
    QRandomGenerator generator(1);
    for (char &byte : noise)
        byte = char(generator.bounded(256));
    const QString missing = path(QStringLiteral("missing.ogg"));
    const QString broken = createFile(QStringLiteral("broken.ogg"), noise);
    const QString empty = createFile(QStringLiteral("empty.ogg"), {});
    const QString text = createFile(QStringLiteral("text.txt"), "Not a tune.\nNot at all.\n");
    const QString zip = createFile(QStringLiteral("archive.zip"),
                                   QByteArray("PK\x03\x04\x14\0\0\0\x08\0", 10) + noise);
    const QStringList none;
    const QStringList noDecoders(QStringLiteral("GST_PLUGIN_FEATURE_RANK=")
                                 + ExampleProcess::noAudioSinks()
                                 + QStringLiteral(",theoradec:NONE,avdec_theora:NONE"
                                                  ",vorbisdec:NONE,avdec_vorbis:NONE"));
    const QStringList noPlugins{QStringLiteral("GST_PLUGIN_SYSTEM_PATH_1_0=") + missing,
                                QStringLiteral("GST_PLUGIN_PATH_1_0="),
                                QStringLiteral("GST_REGISTRY_1_0=")
                                    + path(QStringLiteral("registry.bin"))};
    const QStringList noFolder(QStringLiteral("TMPDIR=/dev/null"));
    const QString noSample;

    QTest::newRow("missing") << missing << none << QStringLiteral("Resource not found");
    QTest::newRow("missing URI") << QUrl::fromLocalFile(missing).toString() << none
                                 << QStringLiteral("Resource not found");
    QTest::newRow("folder") << m_folder.path() << none << QStringLiteral("directory");
    // What a few bytes of noise look like differs from one version of GStreamer to the next.
    QTest::newRow("random bytes") << broken << none << QStringLiteral(".");
    QTest::newRow("empty") << empty << none << QStringLiteral("no data");
    QTest::newRow("text") << text << none << QStringLiteral("(text file|type of stream)");
    QTest::newRow("unknown type") << zip << none << QStringLiteral("missing plugin: .*zip");
    QTest::newRow("unknown scheme") << QStringLiteral("nosuchscheme://host/file") << none
                                    << QStringLiteral("missing plugin: NOSUCHSCHEME");
    QTest::newRow("no decoders") << m_sample << noDecoders << QStringLiteral("missing plugin: ");
    QTest::newRow("no plugins") << m_sample << noPlugins << QStringLiteral("no element .playbin");
    QTest::newRow("no plugins for a sample") << noSample << noPlugins
                                             << QStringLiteral("no element ");
    QTest::newRow("no room for a sample") << noSample << noFolder
                                          << QStringLiteral("Not a directory");
}

void tst_GStreamerPlayer::failures()
{
    QFETCH(const QString, argument);
    QFETCH(const QStringList, variables);
    QFETCH(const QString, problem);
    PlayerProcess player(argument.isEmpty() ? QStringList() : QStringList(argument));
    for (const QString &variable : variables)
        player.setVariable(variable.section(u'=', 0, 0), variable.section(u'=', 1));
    player.start();
    QVERIFY(player.ends());
    QCOMPARE(player.exitCode(), 1);

    // Plugins and the libraries behind them may have something to say as well.
    const QString errors = u'\n' + QString::fromLocal8Bit(player.readAllStandardError());
    QCOMPARE(errors.count(QStringLiteral("\ngstreamer-player: ")), 1);
    const QString name =
        argument.isEmpty() ? QStringLiteral(".*") : QRegularExpression::escape(argument);
    const QRegularExpression line(
        QStringLiteral("\\ngstreamer-player: %1: .*%2.*\\n").arg(name, problem));
    QVERIFY2(line.match(errors).hasMatch(), qPrintable(errors));
    QVERIFY(!player.readAllStandardOutput().contains("end of stream"));
}

void tst_GStreamerPlayer::whatCanBeDecodedIsPlayed()
{
    PlayerProcess player({m_sample});
    player.setVariable(QStringLiteral("GST_PLUGIN_FEATURE_RANK"),
                       ExampleProcess::noAudioSinks()
                           + QStringLiteral(",theoradec:NONE,avdec_theora:NONE"));
    player.start();
    QByteArray output;
    QTRY_VERIFY_WITH_TIMEOUT(
        (output += player.readAllStandardOutput()).contains("\n[="), 30000);
    player.terminate();
    QVERIFY(player.ends());
    QCOMPARE(player.exitCode(), 1);
    const QByteArray errors = player.readAllStandardError();
    QCOMPARE(errors.count("gstreamer-player: "), 1);
    QVERIFY2(errors.contains("missing plugin: Theora"), errors.constData());
}

void tst_GStreamerPlayer::signalsStopIt_data()
{
    QTest::addColumn<int>("signal");
    QTest::newRow("SIGHUP") << SIGHUP;
    QTest::newRow("SIGINT") << SIGINT;
    QTest::newRow("SIGTERM") << SIGTERM;
}

void tst_GStreamerPlayer::signalsStopIt()
{
    QFETCH(const int, signal);
    PlayerProcess player({m_long});
    player.start();
    QByteArray output;
    QTRY_VERIFY_WITH_TIMEOUT((output += player.readAllStandardOutput()).contains("\n["), 30000);
    QCOMPARE(::kill(pid_t(player.processId()), signal), 0);
    QVERIFY(player.ends());
    QCOMPARE(player.exitCode(), 0);
    output += player.readAllStandardOutput();
    QCOMPARE(counts(output, "stopped").size(), 2);
}

void tst_GStreamerPlayer::progressIsRedrawnOnATerminal()
{
    Terminal terminal;
    PlayerProcess player({m_short});
    QVERIFY(terminal.start(player));
    QVERIFY(player.ends());
    QTRY_VERIFY(!counts(terminal.text(), "end of stream").isEmpty());
    QVERIFY(terminal.text().contains("\r\033[K["));
    QVERIFY(!terminal.text().contains("\n["));
    QVERIFY(terminal.lastRedraw().startsWith('[' + QByteArray(40, '=') + ']'));
}

void tst_GStreamerPlayer::spacePausesAndResumes()
{
    Terminal terminal;
    PlayerProcess player({m_long});
    QVERIFY(terminal.start(player));
    QTRY_COMPARE_GE_WITH_TIMEOUT(terminal.position(), 0, 30000);

    QVERIFY(terminal.type(" "));
    QTRY_VERIFY(terminal.lastRedraw().endsWith(" paused"));
    // The ticks go on. The first ones may still see the pipeline come to a halt.
    qsizetype redraws = terminal.redraws();
    QTRY_COMPARE_GE(terminal.redraws(), redraws + 3);
    const int position = terminal.position();
    redraws = terminal.redraws();
    QTRY_COMPARE_GE(terminal.redraws(), redraws + 12);
    QCOMPARE(terminal.position(), position);

    QVERIFY(terminal.type(" "));
    QTRY_COMPARE_GT(terminal.position(), position);
    QTRY_VERIFY(terminal.lastRedraw().endsWith("00:10:00"));

    QVERIFY(terminal.type("q"));
    QVERIFY(player.ends());
    QCOMPARE(player.exitCode(), 0);
    QTRY_VERIFY(!counts(terminal.text(), "stopped").isEmpty());
}

void tst_GStreamerPlayer::arrowsSeek()
{
    Terminal terminal;
    PlayerProcess player({m_long});
    QVERIFY(terminal.start(player));
    QTRY_COMPARE_GE_WITH_TIMEOUT(terminal.position(), 0, 30000);

    // While it pauses, nothing but a key can change the position.
    QVERIFY(terminal.type(" "));
    QTRY_VERIFY(terminal.lastRedraw().endsWith(" paused"));
    const qsizetype redraws = terminal.redraws();
    QTRY_COMPARE_GE(terminal.redraws(), redraws + 3);
    const int start = terminal.position();
    QCOMPARE_LT(start, 50);

    // Keys that come faster than seeks are done add up. A second is lost where a seek rounds down.
    QVERIFY(terminal.type("\033[C\033OC\033[C"));
    QTRY_COMPARE_GE(terminal.position(), start + 2);
    QCOMPARE_LE(terminal.position(), start + 3);
    QVERIFY(terminal.type("\033[A"));
    QTRY_COMPARE_GE(terminal.position(), start + 61);
    QCOMPARE_LE(terminal.position(), start + 63);
    const int up = terminal.position();
    QVERIFY(terminal.type("\033[D\033[D"));
    QTRY_COMPARE_LT(terminal.position(), up);
    QCOMPARE_GE(terminal.position(), up - 3);
    QVERIFY(terminal.type("\033[B"));
    QTRY_COMPARE_LT(terminal.position(), 60);
    QVERIFY(terminal.type("\033[B"));
    QTRY_COMPARE(terminal.position(), 0);
    QVERIFY(terminal.type(QByteArray("\033[A").repeated(20)));
    QTRY_COMPARE(terminal.position(), 600);
    QVERIFY(terminal.type(" "));
    QVERIFY(player.ends());
    QTRY_VERIFY(!counts(terminal.text(), "end of stream").isEmpty());
}

void tst_GStreamerPlayer::terminalIsRestored_data()
{
    QTest::addColumn<QString>("file");
    QTest::addColumn<QByteArray>("keys");
    QTest::addColumn<int>("signal");
    QTest::addColumn<bool>("outputIsClosed");
    QTest::addColumn<int>("exitCode");
    QTest::newRow("end of stream") << m_short << QByteArray() << 0 << false << 0;
    QTest::newRow("error") << path(QStringLiteral("missing.ogg")) << QByteArray() << 0 << false
                           << 1;
    QTest::newRow("q") << m_long << QByteArray("q") << 0 << false << 0;
    QTest::newRow("Ctrl-C") << m_long << QByteArray("\x03") << 0 << false << 0;
    QTest::newRow("SIGTERM") << m_long << QByteArray() << SIGTERM << false << 0;
    QTest::newRow("closed pipe") << m_short << QByteArray() << 0 << true << 0;
}

void tst_GStreamerPlayer::terminalIsRestored()
{
    QFETCH(const QString, file);
    QFETCH(const QByteArray, keys);
    QFETCH(const int, signal);
    QFETCH(const bool, outputIsClosed);
    QFETCH(const int, exitCode);

    Terminal terminal;
    const termios before = terminal.mode();
    QVERIFY(terminal.isCooked());
    PlayerProcess player({file});
    const auto output = outputIsClosed ? Terminal::OutputToClosedPipe : Terminal::OutputHere;
    QVERIFY(terminal.start(player, output));
    if (file == m_long) {
        QTRY_COMPARE_GE_WITH_TIMEOUT(terminal.position(), 0, 30000);
        QVERIFY(!terminal.isCooked());
    }
    if (!keys.isEmpty())
        QVERIFY(terminal.type(keys));
    if (signal != 0)
        QCOMPARE(::kill(pid_t(player.processId()), signal), 0);
    QVERIFY(player.ends());
    QCOMPARE(player.exitCode(), exitCode);
    QVERIFY(terminal.hasMode(before));
}

void tst_GStreamerPlayer::hangUpStopsIt()
{
    Terminal terminal;
    PlayerProcess player({m_long});
    QVERIFY(terminal.start(player));
    QTRY_COMPARE_GE_WITH_TIMEOUT(terminal.position(), 0, 30000);
    terminal.hangUp();
    QVERIFY(player.ends());
}

QTEST_GUILESS_MAIN(tst_GStreamerPlayer)

#include "tst_gstreamerplayer.moc"
