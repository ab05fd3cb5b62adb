// SPDX-License-Identifier: MIT

#ifndef DELIVERIES_H
#define DELIVERIES_H

#include <atomic>

/// What the mixed program waits for.
enum class Kind {
    BusySocket, LateSocket, Terminal, EventFd, Writable,
    Posted, PostedByWorker, Replied,
    RepeatedTimer, SingleShot, ZeroTimer, WorkerTimer, WorkerSocket,
    Timeout, Idle, GLibDescriptor
};

struct Delivery
{
    const char *name;
    int expected;
    bool needsDescriptors;
    std::atomic<int> count{0};
};

Delivery &delivery(Kind kind);

/// Whether all have come, or all that need no descriptors.
bool areComplete(bool withDescriptors);

/// Prints those that have not come, or too often. Returns whether there is none.
bool report(bool withDescriptors);

#endif
