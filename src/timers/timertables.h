// SPDX-License-Identifier: MIT

#ifndef TIMERTABLES_H
#define TIMERTABLES_H

#include "timerpool.h"

#include <utility>

/// A slot for @p key in a hash table of @p size slots, which is a power of two. Neither ids that
/// are multiples of something nor addresses, whose low bits are alike, fall together.
inline std::size_t hashSlot(std::uint64_t key, std::size_t size)
{
    return std::size_t((key * 0x9e3779b97f4a7c15u) >> 32) & (size - 1);
}

/// Finds a timer by its id. A hash table with linear probing, which stores nothing but indexes.
class TimerIds {
public:
    using Index = TimerData::Index;

    explicit TimerIds(const TimerPool &timers) : m_timers(timers) { }

    Index find(int id) const { return m_slots.empty() ? TimerData::None : m_slots[slotOf(id)]; }

    /// Adds @p timer, whose id is @p id, if no timer here has that id. Returns the one that has it, or TimerData::None.
    Index add(int id, Index timer)
    {
        if (m_count >= m_slots.size() / 4 * 3)
            grow();
        Index &place = m_slots[slotOf(id)];
        if (place != TimerData::None)
            return place;
        place = timer;
        ++m_count;
        return TimerData::None;
    }

    /// Removes the timer that has this id, and returns it, or TimerData::None if there is none.
    Index remove(int id)
    {
        if (m_slots.empty())
            return TimerData::None;
        std::size_t gap = slotOf(id);
        const Index timer = m_slots[gap];
        if (timer == TimerData::None)
            return timer;
        // A search ends at an empty slot, so later timers move up, but none before its own slot.
        for (std::size_t slot = next(gap); m_slots[slot] != TimerData::None; slot = next(slot)) {
            const std::size_t home = hashSlot(key(m_timers[m_slots[slot]].id), m_slots.size());
            const std::size_t mask = m_slots.size() - 1;
            if (((slot - home) & mask) >= ((slot - gap) & mask)) {
                m_slots[gap] = m_slots[slot];
                gap = slot;
            }
        }
        m_slots[gap] = TimerData::None;
        --m_count;
        return timer;
    }

private:
    static constexpr std::size_t FewestSlots = 64; // so that a few timers rarely share a place

    static std::uint64_t key(int id) { return std::uint64_t(unsigned(id)); }
    std::size_t next(std::size_t slot) const { return (slot + 1) & (m_slots.size() - 1); }

    /// The slot of @p id, or the empty one where it belongs.
    std::size_t slotOf(int id) const
    {
        std::size_t slot = hashSlot(key(id), m_slots.size());
        while (m_slots[slot] != TimerData::None && m_timers[m_slots[slot]].id != id)
            slot = next(slot);
        return slot;
    }

    void grow()
    {
        std::vector<Index> old(m_slots.empty() ? FewestSlots : 2 * m_slots.size(), TimerData::None);
        old.swap(m_slots);
        for (const Index timer : old) {
            if (timer != TimerData::None)
                m_slots[slotOf(m_timers[timer].id)] = timer;
        }
    }

    const TimerPool &m_timers;
    std::vector<Index> m_slots;
    std::size_t m_count = 0;
};

/**
 * Finds the timers of an owner. A hash table whose slots are doubly linked lists, so that removing
 * a timer takes the same time however many timers its owner has.
 */
class TimerOwners {
public:
    using Index = TimerData::Index;

    explicit TimerOwners(TimerPool &timers) : m_timers(timers) { }

    void add(Index timer)
    {
        if (m_count >= MostPerList * m_lists.size())
            grow();
        link(timer);
        ++m_count;
    }

    void remove(Index timer)
    {
        const auto [previous, next]
            = std::pair(m_timers[timer].previousOfOwner, m_timers[timer].nextOfOwner);
        if (previous != TimerData::None)
            m_timers[previous].nextOfOwner = next;
        else
            list(m_timers[timer].owner) = next;
        if (next != TimerData::None)
            m_timers[next].previousOfOwner = previous;
        --m_count;
    }

    /// In no order.
    std::vector<Index> find(void *owner) const
    {
        std::vector<Index> found;
        for (Index timer = m_lists.empty() ? TimerData::None : m_lists[slot(owner)];
             timer != TimerData::None; timer = m_timers[timer].nextOfOwner) {
            if (m_timers[timer].owner == owner)
                found.push_back(timer);
        }
        return found;
    }

private:
    /// On average. Only find() walks a list, so that lists may be longer than those of other hash
    /// tables.
    static constexpr std::size_t MostPerList = 4;

    std::size_t slot(void *owner) const
    {
        return hashSlot(reinterpret_cast<std::uintptr_t>(owner), m_lists.size());
    }
    Index &list(void *owner) { return m_lists[slot(owner)]; }

    void link(Index timer)
    {
        Index &first = list(m_timers[timer].owner);
        m_timers[timer].previousOfOwner = TimerData::None;
        m_timers[timer].nextOfOwner = first;
        if (first != TimerData::None)
            m_timers[first].previousOfOwner = timer;
        first = timer;
    }

    void grow()
    {
        std::vector<Index> old(m_lists.empty() ? 16 : 2 * m_lists.size(), TimerData::None);
        old.swap(m_lists);
        for (Index timer : old) {
            while (timer != TimerData::None)
                link(std::exchange(timer, m_timers[timer].nextOfOwner));
        }
    }

    TimerPool &m_timers;
    std::vector<Index> m_lists; // the first timer of each
    std::size_t m_count = 0;
};

#endif
