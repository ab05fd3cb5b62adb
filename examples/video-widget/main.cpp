// SPDX-License-Identifier: MIT

/*
A window that shows a video: `video-widget [FILE]`, or drop a file on it. GStreamer's bus messages
come through GLib, everything else through Qt, in one thread.

    c++ -std=c++17 -fPIC -o video-widget main.cpp \
        $(pkg-config --cflags --libs glibeventdispatcher Qt6Widgets gstreamer-app-1.0)
*/

#include <GLibEventDispatcher>

#include <QtCore/QMimeData>
#include <QtCore/QTimer>
#include <QtCore/QUrl>
#include <QtGui/QDropEvent>
#include <QtGui/QPainter>
#include <QtWidgets/QApplication>
#include <QtWidgets/QHBoxLayout>
#include <QtWidgets/QLabel>
#include <QtWidgets/QSlider>
#include <QtWidgets/QStyle>
#include <QtWidgets/QToolButton>

#include <gst/app/gstappsink.h>
#include <gst/gst.h>

class Picture : public QWidget
{
public:
    Picture()
    {
        setAttribute(Qt::WA_OpaquePaintEvent);
        setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
    }
    void setImage(const QImage &image)
    {
        m_image = image;
        update();
    }
    QSize sizeHint() const override { return {480, 270}; }

protected:
    void paintEvent(QPaintEvent *) override
    {
        QPainter painter(this);
        painter.fillRect(rect(), Qt::black);
        QRect target({}, m_image.size().scaled(size(), Qt::KeepAspectRatio));
        target.moveCenter(rect().center());
        painter.setRenderHint(QPainter::SmoothPixmapTransform);
        painter.drawImage(target, m_image);
    }

private:
    QImage m_image;
};

class Player : public QWidget
{
public:
    Player();
    ~Player() override { stop(); }

    void playPattern();
    void play(const QByteArray &uri);

protected:
    void dragEnterEvent(QDragEnterEvent *event) override;
    void dropEvent(QDropEvent *event) override;

private:
    void start(GstElement *pipeline, GstElement *sink, GstElement *volume);
    void stop();
    void setPlaying(bool playing);
    void seek(gint64 position);
    void setVolume(int percent);
    void handleMessage(GstMessage *message);
    void showFrame();
    void showPosition();

    Picture m_picture;
    QToolButton m_playButton;
    QSlider m_position{Qt::Horizontal};
    QLabel m_volumeLabel{tr("Volume")};
    QSlider m_volume{Qt::Horizontal};
    QLabel m_problem;
    QTimer m_timer;

    GstElement *m_pipeline = nullptr;
    GstAppSink *m_sink = nullptr;
    GstElement *m_volumeElement = nullptr; // whatever has a property of that name
    bool m_playing = false;
    bool m_ended = false;
};

Player::Player()
{
    setWindowTitle(tr("Video widget"));
    setAcceptDrops(true);
    m_volume.setRange(0, 100);
    m_volume.setValue(50);
    m_volume.setMaximumWidth(100);
    m_problem.setWordWrap(true);
    m_problem.hide();

    auto *controls = new QHBoxLayout;
    controls->addWidget(&m_playButton);
    controls->addWidget(&m_position);
    controls->addWidget(&m_volumeLabel);
    controls->addWidget(&m_volume);
    auto *layout = new QVBoxLayout(this);
    layout->addWidget(&m_picture);
    layout->addWidget(&m_problem);
    layout->addLayout(controls);

    connect(&m_playButton, &QToolButton::clicked, this, [this] { setPlaying(!m_playing); });
    connect(&m_position, &QSlider::sliderMoved, this, [this](int ms) { seek(ms * GST_MSECOND); });
    connect(&m_volume, &QSlider::valueChanged, this, &Player::setVolume);
    m_timer.callOnTimeout(this, &Player::showPosition);
    m_timer.setInterval(100);
}

void Player::playPattern()
{
    GstElement *pipeline = gst_parse_launch(
        "videotestsrc ! video/x-raw,width=480,height=270,framerate=30/1 ! videoconvert"
        " ! appsink name=sink audiotestsrc wave=ticks ! volume name=volume ! autoaudiosink",
        nullptr);
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    GstElement *volume = gst_bin_get_by_name(GST_BIN(pipeline), "volume");
    start(pipeline, sink, volume);
    gst_object_unref(sink);
    gst_object_unref(volume);
}

void Player::play(const QByteArray &uri)
{
    GstElement *playbin = gst_element_factory_make("playbin", nullptr);
    GstElement *sink = gst_element_factory_make("appsink", nullptr);
    g_object_set(playbin, "uri", uri.constData(), "video-sink", sink, nullptr);
    start(playbin, sink, playbin);
}

