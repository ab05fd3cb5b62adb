// SPDX-License-Identifier: MIT

#include "log.h"
#include "player_p.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QThread>
#include <QtCore/QTimerEvent>

#include <algorithm>

using namespace Program;
using namespace std::chrono_literals;
using VirtualTime::TimePoint;

namespace {

/// So many turns without anything happening are too many. A turn may take a few polls.
constexpr int MostTurns = 400;

const char *const TypeNames[] = {"read", "write", "exception"};

/// What runs a loop or leaves a handler early. Some changes of a window call its handlers, which may do so.
constexpr std::initializer_list<Kind> RunsLoops = {
    Kind::Nest, Kind::ProcessEvents, Kind::NestGLib, Kind::Throw, Kind::SendPosted,
    Kind::ShowWindow, Kind::HideWindow, Kind::CloseWindow, Kind::DestroyWindow};

}

Player::Object::~Object()
{
    m_player->note("object %d is deleted", m_number);
    m_player->m_deletedLater.erase(m_number);
    for (int number = m_number; number < TimerCount; number += ObjectCount)
        m_player->m_timers[std::size_t(number)].id = 0; // QObject stops them
}

bool Player::Object::event(QEvent *event)
{
    if (event->type() == QEvent::MetaCall) { // Qt starts its timers in the thread that it has moved to
        QObject::event(event);
        m_player->onTimersMoved(m_number);
        return true;
    }
    if (event->type() != QEvent::User)
        return QObject::event(event);
    const auto *posted = static_cast<Event *>(event);
    m_player->m_posted.erase(posted->number());
    if (thread() != QThread::currentThread())
        Log::wrong("event %d comes in the wrong thread", posted->number());
    if (m_player->isInWorker(m_number)) {
        m_player->note("event %d to object %d in the worker", posted->number(), m_number);
        return true;
    }
    m_player->progress();
    m_player->note("event %d to object %d", posted->number(), m_number);
    m_player->run(posted->handler(), Cause::PostedEvent, m_number);
    return true;
}

void Player::Object::timerEvent(QTimerEvent *event)
{
    if (thread() != QThread::currentThread())
        Log::wrong("a timer fires in the wrong thread");
    if (m_player->isInWorker(m_number))
        m_player->onWorkerTimer(m_number, event->timerId());
    else
        m_player->onTimer(m_number, event->timerId());
}

Player::Object *Player::object(int number)
{
    QPointer<QObject> &object = m_objects[std::size_t(number)];
    if (!object)
        object = new Object(this, number);
    return static_cast<Object *>(object.data());
}

void Player::post(const Operation &operation)
{
    QObject *const receiver = object(operation.target);
    const int number = ++m_lastPosted;
    m_posted[number] = operation.target;
    m_isWoken = m_isWoken || !isInWorker(operation.target);
    QCoreApplication::postEvent(receiver, new Event(this, number, operation.handler), operation.value);
}

void Player::startTimer(const Operation &operation)
{
    Timer &timer = m_timers[std::size_t(operation.target)];
    if (isInWorker(objectOf(timer)) || (timer.id && timer.isMoved) || !mayStop(timer))
        return;
    stopTimer(timer);
    QObject *const owner = object(operation.target % ObjectCount);

    if (operation.value == 0 && isAnyLate())
        return;
    // No two timers are due at the same time: which one would be first is left open.
    const int now = logical(VirtualTime::now());
    std::set<int> taken;
    for (const Timer &other : m_timers) {
        for (int tick = 0; other.id && !other.isMoved && tick < other.ticks; ++tick)
            taken.insert(logical(other.due + tick * other.interval));
    }
    int units = operation.value;
    const auto isTaken = [&] {
        for (int tick = 1; units > 0 && tick <= operation.count; ++tick) {
            if (taken.count(now + tick * units))
                return true;
        }
        return false;
    };
    while (isTaken())
        ++units;

    timer.isMoved = false;
    timer.handler = operation.handler;
    timer.type = units > 0 ? operation.option : int(Qt::PreciseTimer);
    timer.ticks = operation.count;
    if (VirtualTime::now() > now * Unit + Unit / 20)
        timer.ticks = 1; // The next one would not be on the grid.
    // It comes to the grid of units with its last tick, so that small delays do not add up.
    const auto untilDue = units * Unit - (VirtualTime::now() - now * Unit) / timer.ticks;
    timer.interval = units > 0 ? std::chrono::floor<std::chrono::milliseconds>(untilDue) : 0ms;
    timer.due = VirtualTime::now() + timer.interval;
    timer.id = owner->startTimer(std::chrono::duration_cast<std::chrono::milliseconds>(timer.interval),
                                 Qt::TimerType(timer.type));
}

