// SPDX-License-Identifier: MIT

/*
PulseAudio's client library on its main loop for GLib, in a Qt program. It lists the outputs.

    c++ -std=c++17 -fPIC -o pulseaudio main.cpp \
        $(pkg-config --cflags --libs glibeventdispatcher libpulse-mainloop-glib)
*/

#include <GLibEventDispatcher>

#include <QtCore/QCoreApplication>

#include <pulse/glib-mainloop.h>
#include <pulse/pulseaudio.h>

static void onSink(pa_context *context, const pa_sink_info *sink, int last, void *)
{
    if (sink)
        qInfo("%s: %s", sink->name, sink->description);
    if (last)
        pa_context_disconnect(context);
}

static void onState(pa_context *context, void *)
{
    switch (pa_context_get_state(context)) {
    case PA_CONTEXT_READY:
        pa_operation_unref(pa_context_get_sink_info_list(context, &onSink, nullptr));
        break;
    case PA_CONTEXT_FAILED:
        qWarning("PulseAudio: %s", pa_strerror(pa_context_errno(context)));
        QCoreApplication::exit(EXIT_FAILURE);
        break;
    case PA_CONTEXT_TERMINATED:
        QCoreApplication::quit();
        break;
    default:
        break;
    }
}

int main(int argc, char **argv)
{
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    QCoreApplication app(argc, argv);

    pa_glib_mainloop *loop = pa_glib_mainloop_new(nullptr);
    pa_context *context = pa_context_new(pa_glib_mainloop_get_api(loop), "pulseaudio");
    pa_context_set_state_callback(context, &onState, nullptr);
    const bool connecting = pa_context_connect(context, nullptr, PA_CONTEXT_NOFLAGS, nullptr) == 0;
    const int status = connecting ? app.exec() : EXIT_FAILURE;
    pa_context_unref(context);
    pa_glib_mainloop_free(loop);
    return status;
}
