// SPDX-License-Identifier: MIT

/*
A GStreamer video in a QML window: `qml-video [SOURCE]`, where SOURCE is the first part of a
pipeline, such as "uridecodebin uri=file:///tmp/video.webm". This is its CMakeLists.txt elsewhere:

    cmake_minimum_required(VERSION 3.22)
    project(qml-video LANGUAGES CXX)
    find_package(GLibEventDispatcher REQUIRED)
    find_package(Qt6 REQUIRED COMPONENTS Quick)
    find_package(PkgConfig REQUIRED)
    pkg_check_modules(GSTREAMER REQUIRED IMPORTED_TARGET gstreamer-app-1.0 gstreamer-video-1.0)
    set(CMAKE_AUTOMOC ON)
    add_executable(qml-video main.cpp)
    target_link_libraries(qml-video
        PRIVATE GLibEventDispatcher::GLibEventDispatcher Qt6::Quick PkgConfig::GSTREAMER)
*/

#include <GLibEventDispatcher>

#include <QtGui/QGuiApplication>
#include <QtGui/QPainter>
#include <QtQml/QQmlApplicationEngine>
#include <QtQuick/QQuickPaintedItem>

#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>

class Video : public QQuickPaintedItem
{
    Q_OBJECT

public:
    void showFramesOf(GstAppSink *sink)
    {
        // GStreamer calls it in a thread of its own. The frame is fetched in the window's thread, and only the newest one.
        const auto announce = [](GstAppSink *from, gpointer data) {
            auto *self = static_cast<Video *>(data);
            QMetaObject::invokeMethod(
                self, [self, from] { self->fetch(from); }, Qt::QueuedConnection);
            return GST_FLOW_OK;
        };
        GstAppSinkCallbacks callbacks{};
        callbacks.new_sample = announce;
        gst_app_sink_set_callbacks(sink, &callbacks, this, nullptr);
    }

    void paint(QPainter *painter) override { painter->drawImage(boundingRect(), m_frame); }

private:
    void fetch(GstAppSink *sink)
    {
        g_autoptr(GstSample) sample = gst_app_sink_try_pull_sample(sink, 0);
        GstVideoInfo info;
        GstVideoFrame frame;
        if (!sample || !gst_video_info_from_caps(&info, gst_sample_get_caps(sample))
            || !gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ))
            return;
        m_frame = QImage(static_cast<const uchar *>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)),
                         GST_VIDEO_FRAME_WIDTH(&frame), GST_VIDEO_FRAME_HEIGHT(&frame),
                         GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0), QImage::Format_RGBX8888)
                      .copy();
        gst_video_frame_unmap(&frame);
        update();
    }

    QImage m_frame;
};

static gboolean onMessage(GstBus *, GstMessage *message, gpointer)
{
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        g_autoptr(GError) error = nullptr;
        gst_message_parse_error(message, &error, nullptr);
        qWarning("%s", error->message);
        QCoreApplication::exit(EXIT_FAILURE);
    }
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    QGuiApplication app(argc, argv);

    qmlRegisterType<Video>("Example", 1, 0, "Video");
    QQmlApplicationEngine engine;
    engine.loadData(R"(
        import QtQuick
        import QtQuick.Window
        import Example
        Window {
            visible: true
            width: 480; height: 270
            title: "GStreamer in QML"
            Video { objectName: "video"; anchors.fill: parent }
        })");
    if (engine.rootObjects().isEmpty())
        return EXIT_FAILURE;
    auto *video = engine.rootObjects().constFirst()->findChild<Video *>(QStringLiteral("video"));

    const QByteArray source = argc > 1 ? argv[1] : "videotestsrc";
    g_autoptr(GError) error = nullptr;
    g_autoptr(GstElement) pipeline
        = gst_parse_launch(source
                               + " ! videoconvert ! video/x-raw,format=RGBx"
                                 " ! appsink name=sink max-buffers=1 drop=true",
                           &error);
    if (error) {
        qWarning("%s", error->message);
        return EXIT_FAILURE;
    }
    g_autoptr(GstElement) sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    video->showFramesOf(GST_APP_SINK(sink));
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    gst_bus_add_watch(bus, &onMessage, nullptr);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    const int status = app.exec();
    gst_element_set_state(pipeline, GST_STATE_NULL); // no frame after this
    gst_bus_remove_watch(bus);
    return status;
}

#include "main.moc"
