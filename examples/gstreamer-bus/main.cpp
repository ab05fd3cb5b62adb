// SPDX-License-Identifier: MIT

/*
A GStreamer bus watch in a Qt program: `gstreamer-bus [PIPELINE]`, as gst-launch-1.0 takes it.

    c++ -std=c++17 -fPIC -o gstreamer-bus main.cpp \
        $(pkg-config --cflags --libs glibeventdispatcher gstreamer-1.0)
*/

#include <GLibEventDispatcher>

#include <QtCore/QCoreApplication>
#include <QtCore/QTimer>

#include <gst/gst.h>

static gboolean onMessage(GstBus *, GstMessage *message, gpointer)
{
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) {
        qInfo("GLib: end of stream");
        QCoreApplication::quit();
    } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        g_autoptr(GError) error = nullptr;
        gst_message_parse_error(message, &error, nullptr);
        qWarning("GLib: %s", error->message);
        QCoreApplication::exit(EXIT_FAILURE);
    }
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher); // before the application
    QCoreApplication app(argc, argv);

    g_autoptr(GError) error = nullptr;
    g_autoptr(GstElement) pipeline = gst_parse_launch(
        argc > 1 ? argv[1] : "audiotestsrc num-buffers=100 ! autoaudiosink", &error);
    if (error) {
        qWarning("%s", error->message);
        return EXIT_FAILURE;
    }
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    gst_bus_add_watch(bus, &onMessage, nullptr);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);

    QTimer timer;
    timer.callOnTimeout([] { qInfo("Qt: tick"); });
    timer.start(500);
    const int status = app.exec();

    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_bus_remove_watch(bus);
    return status;
}
