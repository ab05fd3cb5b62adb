// SPDX-License-Identifier: MIT

#include "log.h"
#include "player_p.h"

#include <algorithm>

using namespace Program;
using namespace std::chrono_literals;
using VirtualTime::TimePoint;

namespace {

constexpr int MostRescues = 40;

}

void Player::polling()
{
    turn();
}

void Player::sleptUntilReady()
{
    m_isWoken = false;
}

/// The rules for a sleep.
void Player::sleeping(TimePoint end)
{
    if (const auto event = unsentEvent())
        Log::wrong("sleeps, and event %d is not sent", *event);
    if (m_isWoken)
        Log::wrong("sleeps over a wake-up");
    if (!m_frames.empty() && m_frames.back()->isTold)
        Log::wrong("sleeps in a loop that was told to exit");
    if (!(flags() & QEventLoop::ExcludeSocketNotifiers)) {
        for (int number = 0; number < ChannelCount; ++number) {
            if (m_channels[std::size_t(number)]->isReady())
                Log::wrong("sleeps, and channel %d is ready", number);
        }
    }
    if (!(flags() & QEventLoop::X11ExcludeTimers)) {
        for (int number = 0; number < TimerCount; ++number) {
            const Timer &timer = m_timers[std::size_t(number)];
            if (!timer.id || timer.isMoved)
                continue;
            if (timer.due < VirtualTime::now() - VirtualTime::Tolerance)
                Log::wrong("sleeps, and timer %d is due", number);
            if (timer.interval == 0ns)
                Log::wrong("sleeps beside zero timer %d", number);
            const auto delay = timer.type == Qt::PreciseTimer ? VirtualTime::LongestDelay : VirtualTime::Tolerance;
            if (end - delay > timer.due)
                Log::wrong("sleeps until timer %d is late", number);
        }
    }
    checkSources(end);
    checkWindows();
    if (!m_blockIsAnnounced)
        Log::wrong("sleeps without aboutToBlock()");
    if (!m_frames.empty())
        m_frames.back()->mayLeaveWakeUp |= m_windowsAreCompared;
}

/// Whether the dispatcher is bound to sleep.
bool Player::isQuiet() const
{
    if (unsentEvent() || m_isWoken || hasReadySource() || hasWindowEvents() || (!m_frames.empty() && m_frames.back()->isTold))
        return false;
    return isQuietBehindPoll();
}

/// Whether a turn would serve neither notifiers nor timers.
bool Player::isQuietBehindPoll() const
{
    if (!(flags() & QEventLoop::ExcludeSocketNotifiers)
        && std::any_of(m_channels.begin(), m_channels.end(), [](auto &channel) { return channel->isReady(); }))
        return false;
    return (flags() & QEventLoop::X11ExcludeTimers)
        || (!isAnyLate() && std::none_of(m_timers.begin(), m_timers.end(), [](const Timer &timer) {
               return timer.id && !timer.isMoved && timer.interval == 0ns;
           }));
}

std::optional<int> Player::unsentEvent() const
{
    for (const auto &[number, object] : m_posted) {
        if (!isInWorker(object))
            return number;
    }
    return std::nullopt;
}

std::optional<TimePoint> Player::nextStep() const
{
    return m_nextStep < m_steps.size() ? std::optional(m_nextStepTime) : std::nullopt;
}

void Player::step()
{
    m_turns = 0;
    note("other threads");
    // Which of them comes first in a turn, the window system's events or what else there is, differs.
    const auto isInput = [this](std::size_t step) { return m_steps[step].kind == Kind::Input; };
    const auto isApart = [&] { return m_windowsAreCompared && isInput(m_nextStep) != isInput(m_nextStep - 1); };
    do {
        performElsewhere(m_steps[m_nextStep++]);
    } while (m_nextStep < m_steps.size() && m_steps[m_nextStep].delay == 0 && !isApart());
    if (m_nextStep < m_steps.size())
        m_nextStepTime += m_steps[m_nextStep].delay * Unit;
}

std::optional<TimePoint> Player::nextTimer() const
{
    std::optional<TimePoint> next = nextSource();
    if (flags() & QEventLoop::X11ExcludeTimers)
        return next;
    for (const TimePoint update : m_updates) {
        if (update != Never && update > VirtualTime::now() - VirtualTime::Tolerance)
            next = std::min(update, next.value_or(update));
    }
    for (const Timer &timer : m_timers) {
        if (timer.id && !timer.isMoved && timer.due > VirtualTime::now() - VirtualTime::Tolerance)
            next = std::min(timer.due, next.value_or(TimePoint::max()));
    }
    return next;
}

/// Ends the innermost loop or the wait of processEvents(), so that the program goes on.
void Player::idle()
{
    m_turns = 0;
    note("idle");
    m_isIdleOutside = m_frames.size() == 1;
    if (++m_rescues > MostRescues)
        m_performed = MostPerformed;
    m_helper.call([this] {
        Frame &frame = *m_frames.back();
        if (frame.kind != Kind::ProcessEvents) {
            exit(frame, -7);
        } else {
            wakeUp();
        }
    });
}
