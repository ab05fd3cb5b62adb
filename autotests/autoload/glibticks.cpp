// SPDX-License-Identifier: MIT

// Preloaded into a program that knows nothing of GLib, it says when a GLib source is dispatched
// there.

#include <glib.h>

#include <cstdio>

namespace {

__attribute__((constructor)) void loaded()
{
    g_timeout_add(
        10,
        [](void *) {
            std::fprintf(stderr, "glib\n");
            return gboolean(G_SOURCE_REMOVE);
        },
        nullptr);
}

}
