// SPDX-License-Identifier: MIT

#ifndef DEADLINEHEAP_H
#define DEADLINEHEAP_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

/**
 * A priority queue of times that forgets lazily.
 *
 * An entry that has become dead stays until it comes to the front, or until the dead outnumber the living and are
 * swept out together. So forgetting costs nothing at first and O(1) on average, and a timer that is started
 * over and over again, as a timeout is, never has its old entries looked for.
 *
 * Which entries are dead is for the owner to know: `isDead` is asked.
 */
class DeadlineHeap
{
public:
    using TimePoint = std::chrono::steady_clock::time_point;

    struct Entry
    {
        TimePoint time;
        std::uint32_t item;
        std::uint64_t ticket; ///< The owner's, to tell entries of one item apart.
    };

    bool isEmpty() const { return m_entries.empty(); }
    /// The earliest, dead or not.
    const Entry &first() const { return m_entries.front(); }

    template<typename IsDead>
    void push(const Entry &entry, IsDead isDead)
    {
        if (m_dead > MostDead && m_dead > m_entries.size() / 2) {
            m_entries.erase(std::remove_if(m_entries.begin(), m_entries.end(), isDead),
                            m_entries.end());
            std::make_heap(m_entries.begin(), m_entries.end(), isLater);
            m_dead = 0;
        }
        m_entries.push_back(entry);
        std::push_heap(m_entries.begin(), m_entries.end(), isLater);
    }

    void popFirst()
    {
        std::pop_heap(m_entries.begin(), m_entries.end(), isLater);
        m_entries.pop_back();
    }

    /// An entry has become dead.
    template<typename IsDead>
    void forgetOne(IsDead isDead)
    {
        ++m_dead;
        while (!m_entries.empty() && isDead(m_entries.front())) {
            popFirst();
            --m_dead;
        }
    }

private:
    static constexpr std::size_t MostDead = 64;

    static bool isLater(const Entry &a, const Entry &b) { return a.time > b.time; }

    std::vector<Entry> m_entries;
    std::size_t m_dead = 0;
};

#endif
