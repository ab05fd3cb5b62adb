// SPDX-License-Identifier: MIT

#include "log.h"
#include "player_p.h"

#include <QtCore/QThread>

#include <algorithm>

using namespace Program;
using namespace std::chrono_literals;

bool Player::isInWorker(int number) const
{
    const QObject *const object = m_objects[std::size_t(number)];
    return object && object->thread() == &m_helper;
}

void Player::move(const Operation &operation)
{
    const bool isBack = QThread::currentThread() == &m_helper;
    const int number = operation.target;
    if (operation.option) {
        // Back here, it may be ready at once.
        if (!isReadyElsewhere(number)
            && m_channels[std::size_t(number)]->move(operation.value, isBack ? m_dispatcher->thread() : &m_helper))
            m_isWoken = true;
        return;
    }
    QObject *const object = m_objects[std::size_t(number)];
    if (!object || isInWorker(number) != isBack || m_deletedLater.count(number))
        return;
    if (isBack) {
        moveBack(number);
        return;
    }
    for (int index = number; index < TimerCount; index += ObjectCount) {
        if (!mayStop(m_timers[std::size_t(index)]))
            return;
    }
    for (int index = number; index < TimerCount; index += ObjectCount) {
        Timer &timer = m_timers[std::size_t(index)];
        if (!timer.id || timer.isMoved)
            continue;
        // Qt starts it with the whole interval when the other thread has a turn, which is at a half unit. So that no two of
        // them are due at the same time, nor one of them in a turn of the worker, each has a part of a unit of its own.
        if (timer.interval > 0ns) {
            const Qt::TimerType type = Qt::TimerType(timer.type);
            object->killTimer(timer.id);
            timer.interval = std::max(logical(timer.interval), 1) * Unit - Unit / 4 - index * 3s;
            timer.id = object->startTimer(std::chrono::duration_cast<std::chrono::milliseconds>(timer.interval), type);
            timer.ticks = 1;
        }
        timer.isMoved = true;
        timer.due = Never;
    }
    object->moveToThread(&m_helper);
}

void Player::moveBack(int number)
{
    if (!isInWorker(number))
        return;
    for (Timer &timer : m_timers) {
        if (timer.id && objectOf(timer) == number) {
            timer.due = Never;
            m_isWoken = true; // Qt posts an event, which starts the timers
        }
    }
    m_isWoken = m_isWoken || std::any_of(m_posted.begin(), m_posted.end(), [number](const auto &posted) {
        return posted.second == number;
    });
    m_objects[std::size_t(number)]->moveToThread(m_dispatcher->thread());
}

void Player::moveAllBack()
{
    for (int number = 0; number < ObjectCount; ++number)
        moveBack(number);
    for (const auto &channel : m_channels) {
        for (int type = 0; type < 3; ++type)
            channel->move(type, m_dispatcher->thread());
    }
}

void Player::onTimersMoved(int number)
{
    for (Timer &timer : m_timers) {
        if (!timer.id || objectOf(timer) != number || !timer.isMoved)
            continue;
        timer.isMoved = isInWorker(number);
        timer.due = VirtualTime::now() + timer.interval;
    }
    if (!isInWorker(number))
        stopZeroTimersBesideLateOnes();
}

/**
 * One turn of the worker's dispatcher. It has nothing but what has moved to it, and no handlers.
 *
 * In which order timers and notifiers are served in it is left open.
 */
void Player::workerTurn()
{
    const bool isAny = std::any_of(m_posted.begin(), m_posted.end(), [this](const auto &posted) {
        return isInWorker(posted.second);
    });
    m_servedInWorker.clear();
    QAbstractEventDispatcher *const dispatcher = QAbstractEventDispatcher::instance();
    // With an event to send it must not sleep.
    const bool result = dispatcher->processEvents(isAny ? QEventLoop::WaitForMoreEvents : QEventLoop::AllEvents);
    for (const auto &[channel, number] : m_servedInWorker) {
        if (channel < 0)
            note("timer %d in the worker", number);
        else
            note("channel %d, type %d, in the worker", channel, number);
    }
    note("the worker's processEvents() returns %d", result);

    for (const auto &[number, object] : m_posted) {
        if (isInWorker(object))
            Log::wrong("the worker does not send event %d", number);
    }
    for (int number = 0; number < TimerCount; ++number) {
        const Timer &timer = m_timers[std::size_t(number)];
        if (!timer.id || !isInWorker(timer) || m_servedInWorker.count({-1, number}))
            continue;
        if (timer.due == Never)
            Log::wrong("timer %d is not started in the worker", number);
        if (timer.interval == 0ns || timer.due <= VirtualTime::now() - VirtualTime::Tolerance)
            Log::wrong("timer %d does not fire in the worker", number);
    }
    for (int number = 0; number < SocketCount; ++number) {
        for (int type = 0; type < 3; ++type) {
            if (m_channels[std::size_t(number)]->isReadyInWorker(type) && !m_servedInWorker.count({number, type}))
                Log::wrong("the worker does not activate channel %d, which is ready", number);
        }
    }
}

void Player::onWorkerTimer(int object, int id)
{
    const auto found = std::find_if(m_timers.begin(), m_timers.end(),
                                    [id](const Timer &timer) { return timer.id == id; });
    if (found == m_timers.end())
        Log::wrong("a timer fires in the worker that is stopped");
    if (VirtualTime::now() < found->due - VirtualTime::Tolerance)
        Log::wrong("timer %d fires early in the worker", int(found - m_timers.begin()));
    m_servedInWorker.insert({-1, int(found - m_timers.begin())});
    if (--found->ticks <= 0) {
        m_objects[std::size_t(object)]->killTimer(id);
        found->id = 0;
    }
}

void Player::onWorkerActivated(int number, int type)
{
    Channel &channel = *m_channels[std::size_t(number)];
    if (!channel.isReadyInWorker(type))
        Log::wrong("channel %d is activated in the worker though it is not ready there", number);
    m_servedInWorker.insert({number, type});
    if (type == QSocketNotifier::Read)
        channel.drain();
    if (--channel.counts[type] <= 0)
        channel.disable(type);
}

void Player::workerSleeping()
{
    Log::wrong("the worker sleeps, and has events to send");
}
