// SPDX-License-Identifier: MIT

#include "timerqueue.h"

#include <algorithm>

using namespace std::chrono_literals;

namespace {

constexpr TimerQueue::Duration WidestTolerance = 500ms;
/// 5 % of less is under a millisecond, which is not worth being late for.
constexpr TimerQueue::Duration ShortestCoarseInterval = 20ms;

/// The last time at which a timer can be due without its window leaving the clock's range.
constexpr TimerQueue::TimePoint Latest = TimerQueue::TimePoint::max() - WidestTolerance;

TimerQueue::Duration tolerance(TimerQueue::Accuracy accuracy, TimerQueue::Duration interval)
{
    switch (accuracy) {
    case TimerQueue::Accuracy::Precise:
        break;
    case TimerQueue::Accuracy::Coarse:
        if (interval > ShortestCoarseInterval)
            return std::min(interval / 20, WidestTolerance);
        break;
    case TimerQueue::Accuracy::VeryCoarse:
        return std::min(interval / 4, WidestTolerance);
    }
    return 0ns;
}

}

TimerQueue::Index TimerQueue::allocate()
{
    if (m_free == None) {
        m_timers.emplace_back();
        return Index(m_timers.size() - 1);
    }
    const Index index = m_free;
    m_free = m_timers[index].next;
    return index;
}

void TimerQueue::add(int id, Duration interval, Accuracy accuracy, void *owner, TimePoint now)
{
    remove(id);
    const Index index = allocate();
    Timer &timer = m_timers[index];
    timer.interval = std::max(interval, Duration::zero());
    timer.tolerance = tolerance(accuracy, interval);
    // An interval can be longer than what is left of the clock's range.
    timer.due = timer.interval < Latest - now ? now + timer.interval : Latest;
    timer.owner = owner;
    timer.serial = ++m_serial;
    timer.id = id;
    timer.accuracy = accuracy;

    const auto [owned, isFirst] = m_owners.try_emplace(owner, Owned{index, index});
    timer.previous = isFirst ? None : owned->second.last;
    timer.next = None;
    if (!isFirst) {
        m_timers[owned->second.last].next = index;
        owned->second.last = index;
    }
    m_ids.emplace(id, index);
    schedule(index);
}

void TimerQueue::schedule(Index index)
{
    Timer &timer = m_timers[index];
    if (timer.interval == Duration::zero()) {
        timer.state = State::Zero;
        timer.zeroPosition = Index(m_zero.size());
        m_zero.push_back(index);
        return;
    }
    timer.state = State::Waiting;
    m_begins.insert(index, timer.due - timer.tolerance);
    m_ends.insert(index, timer.due + timer.tolerance);
}

void TimerQueue::unschedule(Index index)
{
    const Timer &timer = m_timers[index];
    if (timer.state == State::Waiting) {
        m_begins.remove(index);
        m_ends.remove(index);
    } else if (timer.state == State::Zero) {
        m_timers[m_zero.back()].zeroPosition = timer.zeroPosition;
        m_zero[timer.zeroPosition] = m_zero.back();
        m_zero.pop_back();
    }
}

void TimerQueue::release(Index index)
{
    unschedule(index);
    Timer &timer = m_timers[index];
    const auto owned = m_owners.find(timer.owner);
    if (timer.previous != None)
        m_timers[timer.previous].next = timer.next;
    else
        owned->second.first = timer.next;
    if (timer.next != None)
        m_timers[timer.next].previous = timer.previous;
    else
        owned->second.last = timer.previous;
    if (owned->second.first == None)
        m_owners.erase(owned);

    m_ids.erase(timer.id);
    timer.state = State::Free;
    timer.next = m_free;
    m_free = index;
}

bool TimerQueue::remove(int id)
{
    const auto found = m_ids.find(id);
    if (found == m_ids.end())
        return false;
    release(found->second);
    return true;
}

bool TimerQueue::removeAll(void *owner)
{
    bool any = false;
    for (auto owned = m_owners.find(owner); owned != m_owners.end(); owned = m_owners.find(owner)) {
        release(owned->second.first);
        any = true;
    }
    return any;
}

std::vector<TimerQueue::Info> TimerQueue::timersOf(void *owner) const
{
    std::vector<Info> infos;
    const auto owned = m_owners.find(owner);
    if (owned == m_owners.end())
        return infos;
    for (Index index = owned->second.first; index != None; index = m_timers[index].next) {
        const Timer &timer = m_timers[index];
        infos.push_back({timer.id, timer.interval, timer.accuracy});
    }
    return infos;
}

std::optional<TimerQueue::TimePoint> TimerQueue::due(int id) const
{
    const auto found = m_ids.find(id);
    if (found == m_ids.end())
        return std::nullopt;
    return m_timers[found->second].due;
}

std::optional<TimerQueue::TimePoint> TimerQueue::wakeTime() const
{
    if (std::any_of(m_collected.begin() + std::ptrdiff_t(m_taken), m_collected.end(),
                    [this](const Collected &collected) { return isLeft(collected); }))
        return m_now;
    if (m_ends.isEmpty())
        return std::nullopt;
    return m_ends.firstTime();
}

/// Whether it was not removed, and its place perhaps used again, since.
bool TimerQueue::isLeft(const Collected &collected) const
{
    const Timer &timer = m_timers[collected.timer];
    return timer.state == State::Collected && timer.serial == collected.serial;
}

void TimerQueue::collect(TimePoint now)
{
    m_now = now;
    const std::size_t before = m_collected.size();
    while (!m_begins.isEmpty() && m_begins.firstTime() <= now) {
        const Index index = m_begins.first();
        unschedule(index);
        Timer &timer = m_timers[index];
        timer.state = State::Collected;
        m_collected.push_back({timer.due, timer.serial, index});
    }
    for (const Index index : m_zero) {
        m_timers[index].state = State::Collected;
        m_collected.push_back({TimePoint::max(), m_timers[index].serial, index});
    }
    m_zero.clear();
    if (m_collected.size() - before > 1 || (m_taken < before && m_collected.size() > before)) {
        std::sort(m_collected.begin() + std::ptrdiff_t(m_taken), m_collected.end(),
                  [](const Collected &a, const Collected &b) {
                      return a.due != b.due ? a.due < b.due : a.serial < b.serial;
                  });
    }
}

std::optional<TimerQueue::Tick> TimerQueue::take()
{
    while (m_taken < m_collected.size()) {
        const Collected collected = m_collected[m_taken++];
        if (!isLeft(collected))
            continue;
        Timer &timer = m_timers[collected.timer];
        timer.state = State::Firing;
        if (timer.interval > Duration::zero()) {
            const auto missed =
                m_now < timer.due ? 0 : (m_now - timer.due) / timer.interval;
            timer.due = timer.interval < Latest - timer.due - missed * timer.interval
                ? timer.due + (missed + 1) * timer.interval
                : Latest;
        }
        return Tick{timer.id, timer.owner, timer.interval, timer.serial, collected.timer};
    }
    m_collected.clear();
    m_taken = 0;
    return std::nullopt;
}

void TimerQueue::finish(const Tick &tick)
{
    const Timer &timer = m_timers[tick.index];
    if (timer.serial == tick.serial && timer.state == State::Firing)
        schedule(tick.index);
}
