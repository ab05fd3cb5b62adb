// SPDX-License-Identifier: MIT

#ifndef TIMERHEAP_H
#define TIMERHEAP_H

#include "timerpool.h"

#include <algorithm>

/**
 * A priority queue of timers, by the time that @p Time returns: a heap with four children per node.
 * Each timer stores its position in its member @p Position, so that any timer can be removed.
 */
template <TimerData::TimePoint (TimerData::*Time)() const, TimerData::Index TimerData::*Position>
class TimerHeap {
public:
    using Index = TimerData::Index;

    /// Stores indexes into @p timers.
    explicit TimerHeap(TimerPool &timers) : m_timers(timers) { }

    /// The time of @p timer must not change while it is here.
    void add(Index timer)
    {
        // Doubling, as std::vector does it, would waste more memory than the copies cost time.
        if (m_items.size() == m_items.capacity())
            m_items.reserve(m_items.size() + m_items.size() / 8 + 16);
        m_items.push_back(timer);
        siftUp(m_items.size() - 1, timer);
    }

    void remove(Index timer)
    {
        const std::size_t hole = m_timers[timer].*Position;
        const Index last = m_items.back();
        m_items.pop_back();
        if (hole < m_items.size())
            fill(hole, last);
    }

    /// The timer with the earliest time, or TimerData::None.
    Index first() const { return m_items.empty() ? TimerData::None : m_items.front(); }

private:
    static constexpr std::size_t Children = 4;

    static std::size_t parent(std::size_t position) { return (position - 1) / Children; }
    TimerData::TimePoint time(Index timer) const { return (m_timers[timer].*Time)(); }

    void put(std::size_t position, Index timer)
    {
        m_items[position] = timer;
        m_timers[timer].*Position = Index(position);
    }

    void fill(std::size_t hole, Index timer)
    {
        if (hole > 0 && time(timer) < time(m_items[parent(hole)]))
            siftUp(hole, timer);
        else
            siftDown(hole, timer);
    }

    void siftUp(std::size_t hole, Index timer)
    {
        const TimerData::TimePoint timersTime = time(timer);
        while (hole > 0 && timersTime < time(m_items[parent(hole)])) {
            put(hole, m_items[parent(hole)]);
            hole = parent(hole);
        }
        put(hole, timer);
    }

    void siftDown(std::size_t hole, Index timer)
    {
        const TimerData::TimePoint timersTime = time(timer);
        for (;;) {
            std::size_t child = Children * hole + 1;
            if (child >= m_items.size())
                break;
            const std::size_t end = std::min(child + Children, m_items.size());
            std::size_t earliest = child;
            TimerData::TimePoint earliestTime = time(m_items[child]);
            while (++child < end) {
                const TimerData::TimePoint childsTime = time(m_items[child]);
                earliest = childsTime < earliestTime ? child : earliest;
                earliestTime = std::min(childsTime, earliestTime);
            }
            if (timersTime <= earliestTime)
                break;
            put(hole, m_items[earliest]);
            hole = earliest;
        }
        put(hole, timer);
    }

    TimerPool &m_timers;
    std::vector<Index> m_items;
};

#endif
