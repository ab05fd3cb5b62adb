// SPDX-License-Identifier: MIT

#ifndef DEADLINEHEAP_H
#define DEADLINEHEAP_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

/**
 * Which of many items, which are small numbers, comes first in time.
 *
 * It is a heap that works lazily: an item that is taken back or put off leaves its entry where it is, and what is
 * true of the entry is found out when it comes to the front. So a timer that is started over and over
 * again, as a timeout is, costs nothing here but for its last start. Only an item that is wanted
 * earlier than its entry says needs a new one; the old one is then dead.
 */
class DeadlineHeap
{
public:
    using Item = std::uint32_t;
    using TimePoint = std::chrono::steady_clock::time_point;

    struct Entry
    {
        TimePoint time;
        Item item;
        std::uint32_t stamp; // tells the entry of an item from its dead ones
    };

    /// @p item has this time from now on, which is before the end of the clock.
    void set(Item item, TimePoint time)
    {
        if (item >= m_places.size())
            m_places.resize(item + 1);
        Place &place = m_places[item];
        place.time = time;
        if (place.queued <= time)
            return;
        m_dead += place.queued != Never;
        push(item, place);
        if (m_dead > MostDead && m_dead > m_entries.size() / 2)
            sweep();
    }

    /// @p item, which must have been set, has no time any more.
    void unset(Item item) { m_places[item].time = Never; }

    /// The earliest.
    std::optional<Entry> first()
    {
        while (!m_entries.empty()) {
            const Entry entry = m_entries.front();
            Place &place = m_places[entry.item];
            if (entry.stamp == place.stamp && entry.time == place.time)
                return entry;
            std::pop_heap(m_entries.begin(), m_entries.end(), isLater);
            m_entries.pop_back();
            if (entry.stamp != place.stamp)
                --m_dead;
            else if (place.time != Never)
                push(entry.item, place);
            else
                place.queued = Never;
        }
        return std::nullopt;
    }

private:
    static constexpr TimePoint Never = TimePoint::max();
    static constexpr std::size_t MostDead = 64;

    struct Place
    {
        TimePoint time = Never;
        TimePoint queued = Never; // the time of its entry, if there is one; never later than time
        std::uint32_t stamp = 0;
    };

    static bool isLater(const Entry &a, const Entry &b) { return a.time > b.time; }

    void push(Item item, Place &place)
    {
        place.queued = place.time;
        m_entries.push_back({place.time, item, ++place.stamp});
        std::push_heap(m_entries.begin(), m_entries.end(), isLater);
    }

    void sweep()
    {
        const auto isDead = [this](const Entry &entry) {
            return entry.stamp != m_places[entry.item].stamp;
        };
        m_entries.erase(std::remove_if(m_entries.begin(), m_entries.end(), isDead),
                        m_entries.end());
        std::make_heap(m_entries.begin(), m_entries.end(), isLater);
        m_dead = 0;
    }

    std::vector<Entry> m_entries;
    std::vector<Place> m_places; // by item
    std::size_t m_dead = 0;
};

#endif
