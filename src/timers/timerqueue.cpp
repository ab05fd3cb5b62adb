// SPDX-License-Identifier: MIT

#include "timerqueue.h"

#include <algorithm>

using namespace std::chrono_literals;

namespace {

constexpr TimerQueue::Duration WidestTolerance = 500ms;
/// 5 % of less is under a millisecond, which is not worth being late for.
constexpr TimerQueue::Duration ShortestCoarseInterval = 20ms;

/// The last time at which a timer can be due. Its window ends before the end of the clock, which means never.
constexpr TimerQueue::TimePoint Latest = TimerQueue::TimePoint::max() - WidestTolerance - 1ns;

/// Ids are dense, or nearly so.
std::size_t hash(int id)
{
    return std::size_t(id);
}

/// The low bits of addresses are alike.
std::size_t hash(const void *owner)
{
    return std::size_t((std::uint64_t(reinterpret_cast<std::uintptr_t>(owner)) * 0x9e3779b97f4a7c15u) >> 32);
}

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
    m_free = m_timers[index].position;
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

    m_byId.insert(index, hash(id));
    m_byOwner.insert(index, hash(owner));
    schedule(index);
}

void TimerQueue::schedule(Index index)
{
    Timer &timer = m_timers[index];
    if (timer.interval == Duration::zero()) {
        timer.state = State::Zero;
        timer.position = Index(m_zero.size());
        m_zero.push_back(index);
        return;
    }
    timer.state = State::Waiting;
    m_begins.set(index, timer.due - timer.tolerance);
    m_ends.set(index, timer.due + timer.tolerance);
}

void TimerQueue::unschedule(Index index)
{
    Timer &timer = m_timers[index];
    if (timer.state == State::Waiting) {
        m_begins.unset(index);
        m_ends.unset(index);
    } else if (timer.state == State::Zero) {
        m_timers[m_zero.back()].position = timer.position;
        m_zero[timer.position] = m_zero.back();
        m_zero.pop_back();
    }
}

void TimerQueue::release(Index index)
{
    unschedule(index);
    Timer &timer = m_timers[index];
    m_byId.remove(index);
    m_byOwner.remove(index);
    timer.state = State::Free;
    timer.position = m_free;
    m_free = index;
}

TimerQueue::Index TimerQueue::find(int id) const
{
    Index index = m_byId.first(hash(id));
    while (index != None && m_timers[index].id != id)
        index = m_byId.next(index);
    return index;
}

/// In the order in which they were started.
std::vector<TimerQueue::Index> TimerQueue::findAll(void *owner) const
{
    std::vector<Index> all;
    for (Index i = m_byOwner.first(hash(owner)); i != None; i = m_byOwner.next(i)) {
        if (m_timers[i].owner == owner)
            all.push_back(i);
    }
    std::sort(all.begin(), all.end(), [this](Index a, Index b) {
        return m_timers[a].serial < m_timers[b].serial;
    });
    return all;
}

bool TimerQueue::remove(int id)
{
    const Index index = find(id);
    if (index == None)
        return false;
    release(index);
    return true;
}

bool TimerQueue::removeAll(void *owner)
{
    const std::vector<Index> all = findAll(owner);
    for (const Index index : all)
        release(index);
    return !all.empty();
}

std::vector<TimerQueue::Info> TimerQueue::timersOf(void *owner) const
{
    std::vector<Info> infos;
    for (const Index index : findAll(owner)) {
        const Timer &timer = m_timers[index];
        infos.push_back({timer.id, timer.interval, timer.accuracy});
    }
    return infos;
}

std::optional<TimerQueue::TimePoint> TimerQueue::due(int id) const
{
    const Index index = find(id);
    if (index == None)
        return std::nullopt;
    return m_timers[index].due;
}

std::optional<TimerQueue::TimePoint> TimerQueue::wakeTime()
{
    if (std::any_of(m_collected.begin() + std::ptrdiff_t(m_taken), m_collected.end(),
                    [this](const Collected &collected) { return isLeft(collected); }))
        return m_now;
    const auto first = m_ends.first();
    return first ? std::optional(first->time) : std::nullopt;
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
    for (auto first = m_begins.first(); first && first->time <= now; first = m_begins.first()) {
        const Index index = first->item;
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
