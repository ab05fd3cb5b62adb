// SPDX-License-Identifier: MIT

#include "glibeventdispatcher.h"

#include "socketnotifiers.h"
#include "windowsystem.h"

#include "../selector/glibselector_p.h"
#include "../selector/racedetector.h"
#include "../timers/timerqueue.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QLoggingCategory>
#include <QtCore/QScopedValueRollback>
#include <QtCore/QSocketNotifier>
#include <QtCore/QThread>
#include <QtCore/QTimerEvent>

Q_LOGGING_CATEGORY(lcDispatcher, "glib.eventdispatcher")

using namespace std::chrono_literals;

namespace {

/// While Qt has work all the time: how long GLib, if it had none, and the kernel are left alone.
constexpr auto Patience = 100us;

static_assert(int(TimerQueue::Accuracy::Precise) == Qt::PreciseTimer
              && int(TimerQueue::Accuracy::Coarse) == Qt::CoarseTimer
              && int(TimerQueue::Accuracy::VeryCoarse) == Qt::VeryCoarseTimer);

}

class GLibEventDispatcherPrivate final : public GLibSelectorPrivate::Loop
{
public:
    using Clock = TimerQueue::Clock;
    using Duration = TimerQueue::Duration;

    GLibEventDispatcherPrivate(GLibEventDispatcher *dispatcher, GMainContext *givenContext);
    ~GLibEventDispatcherPrivate();

    void start();
    bool isForeign(const char *function, const QObject *object) const;
    void addTimer(int id, Duration interval, Qt::TimerType type, QObject *object);
    bool removeTimer(int id);
    std::vector<TimerQueue::Info> timersOf(QObject *object) const;
    std::optional<Duration> remaining(int id) const;
    void reportOwnership();
    int activate(bool notifiersToo, bool timersToo);
    int activateTimers();

    // GLibSelectorPrivate::Loop
    GLibSelectorPrivate::TimePoint deadline() override;
    bool hasIdleWork() override { return timers.hasZeroTimers(); }
    void serve() override;

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
    bool isProcessing = false; // in processEvents()
    int lastTurnLevel = 0; // the g_main_depth() of the loop that had the last turn
    bool reportedForeignOwner = false;
};

GLibEventDispatcherPrivate::GLibEventDispatcherPrivate(GLibEventDispatcher *dispatcher,
                                                       GMainContext *givenContext)
    : q(dispatcher)
    , context(givenContext ? g_main_context_ref(givenContext) : nullptr)
{
}

GLibEventDispatcherPrivate::~GLibEventDispatcherPrivate()
{
    notifiers.reset();
    ownedSelector.reset();
    if (context)
        g_main_context_unref(context);
}

void GLibEventDispatcherPrivate::start()
{
    if (selector)
        return;
    if (!context) {
        const QCoreApplication *app = QCoreApplication::instance();
        context = !app || app->thread() == QThread::currentThread()
            ? g_main_context_ref(g_main_context_default())
            : g_main_context_new();
    }
    ownedSelector = std::make_unique<GLibSelector>(context);
    GLibSelectorPrivate *started = GLibSelectorPrivate::get(ownedSelector.get());
    notifiers = std::make_unique<SocketNotifiers>(started);
    started->bindToThread();
    started->attach(this, priority);
    selector = started;
    // Events may have been posted when nobody could be told.
    started->wakeUp();
}

std::vector<TimerQueue::Info> GLibEventDispatcherPrivate::timersOf(QObject *object) const
{
    if (!object)
        qWarning("GLibEventDispatcher::registeredTimers: object is nullptr; the answer is empty");
    return timers.timersOf(object);
}

