// SPDX-License-Identifier: MIT

// Preloaded into a program, it counts in the file $GLIBPROBE.PID how often a GLib timeout of the
// default context is dispatched by the main thread, and how often by another one.

#include <glib.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace {

unsigned counts[2];

gboolean count(void *)
{
    // Children have the environment too, and each counts for itself.
    ++counts[gettid() == getpid() ? 0 : 1];
    const std::string path = std::string(std::getenv("GLIBPROBE")) + '.' + std::to_string(getpid());
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (file >= 0) {
        dprintf(file, "%9u %9u\n", counts[0], counts[1]);
        close(file);
    }
    return G_SOURCE_CONTINUE;
}

__attribute__((constructor)) void loaded()
{
    if (std::getenv("GLIBPROBE"))
        g_timeout_add(200, count, nullptr);
}

}
