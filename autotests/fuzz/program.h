// SPDX-License-Identifier: MIT

#ifndef PROGRAM_H
#define PROGRAM_H

#include <string>
#include <vector>

/**
 * A random program: lists of operations that main(), the handlers of events and "other threads" perform.
 * It is plain data, so that it can be taken apart to find the few operations that matter.
 */
namespace Program {

enum class Kind {
    // Loops. "option" has their QEventLoop::ProcessEventsFlags.
    Exec, ///< QCoreApplication::exec(), in main() only
    Nest, ///< QEventLoop::exec()
    ProcessEvents, ///< One call of QAbstractEventDispatcher::processEvents()
    Exit, ///< QEventLoop::exit(value) of the target-th loop, counted from the innermost
    Quit, ///< QCoreApplication::exit(value)
    Interrupt,
    WakeUp,
    Throw,
    // Objects.
    Post, ///< An event with priority "value" to object "target"
    SendPosted, ///< QCoreApplication::sendPostedEvents()
    RemovePosted, ///< ... removePostedEvents() for object "target"
    DeleteLater,
    Delete,
    Move, ///< Object "target", or if "option" that notifier, to the worker; OtherThreads move it back
    WorkerTurn, ///< One call of the worker's processEvents()
    // Timers.
    StartTimer, ///< Number "target", "value" units long, of type "option", for "count" ticks
    StopTimer,
    // Socket notifiers of the type "value" for the socket of channel "target".
    Enable,
    Disable,
    Write, ///< From the other end
    Drain, ///< What the other end has written
    HangUp, ///< The other end is closed
    Reopen, ///< Notifiers disabled, both ends closed, the same numbers opened; option: a duplicate stays open
    // GLib.
    NestGLib, ///< g_main_loop_run()
    AddIdle, ///< Source "target" of priority "value", for "count" calls
    AddTimeout, ///< ... every "option" units
    AddFd, ///< ... for the socket of channel "option"
    RemoveSource,
    // Windows.
    ShowWindow,
    HideWindow,
    CloseWindow,
    DestroyWindow,
    RequestUpdate,
    Input, ///< A key (option) or a move of the mouse, queued as the platform does
};

/// Who performs an operation; numbers from 1 are handlers.
enum Performer { OtherThreads = -1, Main = 0 };

struct Operation
{
    int performer;
    Kind kind;
    int target = 0;
    int value = 0;
    int option = 0;
    int count = 1;
    int handler = 0; ///< Performs what follows from it; 0 is nobody
    int delay = 0; ///< Of OtherThreads: units of time since the one before
    bool early = false; ///< ... just before the main thread sleeps, not while it does
};

using Operations = std::vector<Operation>;

constexpr int ObjectCount = 4;
constexpr int TimerCount = 6;
constexpr int SocketCount = 3;
/// The channel of a file whose changes poll() reports once; its notifiers are all of the type Exception.
constexpr int FileChannel = SocketCount;
constexpr int ChannelCount = SocketCount + 1;
constexpr int SourceCount = 4;
constexpr int WindowCount = 3;

enum class Family {
    Qt, ///< What any of Qt's dispatchers can run
    GLib, ///< With GLib's sources and loops
    Windows, ///< ... and with windows
    QtWindows, ///< With windows, and what any of Qt's dispatchers can run
};

constexpr bool hasWindows(Family family)
{
    return family == Family::Windows || family == Family::QtWindows;
}

/// Whether the programs do the same with Qt's UNIX dispatcher.
constexpr bool isCompared(Family family)
{
    return family == Family::Qt || family == Family::QtWindows;
}

/// The program number @p seed; the same everywhere.
Operations generate(unsigned seed, Family family);

/// Whether a handler of @p operations performs an operation of any of @p kinds.
bool performs(const Operations &operations, int performer, std::initializer_list<Kind> kinds);

/// As C++, to be pasted into a test.
std::string toCode(const Operations &operations);

}

#endif