void GLibEventDispatcherPrivate::reportOwnership()
{
    const bool isForeign =
        selector.load()->ownership() == GLibSelectorPrivate::Ownership::Foreign;
    if (isForeign == reportedForeignOwner)
        return;
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

GLibSelectorPrivate::TimePoint GLibEventDispatcherPrivate::deadline()
{
    // A turn in a nested loop has left what is not to be sent there, deferred deletes say, and nobody
    // announces that again.
    if (lastTurnLevel > 0 && lastTurnLevel > g_main_depth())
        return GLibSelectorPrivate::TimePoint();
    // processEvents() knows by itself what it may leave.
    if (!isProcessing && windowSystem.hasLeftInput())
        return GLibSelectorPrivate::TimePoint();
    return timers.wakeTime().value_or(GLibSelectorPrivate::Never);
}

void GLibEventDispatcherPrivate::serve()
{
    lastTurnLevel = g_main_depth() - 1;
    Q_EMIT q->awake();
    selector.load()->takeWakeUp();
    QCoreApplication::sendPostedEvents();
    // What GLib's callbacks delete later is for the outermost loop to delete. Qt does that when one of
    // its own loops runs, which need never happen here.
    if (q->thread()->loopLevel() == 0 && g_main_depth() == 1 && !isProcessing)
        QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
    selector.load()->collect();
    activate(true, true);
    windowSystem.processEvents(QEventLoop::AllEvents);
    if (!selector.load()->isWokenUp() && !hasIdleWork())
        Q_EMIT q->aboutToBlock();
}

int GLibEventDispatcherPrivate::activate(bool notifiersToo, bool timersToo)
{
    int activated = 0;
    if (notifiersToo)
        activated += notifiers->activate();
    if (timersToo)
        activated += activateTimers();
    return activated;
}

/// As in Qt, zero timers do not count: whoever calls processEvents() until it has nothing to do
/// would never return.
int GLibEventDispatcherPrivate::activateTimers()
{
    struct Firing
    {
        TimerQueue &queue;
        const TimerQueue::Tick tick;
        ~Firing() { queue.finish(tick); } // by an exception as well
    };

    int activated = 0;
    timers.collect(selector.load()->recentTime());
    while (const auto tick = timers.take()) {
        const Firing firing{timers, *tick};
        activated += tick->interval > Duration::zero();
#if QT_VERSION >= QT_VERSION_CHECK(6, 8, 0)
        QTimerEvent event(Qt::TimerId{tick->id});
#else
        QTimerEvent event(tick->id);
#endif
        QCoreApplication::sendEvent(static_cast<QObject *>(tick->owner), &event);
    }
    return activated;
}

bool GLibEventDispatcherPrivate::isForeign(const char *function, const QObject *object) const
{
    const QThread *const here = QThread::currentThread();
    if (q->thread() == here && (!object || object->thread() == here))
        return false;
    qWarning("GLibEventDispatcher::%s: object %p: timers cannot be started or stopped from another "
             "thread; nothing is done",
             function, static_cast<const void *>(object));
    return true;
}

void GLibEventDispatcherPrivate::addTimer(int id, Duration interval, Qt::TimerType type,
                                          QObject *object)
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
        qWarning("GLibEventDispatcher::unregisterTimer: timer %d: invalid argument", id);
        return false;
    }
    return !isForeign("unregisterTimer", nullptr) && timers.remove(id);
}

std::optional<TimerQueue::Duration> GLibEventDispatcherPrivate::remaining(int id) const
{
    if (id < 1) {
        qWarning("GLibEventDispatcher::remainingTime: timer %d: invalid argument", id);
        return std::nullopt;
    }
    const auto due = timers.due(id);
    if (!due)
        return std::nullopt;
    return std::max(*due - Clock::now(), Duration::zero());
}

GLibEventDispatcher::GLibEventDispatcher(QObject *parent)
    : GLibEventDispatcher(nullptr, parent)
{
}

GLibEventDispatcher::GLibEventDispatcher(GMainContext *context, QObject *parent)
    : GLibEventDispatcherBase(parent)
    , d(std::make_unique<GLibEventDispatcherPrivate>(this, context))
{
}

GLibEventDispatcher::~GLibEventDispatcher()
{
    // Locks of QThread's keep other threads from calling one that is destroyed.
    RaceDetector::seenAfter(this);
}

GMainContext *GLibEventDispatcher::context() const
{
    return d->context;
}

int GLibEventDispatcher::priority() const
{
    return d->priority;
}

void GLibEventDispatcher::setPriority(int priority)
{
    d->priority = priority;
    if (d->selector)
        d->selector.load()->attach(d.get(), priority);
}

bool GLibEventDispatcher::processEvents(QEventLoop::ProcessEventsFlags flags)
{
    d->start();
    GLibSelectorPrivate *const selector = d->selector;

    const QScopedValueRollback<bool> processing(d->isProcessing, true);
    d->interrupted = false;
    d->lastTurnLevel = g_main_depth();
    if (flags & (QEventLoop::EventLoopExec | QEventLoop::WaitForMoreEvents)) {
        selector->keepContext();
        d->reportOwnership();
    }
    Q_EMIT awake();

    const bool isRunningLoop = flags.testFlag(QEventLoop::EventLoopExec);
    const GLibSelectorPrivate::WakeUp wakeUp = selector->takeWakeUp();
    const bool wasWoken = wakeUp != GLibSelectorPrivate::WakeUp::None;
    QCoreApplication::sendPostedEvents();

    const bool includeNotifiers = !flags.testFlag(QEventLoop::ExcludeSocketNotifiers);
    const bool includeTimers = !flags.testFlag(QEventLoop::X11ExcludeTimers);
    const bool canWait = flags.testFlag(QEventLoop::WaitForMoreEvents)
        && !selector->isWokenUp() && !d->interrupted
        && !d->windowSystem.hasLeftInput(flags);

    if (canWait)
        Q_EMIT aboutToBlock();
    if (d->interrupted)
        return false;

    GLibSelectorPrivate::Wait wait;
    // A wake-up makes processEvents() return, even one whose events have just been sent; but a loop
    // that runs on and on needs no second turn without a wait for what has ended the last one.
    const bool returnsAtOnce =
        isRunningLoop ? wakeUp == GLibSelectorPrivate::WakeUp::Requested : wasWoken;
    wait.mayBlock = canWait && !returnsAtOnce;
    wait.descriptors = includeNotifiers;
    wait.loopsTimers = includeTimers;
    if (isRunningLoop)
        wait.patience = Patience;
    const bool glibHadWork = selector->iterate(wait);
    d->reportOwnership();

    const bool wokenWhileWaiting = selector->acknowledgeWakeUp();
    const int activated = d->activate(includeNotifiers, includeTimers);
    const bool windowsHadWork = d->windowSystem.processEvents(flags);
    return wasWoken || wokenWhileWaiting || glibHadWork || activated > 0 || windowsHadWork;
}

