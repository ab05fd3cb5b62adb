// SPDX-License-Identifier: MIT

#ifndef EVENTLOOP_H
#define EVENTLOOP_H

#include <chrono>

/// What the selector has to know of an event loop on top of it.
class EventLoop
{
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    static constexpr TimePoint Never = TimePoint::max();

    /// What the loop waits for, apart from wake-ups.
    struct Demand
    {
        bool descriptors = true; ///< Whether descriptors count.
        bool hasWork = false; ///< It has work now.
        bool hasIdleWork = false; ///< It has work for when nothing else is to do.
        TimePoint deadline = Never; ///< When it will have work.
    };
    virtual Demand demand() = 0;

    // The functions below are called only while somebody else iterates the context: a g_main_loop_run() outside of
    // everything or in a callback, a g_application_run(), a modal GTK dialog.

    /// There is work, or a descriptor is ready.
    virtual void turn() { }
    /// The loop may be about to sleep: nothing is to do. Returns whether others were told, whose code may
    /// have changed that and has taken time.
    virtual bool aboutToBlock() { return false; }
    /// It is not asleep, if it was.
    virtual void awake() { }

protected:
    ~EventLoop() = default;
};

#endif
