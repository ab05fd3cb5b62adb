// SPDX-License-Identifier: MIT

#ifndef POLLLIST_H
#define POLLLIST_H

#include "readiness.h"

#include <algorithm>
#include <utility>
#include <vector>

/// An array for poll(2) whose elements are found by descriptor number. The first ones may be reserved for others.
class PollList
{
public:
    explicit PollList(std::vector<GPollFD> reserved = {})
        : m_reserved(reserved.size())
        , m_fds(std::move(reserved))
    {
    }

    std::vector<GPollFD> &fds() { return m_fds; }
    const std::vector<GPollFD> &fds() const { return m_fds; }
    std::size_t firstIndex() const { return m_reserved; }
    bool isEmpty() const { return m_fds.size() == m_reserved; }

    bool contains(int fd) const
    {
        return std::size_t(fd) < m_positions.size() && m_positions[std::size_t(fd)] != Absent;
    }

    /// Asks which are ready, unless they are those that somebody has just @p polled. False if the kernel
    /// does not tell.
    bool poll(Readiness::Polled polled)
    {
        const auto isSame = [](const GPollFD &a, const GPollFD &b) {
            return a.fd == b.fd && a.events == b.events;
        };
        if (std::equal(m_fds.begin(), m_fds.end(), polled.first, polled.first + polled.count, isSame)) {
            std::copy_n(polled.first, polled.count, m_fds.begin());
            return true;
        }
        return g_poll(m_fds.data(), guint(m_fds.size()), 0) >= 0;
    }

    /// Adds @p fd, or changes its events.
    void set(int fd, unsigned events)
    {
        const auto number = std::size_t(fd);
        if (number >= m_positions.size())
            m_positions.resize(number + 1, Absent);
        if (m_positions[number] == Absent) {
            m_positions[number] = int(m_fds.size());
            m_fds.push_back({fd, 0, 0});
        }
        m_fds[std::size_t(m_positions[number])].events = gushort(events);
    }

    /// The last element takes the place of the one removed.
    void remove(int fd)
    {
        if (!contains(fd))
            return;
        const int position = m_positions[std::size_t(fd)];
        m_positions[std::size_t(m_fds.back().fd)] = position;
        m_fds[std::size_t(position)] = m_fds.back();
        m_fds.pop_back();
        m_positions[std::size_t(fd)] = Absent;
    }

private:
    static constexpr int Absent = -1;

    std::size_t m_reserved;
    std::vector<GPollFD> m_fds;
    std::vector<int> m_positions; // in m_fds, by descriptor number
};

#endif
