// SPDX-License-Identifier: MIT

/*
A console player. GStreamer's bus messages come through GLib, the progress bar and the keys through
Qt, all in one thread. It is a whole program, and long; ../gstreamer-bus has the thirty lines that
matter.

    c++ -std=c++17 -fPIC -o gstreamer-player main.cpp \
        $(pkg-config --cflags --libs glibeventdispatcher gstreamer-1.0)
*/

#include <GLibEventDispatcher>

#include <QtCore/QCommandLineParser>
#include <QtCore/QCoreApplication>
#include <QtCore/QDir>
#include <QtCore/QSocketNotifier>
#include <QtCore/QTemporaryFile>
#include <QtCore/QTime>
#include <QtCore/QTimer>

#include <glib-unix.h>
#include <gst/gst.h>

#include <csignal>
#include <cstdio>

#include <termios.h>
#include <unistd.h>

class Player
{
public:
    Player();
    ~Player() { stop(); }

    void playSample();
    void play(const QByteArray &fileOrUri);
    void handleKey(char key);
    void finish(const char *reason);

private:
    bool build(const QByteArray &pipeline);
    void stop();
    void handleMessage(GstMessage *message);
    void pauseOrResume();
    void seek(gint64 offset);
    void showProgress();
    void noteFakeSink(const char *kind);
    void complain(const QByteArray &problem);
    void fail(const QByteArray &problem);

    const bool m_redraws = isatty(STDOUT_FILENO);
    QTemporaryFile m_sample{QDir::tempPath() + QStringLiteral("/gstreamer-player-XXXXXX.ogg")};
    QByteArray m_name;
    GstElement *m_pipeline = nullptr;
    QTimer m_timer;
    bool m_paused = false;
    bool m_seeking = false;
    gint64 m_seekOffset = 0;
    int m_shown = -1;
    int m_messages = 0;
    int m_ticks = 0;
    int m_status = EXIT_SUCCESS;
};

Player::Player()
{
    m_timer.setInterval(100);
    m_timer.callOnTimeout([this] {
        ++m_ticks;
        pauseOrResume();
        showProgress();
    });
}

void Player::playSample()
{
    m_name = QFile::encodeName(m_sample.fileTemplate());
    if (!m_sample.open())
        return fail(m_sample.errorString().toLocal8Bit());
    m_name = QFile::encodeName(m_sample.fileName());
    std::printf("making a sample: %s\n", m_name.constData());
    if (build("videotestsrc pattern=ball num-buffers=90 ! video/x-raw,framerate=30/1"
              " ! theoraenc ! queue ! oggmux name=mux"
              " audiotestsrc wave=ticks num-buffers=150 samplesperbuffer=882"
              " ! audio/x-raw,rate=44100 ! audioconvert ! vorbisenc ! queue ! mux."
              " mux. ! fdsink fd=" + QByteArray::number(m_sample.handle())))
        gst_element_set_state(m_pipeline, GST_STATE_PLAYING);
}

void Player::play(const QByteArray &fileOrUri)
{
    m_name = fileOrUri;
    if (!build("playbin"))
        return;
    const bool isUri = gst_uri_is_valid(m_name) && !g_file_test(m_name, G_FILE_TEST_EXISTS);
    gchar *uri = isUri ? g_strdup(m_name) : gst_filename_to_uri(m_name, nullptr);
    std::printf("playing %s\n", uri);
    g_object_set(m_pipeline, "uri", uri, nullptr);
    g_free(uri);
    if (!qEnvironmentVariableIsSet("DISPLAY") && !qEnvironmentVariableIsSet("WAYLAND_DISPLAY")) {
        // The sinks that playbin would try then draw over the console, or crash.
        g_object_set(m_pipeline, "video-sink", gst_parse_launch("fakesink sync=true", nullptr),
                     nullptr);
        noteFakeSink("video");
    }
    gst_element_set_state(m_pipeline, GST_STATE_PLAYING);
    m_timer.start();
}

