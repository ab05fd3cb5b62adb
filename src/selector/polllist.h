// SPDX-License-Identifier: MIT

#ifndef POLLLIST_H
#define POLLLIST_H

#include <glib.h>

#include <cstddef>
#include <vector>

/// An array for poll(2) whose elements are found by descriptor number. The first element is reserved for
/// the caller; poll(2) ignores it as long as its number is negative.
class PollList
{
public:
    const std::vector<GPollFD> &fds() const { return m_fds; }
    /// Another number after each change.
    unsigned state() const { return m_state; }
    void setReserved(int fd)
    {
        if (m_fds.front().fd == fd)
            return;
        m_fds.front() = {fd, G_IO_IN, 0};
        ++m_state;
    }
    std::size_t count() const { return m_fds.size() - 1; }

    bool contains(int fd) const
    {
        return std::size_t(fd) < m_positions.size() && m_positions[std::size_t(fd)] != Absent;
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
        ++m_state;
    }

    /// Removes @p fd, if it is there. The last element takes its place.
    void remove(int fd)
    {
        if (!contains(fd))
            return;
        const int position = m_positions[std::size_t(fd)];
        m_positions[std::size_t(m_fds.back().fd)] = position;
        m_fds[std::size_t(position)] = m_fds.back();
        m_fds.pop_back();
        m_positions[std::size_t(fd)] = Absent;
        ++m_state;
    }

private:
    static constexpr int Absent = -1;

    std::vector<GPollFD> m_fds{{-1, 0, 0}};
    std::vector<int> m_positions; // in m_fds, by descriptor number
    unsigned m_state = 0;
};

#endif
