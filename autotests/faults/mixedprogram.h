// SPDX-License-Identifier: MIT

#ifndef MIXEDPROGRAM_H
#define MIXEDPROGRAM_H

#include <functional>

/**
 * A short program with some of everything: sockets, a terminal and an eventfd, busy and idle ones; timers, posted events,
 * a worker thread with a dispatcher of its own; GLib's timeouts, idle functions and descriptors.
 *
 * It checks itself: each delivery comes, once; when nothing is left to do, it sleeps.
 */
namespace MixedProgram {

enum class Loop { Qt, GLib };

/// The moments at which the program calls what it was given.
enum class Step {
    Begin,
    DispatcherMade,
    ApplicationMade,
    NotifiersAdded,
    FirstTurnsMade, ///< Idle descriptors are in the epoll set by now, where Qt's loop is used.
    InHandler, ///< Of a timer, in the outermost loop.
    InGLibCallback,
};
constexpr int StepCount = int(Step::InGLibCallback) + 1;

struct Options
{
    Loop outside = Loop::Qt;
    /// Whether to wait for what the kernel has to report of descriptors.
    bool hasDescriptors = true;
    std::function<void(Step)> atStep = {};
};

/// Returns 0, or tells on the standard output what is wrong. After a time limit, it ends the process.
int run(const Options &options);

/// For a forked child, in atStep(): does without what the parent has added, uses a timer, an event and a socket of its own, and
/// ends the process.
[[noreturn]] void useInChild();

}

#endif