bool Player::build(const QByteArray &pipeline)
{
    stop();
    GError *error = nullptr;
    m_pipeline = gst_parse_launch_full(pipeline, nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error);
    if (!m_pipeline) {
        fail(error->message);
        g_error_free(error);
        return false;
    }
    GstBus *bus = gst_element_get_bus(m_pipeline);
    gst_bus_add_watch(bus, [](GstBus *, GstMessage *message, gpointer player) -> gboolean {
        static_cast<Player *>(player)->handleMessage(message);
        return G_SOURCE_CONTINUE;
    }, this);
    gst_object_unref(bus);
    return true;
}

void Player::stop()
{
    m_timer.stop();
    if (!m_pipeline)
        return;
    gst_element_set_state(m_pipeline, GST_STATE_NULL);
    GstBus *bus = gst_element_get_bus(m_pipeline);
    gst_bus_remove_watch(bus);
    gst_object_unref(bus);
    gst_clear_object(&m_pipeline);
}

void Player::handleMessage(GstMessage *message)
{
    ++m_messages;
    switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_EOS:
        if (m_timer.isActive())
            finish("end of stream");
        else
            play(m_name); // The sample is complete.
        break;
    case GST_MESSAGE_ASYNC_DONE:
        m_seeking = false;
        if (m_seekOffset != 0)
            seek(0);
        break;
    case GST_MESSAGE_ELEMENT:
        // Whatever else the file contains is played; if there is nothing else, an error follows.
        if (gst_message_has_name(message, "missing-plugin"))
            complain(QByteArray("missing plugin: ")
                     + gst_structure_get_string(gst_message_get_structure(message), "name"));
        break;
    case GST_MESSAGE_WARNING: {
        // The sinks that playbin uses by default warn when they find no device. They make do with
        // a fakesink then, which takes as long as a real one.
        const char *type = G_OBJECT_TYPE_NAME(GST_MESSAGE_SRC(message));
        if (qstrcmp(type, "GstAutoAudioSink") == 0)
            noteFakeSink("audio");
        else if (qstrcmp(type, "GstAutoVideoSink") == 0)
            noteFakeSink("video");
        break;
    }
    case GST_MESSAGE_ERROR: {
        GError *error = nullptr;
        gst_message_parse_error(message, &error, nullptr);
        fail(error->message);
        g_error_free(error);
        break;
    }
    default:
        break;
    }
}

void Player::handleKey(char key)
{
    if (key == 'q')
        return finish("stopped");
    if (!m_timer.isActive())
        return; // The sample is still being made.
    switch (key) {
    case ' ':
        m_paused = !m_paused;
        pauseOrResume();
        break;
    // An arrow key sends three characters. The first two do nothing here.
    case 'A':
        return seek(60 * GST_SECOND);
    case 'B':
        return seek(-60 * GST_SECOND);
    case 'C':
        return seek(GST_SECOND);
    case 'D':
        return seek(-GST_SECOND);
    }
}

/// Sets the state that is wanted, now or at the tick after the change that is under way.
/// GStreamer 1.22 goes on with a change in another thread, and if a new state is set just then, the
/// pipeline stays where it is for ever.
void Player::pauseOrResume()
{
    const GstState wanted = m_paused ? GST_STATE_PAUSED : GST_STATE_PLAYING;
    GstState state = GST_STATE_VOID_PENDING;
    GstState pending = GST_STATE_VOID_PENDING;
    gst_element_get_state(m_pipeline, &state, &pending, 0);
    if (state != wanted && pending == GST_STATE_VOID_PENDING)
        gst_element_set_state(m_pipeline, wanted);
}

void Player::seek(gint64 offset)
{
    // Keys that come while a seek is under way are added up. The position is not the new one yet.
    m_seekOffset += offset;
    gint64 position = 0;
    if (m_seeking || !gst_element_query_position(m_pipeline, GST_FORMAT_TIME, &position))
        return;
    const auto flags = GstSeekFlags(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE);
    m_seeking = gst_element_seek_simple(m_pipeline, GST_FORMAT_TIME, flags,
                                        qMax(position + m_seekOffset, gint64(0)));
    m_seekOffset = 0;
}