void Player::start(GstElement *pipeline, GstElement *sink, GstElement *volume)
{
    stop();
    m_pipeline = pipeline;
    m_volumeElement = volume;
    m_sink = GST_APP_SINK(sink);

    // What QImage::Format_RGB32 is in memory.
    const char *format = Q_BYTE_ORDER == Q_LITTLE_ENDIAN ? "BGRx" : "xRGB";
    GstCaps *caps =
        gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, format, nullptr);
    gst_app_sink_set_caps(m_sink, caps);
    gst_caps_unref(caps);
    gst_app_sink_set_max_buffers(m_sink, 1);
    gst_app_sink_set_drop(m_sink, true);
    // GStreamer's threads only tell that there is a frame; it is fetched in this one.
    GstAppSinkCallbacks callbacks{};
    const auto announce = [](GstAppSink *, gpointer player) {
        QMetaObject::invokeMethod(
            static_cast<Player *>(player), [player] { static_cast<Player *>(player)->showFrame(); },
            Qt::QueuedConnection);
        return GST_FLOW_OK;
    };
    callbacks.new_preroll = announce;
    callbacks.new_sample = announce;
    gst_app_sink_set_callbacks(m_sink, &callbacks, this, nullptr);

    GstBus *bus = gst_element_get_bus(m_pipeline);
    gst_bus_add_watch(
        bus,
        [](GstBus *, GstMessage *message, gpointer player) -> gboolean {
            static_cast<Player *>(player)->handleMessage(message);
            return G_SOURCE_CONTINUE;
        },
        this);
    gst_object_unref(bus);

    m_problem.hide();
    m_ended = false;
    setVolume(m_volume.value());
    setPlaying(true);
    m_timer.start();
}

void Player::stop()
{
    m_timer.stop();
    if (!m_pipeline)
        return;
    // No GStreamer thread is left behind this.
    gst_element_set_state(m_pipeline, GST_STATE_NULL);
    GstBus *bus = gst_element_get_bus(m_pipeline);
    gst_bus_remove_watch(bus);
    gst_object_unref(bus);
    gst_clear_object(&m_pipeline);
    m_sink = nullptr;
}

void Player::setPlaying(bool playing)
{
    if (!m_pipeline)
        return;
    if (playing && m_ended)
        seek(0);
    m_playing = playing;
    gst_element_set_state(m_pipeline, playing ? GST_STATE_PLAYING : GST_STATE_PAUSED);
    m_playButton.setIcon(
        style()->standardIcon(playing ? QStyle::SP_MediaPause : QStyle::SP_MediaPlay));
}

void Player::seek(gint64 position)
{
    m_ended = false;
    gst_element_seek_simple(m_pipeline, GST_FORMAT_TIME,
                            GstSeekFlags(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT), position);
}

void Player::setVolume(int percent)
{
    if (m_pipeline)
        g_object_set(m_volumeElement, "volume", percent / 100.0, nullptr);
}

void Player::handleMessage(GstMessage *message)
{
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) {
        setPlaying(false);
        m_ended = true;
    } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        GError *error = nullptr;
        gst_message_parse_error(message, &error, nullptr);
        m_problem.setText(QString::fromUtf8(error->message));
        m_problem.show();
        g_error_free(error);
        setPlaying(false);
    }
}

void Player::showFrame()
{
    if (!m_sink)
        return;
    GstSample *sample = gst_app_sink_try_pull_sample(m_sink, 0);
    if (!sample)
        sample = gst_app_sink_try_pull_preroll(m_sink, 0);
    if (!sample)
        return;
    const GstStructure *format = gst_caps_get_structure(gst_sample_get_caps(sample), 0);
    int width = 0;
    int height = 0;
    gst_structure_get(format, "width", G_TYPE_INT, &width, "height", G_TYPE_INT, &height, nullptr);
    GstBuffer *buffer = gst_sample_get_buffer(sample);
    GstMapInfo map;
    if (gst_buffer_map(buffer, &map, GST_MAP_READ)) {
        m_picture.setImage(QImage(map.data, width, height, QImage::Format_RGB32).copy());
        gst_buffer_unmap(buffer, &map);
    }
    gst_sample_unref(sample);
}

void Player::showPosition()
{
    gint64 position = 0;
    gint64 duration = 0;
    const bool known = gst_element_query_duration(m_pipeline, GST_FORMAT_TIME, &duration)
        && gst_element_query_position(m_pipeline, GST_FORMAT_TIME, &position) && duration > 0;
    m_position.setEnabled(known);
    if (!known || m_position.isSliderDown())
        return;
    m_position.setRange(0, int(duration / GST_MSECOND));
    m_position.setValue(int(position / GST_MSECOND));
}

void Player::dragEnterEvent(QDragEnterEvent *event)
{
    if (event->mimeData()->hasUrls())
        event->acceptProposedAction();
}

void Player::dropEvent(QDropEvent *event)
{
    play(event->mimeData()->urls().constFirst().toEncoded());
    event->acceptProposedAction();
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    QApplication app(argc, argv);

    Player player;
    const QString file = app.arguments().value(1);
    if (file.isEmpty())
        player.playPattern();
    else
        player.play(QUrl::fromUserInput(file, QStringLiteral("."), QUrl::AssumeLocalFile).toEncoded());
    player.show();
    return app.exec();
}
