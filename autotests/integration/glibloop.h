// SPDX-License-Identifier: MIT

#ifndef GLIBLOOP_H
#define GLIBLOOP_H

#include <glib.h>

/// Runs @p loop. Whether somebody ended it, and not only the guard after a minute.
inline bool run(GMainLoop *loop)
{
    struct Guard
    {
        static gboolean onTimeout(gpointer data)
        {
            auto self = static_cast<Guard *>(data);
            self->expired = true;
            g_main_loop_quit(self->loop);
            return G_SOURCE_CONTINUE;
        }

        GMainLoop *loop;
        bool expired;
    } guard = {loop, false};
    GSource *source = g_timeout_source_new_seconds(60);
    g_source_set_callback(source, &Guard::onTimeout, &guard, nullptr);
    g_source_attach(source, g_main_loop_get_context(loop));
    g_main_loop_run(loop);
    g_source_destroy(source);
    g_source_unref(source);
    return !guard.expired;
}

#endif
