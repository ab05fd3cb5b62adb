// SPDX-License-Identifier: MIT

#ifndef PLACEOFTHREAD_H
#define PLACEOFTHREAD_H

/// Stands for the calling thread: an address that no other running thread gets. It takes no call, unlike g_thread_self() and
/// QThread::currentThread(), which are a good part of what enabling a notifier or an iteration of a GLib loop takes.
inline const void *placeOfThread()
{
    static thread_local char place __attribute__((tls_model("initial-exec")));
    return &place;
}

#endif