void Player::stopTimer(Timer &timer)
{
    // Qt would start one that is on its way between threads after it was stopped.
    if (!timer.id || timer.isMoved)
        return;
    m_objects[std::size_t(objectOf(timer))]->killTimer(timer.id);
    timer.id = 0;
}

void Player::onTimer(int object, int id)
{
    progress();
    const auto found = std::find_if(m_timers.begin(), m_timers.end(),
                                    [id](const Timer &timer) { return timer.id == id; });
    if (found == m_timers.end())
        Log::wrong("a timer fires that is stopped");
    Timer &timer = *found;
    const int number = int(found - m_timers.begin());
    note("timer %d", number);
    if (timer.isMoved)
        Log::wrong("timer %d fires before it is started in this thread", number);
    if (flags() & QEventLoop::X11ExcludeTimers)
        Log::wrong("timer %d fires though timers are excluded", number);
    if (VirtualTime::now() < timer.due - VirtualTime::Tolerance)
        Log::wrong("timer %d fires early", number);

    // What a timer does that comes due again while it is being served, or that has missed a tick, is left open;
    // so is what follows an exception.
    const bool isLastTick = --timer.ticks <= 0
        || (timer.interval > 0ns && VirtualTime::now() >= timer.due + timer.interval - VirtualTime::Tolerance)
        || performs(m_operations, timer.handler, RunsLoops);
    const int handler = timer.handler;
    const Cause cause = timer.interval > 0ns ? Cause::Timer : Cause::ZeroTimer;
    if (isLastTick)
        stopTimer(timer);
    else
        timer.due += timer.interval;
    run(handler, cause, object);
}

void Player::onActivated(int number, int type)
{
    Channel &channel = *m_channels[std::size_t(number)];
    if (QThread::currentThread() == &m_helper) {
        onWorkerActivated(number, type);
        return;
    }
    progress();
    note("channel %d, %s", number, TypeNames[type]);
    if (!channel.isEnabled(type))
        Log::wrong("channel %d is activated (%s) though it is disabled", number, TypeNames[type]);
    if (flags() & QEventLoop::ExcludeSocketNotifiers)
        Log::wrong("channel %d is activated though notifiers are excluded", number);
    if (--channel.counts[type] <= 0) {
        if (type == QSocketNotifier::Read)
            channel.drain();
        if (type != QSocketNotifier::Read || channel.isReady(type))
            channel.disable(type);
    }
    // In which order the others of its notifiers follow in a loop inside, or after an exception, is left open.
    if (performs(m_operations, channel.handlers[type], RunsLoops)) {
        for (int other = 0; other < 3; ++other) {
            if (other != type)
                channel.disable(other);
        }
    }
    run(channel.handlers[type], Cause::Notifier);
}

/// Something happens.
void Player::progress()
{
    m_turns = 0;
    m_blockIsAnnounced = false;
    VirtualTime::advance(VirtualTime::TurnCost);
}

void Player::turn()
{
    if (++m_turns > MostTurns)
        Log::wrong("turns without work");
}

void Player::onAwake()
{
    turn();
    VirtualTime::advance(VirtualTime::TurnCost);
    m_isWoken = false;
    m_isInterrupted = false;
    m_isAwake = true;
    m_blockIsAnnounced = false;
    m_timeInAboutToBlock = {};
}

void Player::onAboutToBlock()
{
    if (!m_isAwake)
        Log::wrong("aboutToBlock() twice without an awake() in between");
    m_isAwake = false;
    m_blockIsAnnounced = true;
    // Whether a processEvents() that does not wait after all has another look at the window system differs.
    if (m_windowsAreCompared && !m_frames.empty() && m_frames.back()->kind == Kind::ProcessEvents)
        return;
    if (m_nextStep < m_steps.size() && m_steps[m_nextStep].early && isQuiet()
        && m_nextStepTime < nextTimer().value_or(TimePoint::max())) {
        const auto time = std::max(m_nextStepTime - VirtualTime::now(), TimePoint::zero());
        VirtualTime::advance(time);
        if (!m_frames.empty() && m_frames.back()->kind == Kind::NestGLib)
            m_timeInAboutToBlock = time;
        step();
    }
}
