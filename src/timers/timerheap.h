// SPDX-License-Identifier: MIT

#ifndef TIMERHEAP_H
#define TIMERHEAP_H

#include "timerpool.h"

#include <algorithm>

/**
 * A priority queue of timers, by the time at which they are due: a heap with four children per node.
 * It has the times beside the timers' indexes, so that to compare some does not take a look at each timer. Each timer
 * stores its position, so that any timer can be removed.
 */
class TimerHeap {
public:
    using Index = TimerData::Index;
    using TimePoint = TimerData::TimePoint;

    struct Item {
        TimePoint due;
        Index timer;
    };

    bool isEmpty() const { return m_items.empty(); }
    /// The timer that is due first. The heap must not be empty.
    const Item &first() const { return m_items.front(); }

    /// The time at which @p timer is due must not change while it is here.
    void add(TimerPool &timers, Index timer)
    {
        // Doubling, as std::vector does it, would waste more memory than the copies cost time.
        if (m_items.size() == m_items.capacity())
            m_items.reserve(m_items.size() + m_items.size() / 8 + 4);
        m_items.emplace_back();
        siftUp(timers, m_items.size() - 1, { timers[timer].due, timer });
    }

    void remove(TimerPool &timers, Index timer)
    {
        const std::size_t hole = timers[timer].position;
        const Item last = m_items.back();
        m_items.pop_back();
        if (hole == m_items.size())
            return;
        if (hole > 0 && last.due < m_items[parent(hole)].due)
            siftUp(timers, hole, last);
        else
            siftDown(timers, hole, last);
    }

    /// Frees memory, if it is a multiple of what is in use.
    void trim()
    {
        if (m_items.size() < m_items.capacity() / 4 && m_items.capacity() > MostKept)
            m_items.shrink_to_fit();
    }

private:
    static constexpr std::size_t Children = 4;
    static constexpr std::size_t MostKept = 64;

    static std::size_t parent(std::size_t position) { return (position - 1) / Children; }

    void put(TimerPool &timers, std::size_t position, Item item)
    {
        m_items[position] = item;
        timers[item.timer].position = Index(position);
    }

    void siftUp(TimerPool &timers, std::size_t hole, Item item)
    {
        while (hole > 0 && item.due < m_items[parent(hole)].due) {
            put(timers, hole, m_items[parent(hole)]);
            hole = parent(hole);
        }
        put(timers, hole, item);
    }

    void siftDown(TimerPool &timers, std::size_t hole, Item item)
    {
        for (;;) {
            std::size_t child = Children * hole + 1;
            if (child >= m_items.size())
                break;
            const std::size_t end = std::min(child + Children, m_items.size());
            std::size_t earliest = child;
            TimePoint earliestDue = m_items[child].due;
            while (++child < end) {
                const TimePoint due = m_items[child].due;
                earliest = due < earliestDue ? child : earliest;
                earliestDue = std::min(due, earliestDue);
            }
            if (item.due <= earliestDue)
                break;
            put(timers, hole, m_items[earliest]);
            hole = earliest;
        }
        put(timers, hole, item);
    }

    std::vector<Item> m_items;
};

#endif
