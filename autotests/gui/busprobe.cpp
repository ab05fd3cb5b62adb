// SPDX-License-Identifier: MIT

// Preloaded into a program, it says how that learns of GStreamer's messages: by a source of GLib's, or by asking
// again and again.

#include <cstdio>

#include <dlfcn.h>

namespace {

/// Not RTLD_NEXT, as it is a plugin of the program that brings GStreamer.
template<typename Function>
Function *inGStreamer(const char *name)
{
    return reinterpret_cast<Function *>(dlsym(dlopen("libgstreamer-1.0.so.0", RTLD_LAZY), name));
}

}

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED unsigned gst_bus_add_watch_full(void *bus, int priority, void *function, void *data, void *notify)
{
    std::fputs("bus watched\n", stderr);
    using Function = unsigned(void *, int, void *, void *, void *);
    return inGStreamer<Function>("gst_bus_add_watch_full")(bus, priority, function, data, notify);
}

EXPORTED void *gst_bus_poll(void *bus, int types, unsigned long long timeout)
{
    std::fputs("bus polled\n", stderr);
    using Function = void *(void *, int, unsigned long long);
    return inGStreamer<Function>("gst_bus_poll")(bus, types, timeout);
}
