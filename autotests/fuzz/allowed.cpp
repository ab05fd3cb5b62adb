// SPDX-License-Identifier: MIT

// Which operations make sense where they are, and have an outcome that Qt does not leave open.

#include "player_p.h"

#include <algorithm>

using namespace Program;
using namespace std::chrono_literals;

/// An exception must not leave a callback of GLib's, nor Qt Gui. And if it ends a loop, Qt's loop outside may forget that
/// it was told to exit, or that its turn was interrupted; and events of the window system are left to it.
bool Player::mayThrow() const
{
    return !m_frames.empty() && m_frames.back()->kind != Kind::NestGLib && !m_frames.back()->isInInterruptedTurn
        && m_frames.back()->callbacks == 0 && (!m_windowsAreCompared || Windows::queued(true) == 0)
        && std::none_of(m_running.begin(), m_running.end(), [this](const Running &running) {
               return running.object >= ObjectCount && running.level == m_frames.size();
           })
        && std::none_of(m_frames.begin(), m_frames.end(), [](const Frame *frame) { return frame->isTold; });
}

/// Whether the current turn is at its posted events.
bool Player::isInPostedEvent() const
{
    return std::any_of(m_running.begin(), m_running.end(), [this](const Running &running) {
        return running.cause == Cause::PostedEvent && running.level == m_frames.size();
    });
}

/// Whether the current turn is at the events of the window system.
bool Player::isAtWindowEvents() const
{
    const auto first = std::find_if(m_running.begin(), m_running.end(), [this](const Running &running) {
        return running.level == m_frames.size();
    });
    return first != m_running.end() && first->cause == Cause::WindowEvent;
}

/// Whether the current turn, if any, is at its posted events, or at those of the window system.
bool Player::isBeforePoll() const
{
    return std::all_of(m_running.begin(), m_running.end(), [this](const Running &running) {
        return running.level != m_frames.size() || running.cause == Cause::PostedEvent
            || running.cause == Cause::WindowEvent;
    });
}

/**
 * Whether it makes no difference that Qt serves the window system at the end of this turn, and this dispatcher behind
 * the posted events of the next.
 */
bool Player::mayQueueWindowEvents() const
{
    if (isBeforePoll())
        return true;
    return m_frames.back()->kind != Kind::ProcessEvents && !m_frames.back()->isTold && !m_quitIsPosted
        && !unsentEvent() && m_deletedLater.empty()
        && std::none_of(m_timers.begin(), m_timers.end(), [](const Timer &timer) { return timer.id && timer.isMoved; })
        && std::none_of(m_channels.begin(), m_channels.end(), [](auto &channel) { return channel->hasMoved(); });
}

/**
 * Whether @p operation would come between the events of the window system that are queued and where Qt serves them.
 * A processEvents() that has waited may send what other threads have posted meanwhile along with them.
 */
bool Player::isHeldBack(const Operation &operation) const
{
    if (!m_windowsAreCompared || m_frames.empty())
        return false;
    const bool isElsewhere = QThread::currentThread() != m_dispatcher->thread();
    switch (operation.kind) {
    case Kind::Post:
    case Kind::DeleteLater:
    case Kind::Move:
        if (isElsewhere && m_frames.back()->kind == Kind::ProcessEvents)
            return true;
        [[fallthrough]];
    case Kind::Exit:
    case Kind::Quit:
        return !isElsewhere && !isBeforePoll() && hasWindowEvents();
    default:
        return false;
    }
}

bool Player::isRunning(int object) const
{
    return std::any_of(m_running.begin(), m_running.end(),
                       [object](const Running &running) { return running.object == object; });
}

/// Whether it lives at least until the handlers that belong to it have ended.
bool Player::mayDeleteLater(int object, bool fromElsewhere) const
{
    if (isInWorker(object))
        return false;
    const auto running = std::count_if(m_running.begin(), m_running.end(), [object](const Running &that) {
        return that.object == object;
    });
    return running == 0
        || (!fromElsewhere && running == 1 && m_running.back().object == object
            && m_running.back().level == m_frames.size());
}

bool Player::isReadyElsewhere(int channel) const
{
    for (int number = 0; number < ChannelCount; ++number) {
        if (number != channel && m_channels[std::size_t(number)]->mayBeReady())
            return true;
    }
    return false;
}

bool Player::isLate(const Timer &timer) const
{
    return timer.id && !timer.isMoved && timer.interval > 0ns && timer.due <= VirtualTime::now();
}

bool Player::isAnyLate() const
{
    return std::any_of(m_timers.begin(), m_timers.end(), [this](const Timer &timer) { return isLate(timer); })
        || (m_windowsAreCompared
            && std::any_of(m_updates.begin(), m_updates.end(), [](auto due) { return due <= VirtualTime::now(); }));
}

/// No two timers are due at the same time, nor one while other threads act.
bool Player::mayStartUpdate() const
{
    constexpr auto Half = Unit / 2;
    const auto due = VirtualTime::now() + Windows::updateDelay();
    if (!m_windowsAreCompared)
        return true;
    return due % Half > Half / 2 + 1s && due % Half < Half - 8s
        && std::none_of(m_updates.begin(), m_updates.end(), [due](auto other) {
               return other != Never && std::chrono::abs(other - due) < 1s;
           });
}

/// Which of them comes first is left open.
void Player::stopZeroTimersBesideLateOnes()
{
    if (!isAnyLate())
        return;
    for (Timer &timer : m_timers) {
        if (timer.id && timer.interval == 0ns)
            stopTimer(timer);
    }
}

/// If the handler of a zero timer, or a loop in it, stops one, Qt's turn may serve another one twice.
bool Player::mayStop(const Timer &timer) const
{
    return !timer.id || timer.interval > 0ns
        || std::none_of(m_running.begin(), m_running.end(), [](const Running &running) {
               return running.cause == Cause::ZeroTimer;
           });
}
