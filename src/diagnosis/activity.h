// SPDX-License-Identifier: MIT

#ifndef ACTIVITY_H
#define ACTIVITY_H

#include "waker.h"

#include <QtCore/QString>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include <glib.h>

class QEvent;
class QObject;
class QSocketNotifier;
class TraceTrack;

/**
 * What the thread of a dispatcher is doing: its loops, the outermost first, and the handler that each of them runs.
 *
 * The thread writes it down without a lock. The watcher, which is another thread, reads state() alone. All the rest is
 * read by a signal handler in the thread itself. The clock is read only for a trace.
 */
class Activity
{
public:
    enum class Step : std::uint8_t {
        Outside, ///< No loop is running.
        Asleep,
        Awake, ///< The slots connected to awake().
        Events, ///< The posted events, and the window system's if there are windows.
        AboutToBlock, ///< The slots connected to aboutToBlock().
        Preparing, ///< The prepare and check functions of GLib's sources.
        GLibSources,
        Notifiers,
        Timers,
    };

    /// The outermost handler of an event, which a loop has called.
    struct Handler
    {
        enum class Kind : std::uint8_t { None, PostedEvent, WindowSystemEvent, Timer, SocketNotifier };

        Kind kind = Kind::None;
        const void *place = nullptr; ///< What it calls is below this address of the thread's stack.
        const QEvent *event = nullptr; ///< Only to compare it.
        const void *vtable = nullptr; ///< The receiver's. It tells the class, and stays when the receiver goes.
        QString name; ///< The receiver's objectName(), shared with it.
        int type = 0; ///< Of the event or the notifier.
        int number = 0; ///< The timer's id, or the notifier's descriptor.
        std::chrono::nanoseconds interval{0}; ///< The timer's
    };

    struct Loop
    {
        Step step = Step::Outside;
        bool isGLibs = false; ///< Somebody else runs it, and does not tell when it ends.
        int glibDepth = 0; ///< g_main_depth() around a GLib loop
        const void *place = nullptr; ///< What a turn calls is below this address of the thread's stack.
        GSource *source = nullptr; ///< If a loop is nested in the callback of a source: that source.
        Handler handler;
    };

    static constexpr int MaxLoops = 32; ///< Loops that are nested deeper share the last place.

    /// For the dispatcher of the calling thread.
    Activity();
    ~Activity();
    Activity(const Activity &) = delete;
    Activity &operator=(const Activity &) = delete;

    /// One turn of a loop, to the end of its scope. @p activity is nullptr while nobody wants to know.
    class Turn
    {
    public:
        explicit Turn(Activity *activity)
            : m_activity(activity)
        {
            if (m_activity)
                begin();
        }
        ~Turn()
        {
            if (m_activity)
                end();
        }
        Turn(const Turn &) = delete;
        Turn &operator=(const Turn &) = delete;

    private:
        void begin();
        void end();

        Activity *const m_activity;
        int m_outerCount = 0;
        int m_outerTurn = 0;
    };

    /// The innermost turn comes to @p step.
    void enter(Step step)
    {
        if (m_turn >= 0) // the turn that has switched this on is not known
            enter(m_turn, step);
    }
    /// Somebody else's GLib loop does, with that g_main_depth() around it.
    void enterGLibLoop(Step step, int glibDepth);

    void beginTimer(const QObject *receiver, int id, std::chrono::nanoseconds interval);
    void beginNotifier(const QSocketNotifier *notifier);
    /// Any event at all is going to be handled. Nobody tells when that is over, but @p place tells where on the stack it
    /// happens: it is a variable, with the two other arguments in it, of the function that handles the event. What that
    /// calls is below. What comes below later has overwritten the variable.
    void beginEvent(const QObject *receiver, const QEvent *event, const void *const *place)
    {
        if (m_turn < 0)
            return;
        const Loop &loop = m_loops[std::size_t(m_turn)];
        if (loop.step != Step::Events || place >= loop.place) // on another stack, such as that of a coroutine
            return;
        const Handler &handler = loop.handler;
        if (handler.kind != Handler::Kind::None && place < handler.place
            && static_cast<const void *const *>(handler.place)[1] == handler.event)
            return; // sent by a handler, and a part of that
        beginPostedEvent(receiver, event, place);
    }

    /// GLib is going to dispatch @p source. @p data is what GLib gives back at its end.
    void beginSource(const GSource *source, const void *callback, const void *data);
    void endSource(const void *data);
    /// What the innermost turn has just come to is due to a wake-up, if @p waker says so.
    void noteWaker(const Waker::Note &waker);

    /// Another one whenever the innermost loop comes to another step or handler. For the watcher.
    std::uint64_t state() const { return m_state.load(std::memory_order_relaxed); }
    static Step stepOf(std::uint64_t state) { return Step(state & StepMask); }
    static bool isAtWork(std::uint64_t state) { return stepOf(state) > Step::Asleep; }

    // For the signal handler.
    static Activity *current() { return s_current; }
    int count() const { return m_count; }
    const Loop &loop(int index) const { return m_loops[std::size_t(index)]; }

private:
    static constexpr std::uint64_t StepMask = 15;

    Loop &innermost() { return m_loops[std::size_t(m_count - 1)]; }
    void push(int index, Step step);
    void dropGLibLoops();
    void enter(int index, Step step)
    {
        if (m_track)
            trace(index, step);
        noteState(step);
        m_count = index + 1; // GLib loops that were nested in the step before are over
        Loop &loop = innermost();
        loop.step = step;
        loop.handler.kind = Handler::Kind::None;
    }
    /// To be called before a change, so that a signal handler never takes what is new for what the watcher has seen.
    void noteState(Step step)
    {
        m_serial += StepMask + 1;
        m_state.store(m_serial | std::uint64_t(step), std::memory_order_relaxed);
        std::atomic_signal_fence(std::memory_order_release);
    }
    void trace(int index, Step step);
    /// What was nested in the handler before is over.
    void endHandler();
    void beginPostedEvent(const QObject *receiver, const QEvent *event, const void *place);
    void begin(Handler::Kind kind, const void *place, const QObject *receiver, int type, int number,
               std::chrono::nanoseconds interval);

    // In memory that each thread has from its start: it is read for every event, and in signal handlers.
    static thread_local Activity *s_current __attribute__((tls_model("initial-exec")));

    std::array<Loop, MaxLoops> m_loops;
    int m_count = 0;
    int m_turn = -1; // the innermost loop that is no GLib loop of somebody else's
    std::uint64_t m_serial = 0;
    unsigned m_forks;
    unsigned m_traces = 0; // Tracer::count() when it was looked for
    std::shared_ptr<TraceTrack> m_track; // nullptr unless a trace is written
    std::atomic<std::uint64_t> m_state{0};
};

#endif
