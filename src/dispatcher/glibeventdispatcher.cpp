// SPDX-License-Identifier: MIT

#include "glibeventdispatcher.h"

#include "glibeventdispatcher_p.h"

#include "../diagnosis/stallwatcher.h"
#include "../diagnosis/tracer.h"
#include "../selector/racedetector.h"

#include <QtCore/QSocketNotifier>

#include <algorithm>
#include <limits>

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
    // QThread's locks keep other threads from calling one that is destroyed.
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
    d->setPriority(priority);
}

GLibEventDispatcher::Statistics GLibEventDispatcher::statistics() const
{
    Statistics result;
    GLibSelectorPrivate *const started = d->selector;
    if (!started)
        return result;
    const Counters &counters = started->counters();
    result.turns = counters.turns;
    result.sleeps = counters.sleeps;
    result.wokenByWakeUp = counters.wokenByWakeUp;
    result.wokenByDescriptor = counters.wokenByDescriptor;
    result.wokenByGLib = counters.wokenByGLib;
    result.wokenByTime = counters.wokenByTime;
    result.asleep = counters.asleep;
    result.inQt = counters.inQt;
    result.inGLib = counters.inGLib;
    result.longestTurn = counters.longestTurn;
    const Descriptors &descriptors = started->descriptors();
    for (int fd = 0; fd < descriptors.end(); ++fd)
        result.descriptors += descriptors.watched(fd) != 0;
    result.timers = d->timers.count();
    result.backend = descriptors.usesEpoll() ? "epoll" : "poll";
    return result;
}

namespace {
/// The first call reads the environment for both, so what is set by a call after it stays.
bool isActivityWanted()
{
    const bool isWatching = StallWatcher::isWanted();
    const bool isTracing = Tracer::isWanted();
    return isWatching || isTracing;
}
}

void GLibEventDispatcherPrivate::noteActivity()
{
    if (activity || !selector || !isActivityWanted())
        return;
    activity = std::make_unique<Activity>();
    selector.load()->setActivity(activity.get());
}

void GLibEventDispatcherPrivate::noteActivityHere()
{
    auto *const here = qobject_cast<GLibEventDispatcher *>(QAbstractEventDispatcher::instance());
    if (here)
        here->d->noteActivity();
}

void GLibEventDispatcher::setStallLimit(std::chrono::milliseconds limit)
{
    isActivityWanted();
    StallWatcher::setLimit(limit);
    GLibEventDispatcherPrivate::noteActivityHere();
}

void GLibEventDispatcher::setTraceFile(const QString &name)
{
    isActivityWanted();
    Tracer::setFile(name);
    GLibEventDispatcherPrivate::noteActivityHere();
}

bool GLibEventDispatcher::processEvents(QEventLoop::ProcessEventsFlags flags)
{
    d->start();
    return d->processEvents(flags);
}

void GLibEventDispatcher::registerSocketNotifier(QSocketNotifier *notifier)
{
    if (d->isForeign(notifier)) {
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
    if (d->isForeign(notifier)) {
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
    return d->removeTimers(object);
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

namespace {
int toInt(std::chrono::milliseconds duration)
{
    using Rep = std::chrono::milliseconds::rep;
    return int(std::min(duration.count(), Rep(std::numeric_limits<int>::max())));
}
}

void GLibEventDispatcher::registerTimer(int timerId, qint64 interval, Qt::TimerType timerType,
                                        QObject *object)
{
    // Longer ones, of 292 years and more, would overflow the clock.
    constexpr auto Longest = std::chrono::floor<std::chrono::milliseconds>(TimerQueue::Duration::max());
    d->addTimer(timerId, std::min(std::chrono::milliseconds(interval), Longest), timerType, object);
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
        const auto interval = std::chrono::floor<milliseconds>(info.interval);
        list.append(TimerInfo(info.id, toInt(interval), Qt::TimerType(info.accuracy)));
    }
    return list;
}

int GLibEventDispatcher::remainingTime(int timerId)
{
    const auto remaining = d->remaining(timerId);
    return remaining ? toInt(std::chrono::ceil<std::chrono::milliseconds>(*remaining)) : -1;
}

#endif

void GLibEventDispatcher::wakeUp()
{
    if (GLibSelectorPrivate *selector = d->selector)
        selector->requestWakeUp();
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
        d->selector.load()->ownership().keep();
        d->reportOwnership();
    }
}

void GLibEventDispatcher::closingDown()
{
    d->windowSystem.close();
    if (!d->selector)
        return;
    d->selector.load()->setActivity(nullptr);
    d->activity.reset();
    d->selector.load()->detach();
    d->selector.load()->ownership().release();
}

void GLibEventDispatcher::connectNotify(const QMetaMethod &)
{
    d->isConnected.store(true, std::memory_order_relaxed);
}
