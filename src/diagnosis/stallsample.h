// SPDX-License-Identifier: MIT

#ifndef STALLSAMPLE_H
#define STALLSAMPLE_H

#include "activity.h"

/// What a thread is doing at one moment: read by a signal handler in that thread, into memory that was there before.
struct StallSample
{
    static constexpr int MaxStack = 64;
    static constexpr int MaxName = 80;

    struct Source
    {
        GSource *source; ///< Only to compare it. nullptr if there is none.
        char name[MaxName];
        int priority;
        GMainContext *context;
        const void *callback; ///< What was given to g_source_set_callback(), where that can be known.
        const void *dispatch; ///< The dispatch function of the kind of source.

        /// @p taken may be nullptr. @p calledBack is its callback.
        void take(const GSource *taken, const void *calledBack);
    };

    struct Loop
    {
        Activity::Step step;
        bool isGLibs;
        Activity::Handler::Kind kind; ///< None: the step itself.
        const void *vtable;
        char16_t name[MaxName];
        int type;
        int number;
        std::chrono::nanoseconds interval;
        Source source; ///< Where the step is GLibSources.

        /// The handler of @p loop, if it is not over. @p top is where the stack ends now; nullptr if that is not known.
        void take(const Activity::Loop &loop, const void *top);
    };

    std::uint64_t state; ///< Activity::state()
    std::array<Loop, Activity::MaxLoops> loops; ///< The outermost first.
    int count;
    std::array<void *, MaxStack> stack; ///< The innermost call first.
    int stackBegin; ///< Where it was interrupted: the signal handler is in front of that.
    int stackEnd;

    /// The innermost loop. It is what keeps the thread. nullptr if none is running.
    const Loop *innermost() const { return count > 0 ? &loops[std::size_t(count - 1)] : nullptr; }

    /// Takes it. For the signal handler, with the handler's @p context.
    void take(const Activity &activity, void *context);
    /// To be called before the first signal: loads and allocates what take() must not.
    static void prepare();
};

#endif
