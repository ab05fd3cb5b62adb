// SPDX-License-Identifier: MIT

#include "glibeventdispatcher_p.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QTimerEvent>

#ifdef Q_OS_LINUX
#    include <sys/syscall.h>
#    include <unistd.h>
#endif

Q_LOGGING_CATEGORY(lcDispatcher, "glib.eventdispatcher")

namespace {

static_assert(int(TimerQueue::Accuracy::Precise) == Qt::PreciseTimer
              && int(TimerQueue::Accuracy::Coarse) == Qt::CoarseTimer
              && int(TimerQueue::Accuracy::VeryCoarse) == Qt::VeryCoarseTimer);

bool includesNotifiers(QEventLoop::ProcessEventsFlags flags)
{
    return !flags.testFlag(QEventLoop::ExcludeSocketNotifiers);
}

bool includesTimers(QEventLoop::ProcessEventsFlags flags)
{
    return !flags.testFlag(QEventLoop::X11ExcludeTimers);
}

}

GLibEventDispatcherPrivate::GLibEventDispatcherPrivate(GLibEventDispatcher *dispatcher,
                                                       GMainContext *givenContext)
    : q(dispatcher)
    , context(givenContext ? g_main_context_ref(givenContext) : nullptr)
    , createdIn(QThread::currentThread())
{
}

GLibEventDispatcherPrivate::~GLibEventDispatcherPrivate()
{
    notifiers.reset();
    ownedSelector.reset();
    if (context)
        g_main_context_unref(context);
}

/// Whether the dispatcher's thread is the main thread. A worker must not look at the application, which may be on
/// its way in or out meanwhile.
bool GLibEventDispatcherPrivate::isMainThread() const
{
    if (createdIn != QThread::currentThread())
        return false;
#if QT_VERSION >= QT_VERSION_CHECK(6, 8, 0)
    return QThread::isMainThread();
#else
#    ifdef Q_OS_LINUX
    if (getpid() == pid_t(syscall(SYS_gettid)))
        return true;
#    endif
    const QCoreApplication *app = QCoreApplication::instance();
    return app && app->thread() == createdIn;
#endif
}

void GLibEventDispatcherPrivate::makeSelector()
{
    const bool isMain = isMainThread();
    if (!context)
        context = isMain ? g_main_context_ref(g_main_context_default()) : g_main_context_new();
    if (!isMain)
        windowSystem.disable();
    ownedSelector = std::make_unique<GLibSelector>(context);
    GLibSelectorPrivate *started = GLibSelectorPrivate::get(ownedSelector.get());
    notifiers = std::make_unique<SocketNotifiers>(started);
    started->bindToThread();
    started->attach(this, priority);
    selector = started;
    noteActivity();
    // Events may have been posted when nobody could be told.
    started->wakeUp().requestHere();
}

void GLibEventDispatcherPrivate::setPriority(int newPriority)
{
    priority = newPriority;
    if (selector)
        selector.load()->setPriority(newPriority);
}

bool GLibEventDispatcherPrivate::processEvents(Flags newFlags)
{
    struct Call
    {
        GLibEventDispatcherPrivate *d;
        const Flags outerFlags = d->flags;
        // If this call is nested in one that was interrupted, that one must not go on to wait.
        const bool outerIsInterrupted = d->level > 0 && d->interrupted;

        ~Call() // by an exception as well
        {
            d->flags = outerFlags;
            --d->level;
            if (outerIsInterrupted)
                d->interrupted = true;
        }
    } const call{this};
    flags = newFlags;
    ++level;
    interrupted.store(false, std::memory_order_relaxed); // who interrupts another thread's loop has to know that it runs

    const bool isRunningLoop = flags.testFlag(QEventLoop::EventLoopExec);
    const bool waits = flags.testFlag(QEventLoop::WaitForMoreEvents);
    if (isRunningLoop || waits) {
        selector.load()->ownership().keep();
        reportOwnership();
    }
    if (!isRunningLoop)
        selector.load()->descriptors().requireCheck(); // the caller may have closed some
    Turn last;
    do {
        last = turn(flags, Driver::Qt);
    } while (last.hadNoReason && !isRunningLoop && !interrupted);
    return last.hadWork;
}