/// Redraws a line on a terminal. Elsewhere a line is added for every tenth of the way.
void Player::showProgress()
{
    gint64 position = 0;
    gint64 duration = 0;
    if (!gst_element_query_position(m_pipeline, GST_FORMAT_TIME, &position))
        return;
    // Not every stream has one.
    gst_element_query_duration(m_pipeline, GST_FORMAT_TIME, &duration);
    const int width = m_redraws ? 40 : 10;
    const int done = duration > 0 ? int(qMin(position, duration) * width / duration) : 0;
    if (!m_redraws && done == m_shown)
        return;
    m_shown = done;
    const auto clock = [](gint64 time) {
        return QTime(0, 0).addMSecs(int(time / GST_MSECOND)).toString().toLatin1();
    };
    const QByteArray line = '[' + QByteArray(width, ' ').replace(0, done, QByteArray(done, '='))
        + "] " + clock(position) + " / " + (duration > 0 ? clock(duration) : "?")
        + (m_paused ? " paused" : "");
    std::printf(m_redraws ? "\r\033[K%s" : "%s\n", line.constData());
}

void Player::noteFakeSink(const char *kind)
{
    std::printf("no %s output here: using a fake sink\n", kind);
}

/// Says what is wrong. What GStreamer says after that is mostly about the consequences.
void Player::complain(const QByteArray &problem)
{
    if (m_status != EXIT_SUCCESS)
        return;
    m_status = EXIT_FAILURE;
    if (m_redraws)
        std::printf("\r\033[K");
    std::fprintf(stderr, "gstreamer-player: %s: %s\n", m_name.constData(), problem.constData());
}

void Player::fail(const QByteArray &problem)
{
    complain(problem);
    stop();
    QCoreApplication::exit(m_status);
}

void Player::finish(const char *reason)
{
    if (m_pipeline)
        showProgress();
    stop();
    std::printf("%s%s: %d bus messages from GLib, %d ticks from Qt\n", m_redraws ? "\n" : "",
                reason, m_messages, m_ticks);
    QCoreApplication::exit(m_status);
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    QCoreApplication app(argc, argv);
    std::setvbuf(stdout, nullptr, _IONBF, 0); // Progress is news, in a pipe or a file too.

    QCommandLineParser parser;
    parser.setApplicationDescription(QStringLiteral(
        "Space pauses, left and right seek by a second, up and down by a minute, q quits."));
    parser.addHelpOption();
    parser.addPositionalArgument(QStringLiteral("file"),
                                 QStringLiteral("File or URI; without it a sample is made."),
                                 QStringLiteral("[FILE]"));
    parser.process(app);

    Player player;
    QTimer::singleShot(0, &app, [&player, arguments = parser.positionalArguments()] {
        if (arguments.isEmpty())
            player.playSample();
        else
            player.play(QFile::encodeName(arguments.first()));
    });

    // None of these may end the program before the terminal is restored.
    std::signal(SIGPIPE, SIG_IGN);
    for (const int signal : {SIGHUP, SIGINT, SIGTERM}) {
        g_unix_signal_add(signal, [](gpointer data) -> gboolean {
            static_cast<Player *>(data)->finish("stopped");
            return G_SOURCE_CONTINUE;
        }, &player);
    }

    termios mode = {};
    const bool isTerminal = tcgetattr(STDIN_FILENO, &mode) == 0;
    if (isTerminal) {
        termios keyByKey = mode;
        keyByKey.c_lflag &= ~tcflag_t(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &keyByKey);
        auto *keyboard = new QSocketNotifier(STDIN_FILENO, QSocketNotifier::Read, &app);
        QObject::connect(keyboard, &QSocketNotifier::activated, &app, [&player] {
            char key = '\0';
            player.handleKey(read(STDIN_FILENO, &key, 1) == 1 ? key : 'q');
        });
    }
    const int status = app.exec();
    if (isTerminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &mode);
    return status;
}
