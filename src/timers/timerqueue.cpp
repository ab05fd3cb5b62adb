// SPDX-License-Identifier: MIT

#include "timerqueue.h"

#include <algorithm>

using namespace std::chrono_literals;

namespace {

constexpr TimerQueue::Duration WidestTolerance = 500ms;
/// 5 % of less is under a millisecond, which is not worth being late for.
constexpr TimerQueue::Duration ShortestCoarseInterval = 20ms;

/// The last time at which a timer can be due. Its window ends before the end of the clock, which
/// means never.
constexpr TimerQueue::TimePoint Latest = TimerQueue::TimePoint::max() - WidestTolerance - 1ns;

/// Of the list of unsorted timers, once it is empty: more are started at a time so rarely that memory matters more.
constexpr std::size_t MostKept = 64;

/// So many binary digits of a tolerance count; those behind them are zero.
constexpr int Digits = 5;
constexpr unsigned StepsPerDigit = 1u << (Digits - 1); // a tolerance that is one digit longer has so many steps more

/// Tolerances are numbered: the exact ones with few digits, then those that are rounded down.
unsigned stepOf(TimerQueue::Duration tolerance)
{
    const auto exact = std::uint64_t(tolerance.count());
    const int dropped = std::max(64 - __builtin_clzll(exact | 1) - Digits, 0);
    return unsigned(dropped) * StepsPerDigit + unsigned(exact >> dropped);
}

TimerQueue::Duration toleranceOf(unsigned step)
{
    const unsigned dropped = step < 2 * StepsPerDigit ? 0 : step / StepsPerDigit - 1;
    return TimerQueue::Duration(std::uint64_t(step - dropped * StepsPerDigit) << dropped);
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

} // namespace

void TimerQueue::add(int id, Duration interval, Accuracy accuracy, void *owner, TimePoint now) noexcept
{
    const Index index = m_timers.allocate();
    if (m_ids.add(id, index) != TimerData::None) {
        release(m_ids.remove(id));
        m_ids.add(id, index);
    }
    TimerData &timer = m_timers[index];
    timer.id = id;
    timer.interval = std::max(interval, Duration::zero());
    // An interval can be longer than what is left of the clock's range.
    timer.due = timer.interval < Latest - now ? now + timer.interval : Latest;
    timer.owner = owner;
    // The serial number comes first: a processor waits for the others' narrower writes if it needs the word after them.
    timer.serial = ++m_serial & TimerData::LastSerial;
    timer.group = groupOf(stepOf(tolerance(accuracy, timer.interval))) & TimerData::LastGroup;
    timer.accuracy = accuracy;

    m_owners.add(index);
    schedule(index);
}

unsigned TimerQueue::groupOf(unsigned step)
{
    static_assert(WidestTolerance < Duration(1 << 29) && Steps == std::size_t(29 - Digits + 2) * StepsPerDigit);
    std::uint16_t &known = m_groupOfStep[step];
    if (known == 0) {
        m_groups.push_back({ toleranceOf(step), {} });
        known = std::uint16_t(m_groups.size());
    }
    return known - 1u;
}

void TimerQueue::schedule(Index index)
{
    TimerData &timer = m_timers[index];
    const bool isZero = timer.interval == Duration::zero();
    timer.state = isZero ? State::Zero : State::Unsorted;
    append(isZero ? m_zero : m_unsorted, index);
}

void TimerQueue::unschedule(Index index)
{
    const TimerData &timer = m_timers[index];
    switch (timer.state) {
    case State::Unsorted:
        remove(m_unsorted, index);
        break;
    case State::Waiting:
        m_isFirstKnown = false;
        m_groups[timer.group].timers.remove(m_timers, index);
        break;
    case State::Zero:
        remove(m_zero, index);
        break;
    case State::Collected:
        --m_left;
        break;
    case State::Firing:
    case State::Free:
        break;
    }
}

void TimerQueue::append(std::vector<Index> &list, Index index)
{
    m_timers[index].position = Index(list.size());
    list.push_back(index);
}

void TimerQueue::remove(std::vector<Index> &list, Index index)
{
    const Index position = m_timers[index].position;
    m_timers[list.back()].position = position;
    list[position] = list.back();
    list.pop_back();
}

void TimerQueue::sortUnsorted()
{
    m_isFirstKnown = false;
    for (const Index index : m_unsorted) {
        m_timers[index].state = State::Waiting;
        m_groups[m_timers[index].group].timers.add(m_timers, index);
    }
    m_unsorted.clear();
    if (m_unsorted.capacity() > MostKept)
        m_unsorted.shrink_to_fit();
}

void TimerQueue::release(Index index)
{
    unschedule(index);
    m_owners.remove(index);
    m_timers.release(index);
}

bool TimerQueue::remove(int id)
{
    const Index index = m_ids.remove(id);
    if (index == TimerData::None)
        return false;
    release(index);
    return true;
}

bool TimerQueue::removeAll(void *owner)
{
    const std::vector<Index> all = m_owners.find(owner);
    for (const Index index : all)
        release(m_ids.remove(m_timers[index].id));
    return !all.empty();
}

std::vector<TimerQueue::Info> TimerQueue::timersOf(void *owner) const
{
    std::vector<Index> all = m_owners.find(owner);
    std::sort(all.begin(), all.end(),
              [this](Index a, Index b) { return m_timers[a].serial < m_timers[b].serial; });
    std::vector<Info> infos;
    infos.reserve(all.size());
    for (const Index index : all) {
        const TimerData &timer = m_timers[index];
        infos.push_back({ timer.id, timer.interval, timer.accuracy });
    }
    return infos;
}

std::optional<TimerQueue::TimePoint> TimerQueue::due(int id) const
{
    const Index index = m_ids.find(id);
    if (index == TimerData::None)
        return std::nullopt;
    return m_timers[index].due;
}

std::optional<TimerQueue::TimePoint> TimerQueue::wakeTime() noexcept
{
    if (m_left > 0)
        return m_now;
    sort();
    findFirst();
    return m_firstEnd != TimePoint::max() ? std::optional(m_firstEnd) : std::nullopt;
}

/// To be called after sort().
void TimerQueue::findFirst()
{
    if (m_isFirstKnown)
        return;
    m_firstBegin = m_firstEnd = TimePoint::max();
    for (Group &group : m_groups) {
        // All timers may have moved on to another interval, and again and again.
        group.timers.trim();
        if (group.timers.isEmpty())
            continue;
        const TimePoint due = group.timers.first().due;
        m_firstBegin = std::min(m_firstBegin, due - group.tolerance);
        m_firstEnd = std::min(m_firstEnd, due + group.tolerance);
    }
    m_isFirstKnown = true;
}

bool TimerQueue::isValid(const Collected &collected) const
{
    const TimerData &timer = m_timers[collected.timer];
    return timer.state == State::Collected && timer.serial == collected.serial;
}

void TimerQueue::collect(Index index)
{
    TimerData &timer = m_timers[index];
    const TimePoint due = timer.state == State::Zero ? TimePoint::max() : timer.due;
    timer.state = State::Collected;
    m_collected.push_back({ due, timer.serial, index });
    ++m_left;
}

void TimerQueue::collect(TimePoint now) noexcept
{
    m_now = now;
    sort();
    // If each round ends by an exception, take() never comes to the end and cleans up.
    m_collected.erase(
        std::remove_if(m_collected.begin(), m_collected.end(),
                       [this](const Collected &collected) { return !isValid(collected); }),
        m_collected.end());
    m_taken = 0;
    const std::size_t before = m_collected.size();
    findFirst();
    if (m_firstBegin <= now) {
        for (Group &group : m_groups) {
            while (!group.timers.isEmpty() && group.timers.first().due - group.tolerance <= now) {
                const Index first = group.timers.first().timer;
                unschedule(first);
                collect(first);
            }
        }
    }
    for (const Index index : m_zero)
        collect(index);
    m_zero.clear();
    if (m_collected.size() > std::max<std::size_t>(before, 1)) {
        std::sort(m_collected.begin(), m_collected.end(),
                  [](const Collected &a, const Collected &b) {
                      return a.due != b.due ? a.due < b.due : a.serial < b.serial;
                  });
    }
}

std::optional<TimerQueue::Tick> TimerQueue::take()
{
    if (m_left == 0)
        return std::nullopt;
    while (!isValid(m_collected[m_taken]))
        ++m_taken;
    const Collected collected = m_collected[m_taken++];
    --m_left;
    TimerData &timer = m_timers[collected.timer];
    timer.state = State::Firing;
    if (timer.interval > Duration::zero()) {
        const auto missed = m_now < timer.due ? 0 : (m_now - timer.due) / timer.interval;
        timer.due = timer.interval < Latest - timer.due - missed * timer.interval
            ? timer.due + (missed + 1) * timer.interval
            : Latest;
    }
    return Tick{ timer.id, timer.owner, timer.interval, timer.serial, collected.timer };
}

void TimerQueue::finish(const Tick &tick) noexcept
{
    const TimerData &timer = m_timers[tick.index];
    if (timer.serial == tick.serial && timer.state == State::Firing)
        schedule(tick.index);
}