/// One turn of the loop. Qt's loop waits in it; GLib's has waited before, and knows what is ready.
GLibEventDispatcherPrivate::Turn GLibEventDispatcherPrivate::turn(Flags turnFlags, Driver driver)
{
    lastTurnDepth = driver == Driver::Qt ? g_main_depth() : g_main_depth() - 1;
    const Activity::Turn noted(activity.get());
    ++selector.load()->counters().turns;
    setAwake();

    Turn turn;
    // What a wake-up is for is looked at from here on.
    enter(Activity::Step::Events);
    const bool wasWoken = selector.load()->takeWakeUp();
    turn.hadWork = sendPostedEvents(turnFlags, driver);

    if (driver == Driver::Qt) {
        if (!wait(turnFlags, wasWoken, &turn))
            return turn;
    } else if (includesNotifiers(turnFlags)) {
        selector.load()->descriptors().finishLook(false);
    }
    // What ends the wait of a running loop is fetched from the window system by the next turn. Somebody who calls
    // processEvents() by hand may wait for just that.
    if (turn.waited && !turnFlags.testFlag(QEventLoop::EventLoopExec) && !interrupted && windowSystem.isPresent()) {
        enter(Activity::Step::Events);
        turn.hadWork |= windowSystem.processEvents(turnFlags);
        if (interrupted)
            return turn;
    }
    turn.hadWork |= wasWoken;

    enter(Activity::Step::Notifiers);
    const bool activated = includesNotifiers(turnFlags) && notifiers->activate(activity.get()) > 0;
    turn.hadWork |= activated;
    enter(Activity::Step::Timers);
    if (includesTimers(turnFlags)) {
        // The notifiers have taken time, and with GLib's loop the selector has not looked at the clock.
        const bool isLate = (activated || driver == Driver::GLib) && timers.needsTime();
        const TimerQueue::TimePoint now = isLate ? Clock::now() : selector.load()->now();
        turn.hadWork |= activateTimers(now) > 0;
    }
    return turn;
}

/// Returns whether the window system had events.
bool GLibEventDispatcherPrivate::sendPostedEvents(Flags turnFlags, Driver driver)
{
    const bool isOutermostOfGLib
        = driver == Driver::GLib && level == 0 && lastTurnDepth == 0 && q->thread()->loopLevel() == 0;
    bool hadWindowEvents = false;
    isSendingEvents = true;
    if (windowSystem.isPresent())
        hadWindowEvents = windowSystem.processEvents(turnFlags);
    else
        QCoreApplication::sendPostedEvents();
    isSendingEvents = false; // for a turn that this one is nested in as well: nothing is left
    // What GLib's callbacks delete later is for the outermost loop to delete. Qt does that when one of its own loops
    // runs, which need never happen if GLib's loop is the outermost.
    if (isOutermostOfGLib)
        QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
    return hadWindowEvents;
}

/// Returns false if it was interrupted before.
bool GLibEventDispatcherPrivate::wait(Flags turnFlags, bool wasWoken, Turn *turn)
{
    GLibSelectorPrivate *const waiting = selector;
    const bool isRunningLoop = turnFlags.testFlag(QEventLoop::EventLoopExec);
    const auto isWoken = [=] { return waiting->wakeUp().isRequested(); };
    const auto hasNew = [=] { return waiting->wakeUp().takeElsewhere(); };
    if (isRunningLoop && !interrupted && waiting->wakeUp().isRequestedElsewhere() && gathering.gather(hasNew))
        waiting->wakeUp().requestHere();
    bool mayWait = turnFlags.testFlag(QEventLoop::WaitForMoreEvents)
        && !interrupted && !isWoken() && !windowSystem.hasWork(turnFlags);
    if (mayWait && isRunningLoop && !wasWoken && !timers.hasZeroTimers() && !waiting->descriptors().hasReady())
        mayWait = !shortLook.look(isWoken, timers.wakeTime().value_or(GLibSelectorPrivate::Never));
    if (mayWait) {
        waiting->beginWait();
        enter(Activity::Step::AboutToBlock);
        aboutToBlock();
    }
    if (interrupted)
        return false;

    // As in Qt, a wake-up makes processEvents() return, even if its events have just been sent.
    GLibSelectorPrivate::Look look;
    look.mayBlock = mayWait && !wasWoken;
    look.mayBeQuick = isRunningLoop;
    const GLibSelectorPrivate::Result result = waiting->look(*this, look);
    if (result.wakeUpTime)
        shortLook.noteWakeUp(*result.wakeUpTime);
    reportOwnership();
    if (result.error)
        reportFailure(*result.error);

    // Whoever waits by hand for what an event does needs the call that sends the event to return, as with Qt's GLib
    // dispatcher. A running loop is interrupted by who ends it, and needs no turn without a wait.
    if (result.wasWoken && mayWait && !isRunningLoop)
        waiting->wakeUp().requestHere();
    turn->waited = look.mayBlock;
    turn->hadWork |= result.glibWorked || result.wasWoken;
    turn->hadNoReason = look.mayBlock && result.isEmpty;
    return true;
}

void GLibEventDispatcherPrivate::setAwake()
{
    isAsleep = false;
    if (isConnected.load(std::memory_order_relaxed))
        Q_EMIT q->awake();
}

/// A GLib callback that has ended the sleep of a Qt loop may run a GLib loop, which sleeps before that Qt loop has
/// another turn. The signals alternate all the same.
bool GLibEventDispatcherPrivate::aboutToBlock()
{
    awake();
    isAsleep = true;
    if (!isConnected.load(std::memory_order_relaxed))
        return false;
    Q_EMIT q->aboutToBlock();
    return true;
}

void GLibEventDispatcherPrivate::awake()
{
    if (isAsleep)
        setAwake();
}