void GLibEventDispatcher::registerSocketNotifier(QSocketNotifier *notifier)
{
    if (notifier->thread() != thread() || thread() != QThread::currentThread()) {
        qWarning("GLibEventDispatcher: socket notifier %p (socket %lld) cannot be enabled from another "
                 "thread; it stays disabled",
                 static_cast<void *>(notifier), static_cast<long long>(notifier->socket()));
        return;
    }
    d->start();
    d->notifiers->add(notifier);
}

void GLibEventDispatcher::unregisterSocketNotifier(QSocketNotifier *notifier)
{
    if (notifier->thread() != thread() || thread() != QThread::currentThread()) {
        qWarning("GLibEventDispatcher: socket notifier %p (socket %lld) cannot be disabled from another "
                 "thread; it stays enabled",
                 static_cast<void *>(notifier), static_cast<long long>(notifier->socket()));
        return;
    }
    if (d->notifiers)
        d->notifiers->remove(notifier);
}

bool GLibEventDispatcher::unregisterTimers(QObject *object)
{
    if (!object) {
        qWarning("GLibEventDispatcher::unregisterTimers: object is nullptr; nothing is done");
        return false;
    }
    return !d->isForeign("unregisterTimers", object) && d->timers.removeAll(object);
}

// The same timer interface twice: in nanoseconds since Qt 6.8, in milliseconds before.
#if QT_VERSION >= QT_VERSION_CHECK(6, 8, 0)

void GLibEventDispatcher::registerTimer(Qt::TimerId timerId, Duration interval,
                                        Qt::TimerType timerType, QObject *object)
{
    d->addTimer(qToUnderlying(timerId), interval, timerType, object);
}

bool GLibEventDispatcher::unregisterTimer(Qt::TimerId timerId)
{
    return d->removeTimer(qToUnderlying(timerId));
}

QList<GLibEventDispatcher::TimerInfoV2> GLibEventDispatcher::timersForObject(QObject *object) const
{
    QList<TimerInfoV2> list;
    for (const TimerQueue::Info &info : d->timersOf(object))
        list.append({info.interval, Qt::TimerId{info.id}, Qt::TimerType(info.accuracy)});
    return list;
}

GLibEventDispatcher::Duration GLibEventDispatcher::remainingTime(Qt::TimerId timerId) const
{
    return d->remaining(qToUnderlying(timerId)).value_or(Duration::min());
}

#else

void GLibEventDispatcher::registerTimer(int timerId, qint64 interval, Qt::TimerType timerType,
                                        QObject *object)
{
    d->addTimer(timerId, std::chrono::milliseconds(interval), timerType, object);
}

bool GLibEventDispatcher::unregisterTimer(int timerId)
{
    return d->removeTimer(timerId);
}

QList<GLibEventDispatcher::TimerInfo> GLibEventDispatcher::registeredTimers(QObject *object) const
{
    using std::chrono::milliseconds;
    QList<TimerInfo> list;
    for (const TimerQueue::Info &info : d->timersOf(object)) {
        const auto interval = std::chrono::duration_cast<milliseconds>(info.interval);
        list.append(TimerInfo(info.id, int(interval.count()), Qt::TimerType(info.accuracy)));
    }
    return list;
}

int GLibEventDispatcher::remainingTime(int timerId)
{
    const auto remaining = d->remaining(timerId);
    return remaining ? int(std::chrono::ceil<std::chrono::milliseconds>(*remaining).count()) : -1;
}

#endif

void GLibEventDispatcher::wakeUp()
{
    if (GLibSelectorPrivate *selector = d->selector)
        selector->wakeUp();
    RaceDetector::doneBefore(this);
}

void GLibEventDispatcher::interrupt()
{
    d->interrupted = true;
    wakeUp();
}

void GLibEventDispatcher::startingUp()
{
    d->start();
    // The default context is left alone until a loop runs: another thread may be waiting for it, and
    // this one for that.
    if (d->context != g_main_context_default()) {
        d->selector.load()->keepContext();
        d->reportOwnership();
    }
}

void GLibEventDispatcher::closingDown()
{
    d->windowSystem.close();
    if (!d->selector)
        return;
    d->selector.load()->detach();
    d->selector.load()->releaseContext();
}
