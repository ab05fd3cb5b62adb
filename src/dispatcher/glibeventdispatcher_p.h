// SPDX-License-Identifier: MIT

#ifndef GLIBEVENTDISPATCHER_P_H
#define GLIBEVENTDISPATCHER_P_H

#include "glibeventdispatcher.h"

#include "gathering.h"
#include "shortlook.h"
#include "socketnotifiers.h"
#include "windowsystem.h"

#include "../diagnosis/activity.h"
#include "../selector/glibselector_p.h"
#include "../timers/timerqueue.h"

#include <QtCore/QLoggingCategory>
#include <QtCore/QThread>

Q_DECLARE_LOGGING_CATEGORY(lcDispatcher)

/// A GLibEventDispatcher: one turn of the loop, and what it needs.
class GLibEventDispatcherPrivate final : public EventLoop
{
public:
    using Clock = TimerQueue::Clock;
    using Duration = TimerQueue::Duration;
    using Flags = QEventLoop::ProcessEventsFlags;

    GLibEventDispatcherPrivate(GLibEventDispatcher *dispatcher, GMainContext *givenContext);
    ~GLibEventDispatcherPrivate();

    /// Does nothing if that was done before.
    void start()
    {
        if (!selector)
            makeSelector();
    }
    bool processEvents(Flags flags);
    void setPriority(int priority);
    /// Has what the thread does written down from the next step on, if stalls are to be reported or a trace is written.
    void noteActivity();
    /// Has the calling thread's dispatcher do so.
    static void noteActivityHere();
    void reportOwnership()
    {
        if ((selector.load()->ownership().state() == ContextOwnership::Foreign) != reportedForeignOwner)
            reportChangedOwnership();
    }
    /// Whether the running thread is not that of both the dispatcher and @p object.
    bool isForeign(const QObject *object) const
    {
        const QThread *const thread = q->thread();
        const GLibSelectorPrivate *const started = selector;
        const bool isHere = (started && started->isBoundToThisThread()) || thread == QThread::currentThread();
        return !isHere || object->thread() != thread;
    }

    void addTimer(int id, Duration interval, Qt::TimerType type, QObject *object);
    bool removeTimer(int id);
    bool removeTimers(QObject *object);
    std::vector<TimerQueue::Info> timersOf(QObject *object) const;
    std::optional<Duration> remaining(int id) const;

    GLibEventDispatcher *const q;
    GMainContext *context;
    int priority = G_PRIORITY_DEFAULT;

    std::unique_ptr<GLibSelector> ownedSelector;
    // For wakeUp(), which other threads call before the dispatcher starts, too.
    std::atomic<GLibSelectorPrivate *> selector{nullptr};
    std::unique_ptr<SocketNotifiers> notifiers;
    TimerQueue timers;
    WindowSystem windowSystem;
    std::atomic<bool> interrupted{false};
    // Somebody has connected to a signal. To emit awake() and aboutToBlock() for nobody is 2 to 4 % of a turn.
    std::atomic<bool> isConnected{false};
    std::unique_ptr<Activity> activity; // nullptr unless somebody wants to know

private:
    /// Who waits for work.
    enum class Driver { Qt, GLib };

    struct Turn
    {
        bool hadWork = false;
        bool waited = false; ///< It might have slept.
        bool hadNoReason = false; ///< It slept, and nothing has happened.
    };

    // EventLoop
    Demand demand() override;
    void turn() override { turn(flags, Driver::GLib); }
    bool aboutToBlock() override;
    void awake() override;

    void enter(Activity::Step step)
    {
        if (Q_UNLIKELY(activity))
            activity->enter(step);
    }
    void makeSelector();
    bool isForeign(const char *function, const QObject *object) const;
    void setAwake();
    Turn turn(Flags flags, Driver driver);
    bool sendPostedEvents(Flags flags, Driver driver);
    bool wait(Flags flags, bool wasWoken, Turn *turn);
    int activateTimers(TimerQueue::TimePoint now);
    bool isMainThread() const;
    void reportChangedOwnership();
    void reportFailure(int error);

    const QThread *const createdIn;
    Flags flags; // of the innermost processEvents() that is running
    int level = 0; // how many of them are
    int lastTurnDepth = 0; // the g_main_depth() of the loop that had the last turn
    ShortLook shortLook;
    Gathering gathering;
    bool isAsleep = false; // may be, as far as its users were told
    bool isSendingEvents = false; // and a loop in one of their handlers has not sent the rest
    bool reportedForeignOwner = false;
    bool reportedFailure = false;
};

#endif