EventLoop::Demand GLibEventDispatcherPrivate::demand()
{
    Demand demand;
    demand.descriptors = includesNotifiers(flags);
    // Nobody announces a second time what stands behind the posted event whose handler runs a loop, and what a turn of a
    // nested loop must not send, such as deferred deletes.
    const bool lastTurnWasNested = lastTurnDepth > 0 && lastTurnDepth > g_main_depth();
    demand.hasWork = isSendingEvents || lastTurnWasNested || windowSystem.hasWork(flags);
    if (includesTimers(flags)) {
        demand.hasIdleWork = timers.hasZeroTimers();
        if (timers.needsTime())
            demand.deadline = timers.wakeTime().value_or(Never);
    }
    return demand;
}

void GLibEventDispatcherPrivate::reportChangedOwnership()
{
    const bool isForeign = !reportedForeignOwner;
    reportedForeignOwner = isForeign;
    if (isForeign) {
        qCWarning(lcDispatcher,
                  "GLibEventDispatcher: GMainContext %p is owned by another thread. Its GLib sources "
                  "are not dispatched in this thread; Qt's events, sockets and timers are. The "
                  "context is taken as soon as it is free.",
                  static_cast<void *>(context));
    } else {
        qCInfo(lcDispatcher,
               "GLibEventDispatcher: GMainContext %p has become free. Its GLib sources are dispatched "
               "in this thread from now on.",
               static_cast<void *>(context));
    }
}

void GLibEventDispatcherPrivate::reportFailure(int error)
{
    if ((error != 0) == reportedFailure)
        return;
    reportedFailure = error != 0;
    if (error) {
        qCWarning(lcDispatcher,
                  "GLibEventDispatcher: the descriptors cannot be polled: %s (errno %d). Timers and posted "
                  "events are served; the poll is tried again every 10 ms.",
                  std::generic_category().message(error).c_str(), error);
    }
}

/// As in Qt, zero timers do not count: whoever calls processEvents() until it has nothing to do would never return.
int GLibEventDispatcherPrivate::activateTimers(TimerQueue::TimePoint now)
{
    struct Firing
    {
        TimerQueue &queue;
        const TimerQueue::Tick tick;
        ~Firing() { queue.finish(tick); } // by an exception as well
    };

    int activated = 0;
    timers.collect(now);
    while (const auto tick = timers.take()) {
        const Firing firing{timers, *tick};
        activated += tick->interval > Duration::zero();
#if QT_VERSION >= QT_VERSION_CHECK(6, 8, 0)
        QTimerEvent event(Qt::TimerId{tick->id});
#else
        QTimerEvent event(tick->id);
#endif
        auto *const receiver = static_cast<QObject *>(tick->owner);
        if (activity)
            activity->beginTimer(receiver, tick->id, tick->interval);
        QCoreApplication::sendEvent(receiver, &event);
    }
    return activated;
}

/// Warns if a function for timers must not be called in this thread.
bool GLibEventDispatcherPrivate::isForeign(const char *function, const QObject *object) const
{
    if (!isForeign(object ? object : q))
        return false;
    qWarning("GLibEventDispatcher::%s: object %p: timers cannot be started or stopped from another "
             "thread; nothing is done",
             function, static_cast<const void *>(object));
    return true;
}

void GLibEventDispatcherPrivate::addTimer(int id, Duration interval, Qt::TimerType type, QObject *object)
{
    if (id < 1 || interval < Duration::zero() || !object) {
        qWarning("GLibEventDispatcher::registerTimer: timer %d of object %p with interval %lld ns: "
                 "invalid arguments; it is not started",
                 id, static_cast<void *>(object), static_cast<long long>(interval.count()));
        return;
    }
    if (isForeign("registerTimer", object))
        return;
    start();
    timers.add(id, interval, TimerQueue::Accuracy(type), object, Clock::now());
    selector.load()->noteChange();
}

bool GLibEventDispatcherPrivate::removeTimer(int id)
{
    if (id < 1) {
        qWarning("GLibEventDispatcher::unregisterTimer: timer %d: invalid argument; nothing is done", id);
        return false;
    }
    return !isForeign("unregisterTimer", nullptr) && timers.remove(id);
}

bool GLibEventDispatcherPrivate::removeTimers(QObject *object)
{
    if (!object) {
        qWarning("GLibEventDispatcher::unregisterTimers: object is nullptr; nothing is done");
        return false;
    }
    return !isForeign("unregisterTimers", object) && timers.removeAll(object);
}

std::vector<TimerQueue::Info> GLibEventDispatcherPrivate::timersOf(QObject *object) const
{
    if (!object)
        qWarning("GLibEventDispatcher::registeredTimers: object is nullptr; an empty list is returned");
    return timers.timersOf(object);
}

std::optional<TimerQueue::Duration> GLibEventDispatcherPrivate::remaining(int id) const
{
    if (id < 1) {
        qWarning("GLibEventDispatcher::remainingTime: timer %d: invalid argument; there is no such timer", id);
        return std::nullopt;
    }
    const auto due = timers.due(id);
    if (!due)
        return std::nullopt;
    return std::max(*due - Clock::now(), Duration::zero());
}
