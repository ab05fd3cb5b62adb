// SPDX-License-Identifier: MIT

#ifndef POLLLIST_H
#define POLLLIST_H

#include <glib.h>

#include <cstddef>
#include <vector>

/// An array for poll(2) whose elements are found by descriptor number. The caller may have one more at its end: once poll(2) has
/// found one that is ready, it no longer enters itself in the queues of those behind it.
class PollList
{
public:
    const std::vector<GPollFD> &fds() const { return m_fds; }
    /// Another number after each change.
    unsigned state() const { return m_state; }
    /// Sets the one at the end, to be polled for readability; none if @p fd is negative. It is not contained.
    void setLast(int fd)
    {
        if (fd == m_last)
            return;
        m_fds.resize(count());
        m_last = -1;
        if (fd >= 0)
            m_fds.push_back({fd, G_IO_IN, 0});
        m_last = fd;
        ++m_state;
    }
    /// Without the one at the end.
    std::size_t count() const { return m_fds.size() - (m_last >= 0); }

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
            const std::size_t position = count();
            m_fds.insert(m_fds.begin() + std::ptrdiff_t(position), {fd, 0, 0});
            m_positions[number] = int(position);
        }
        m_fds[std::size_t(m_positions[number])].events = gushort(events);
        ++m_state;
    }

    /// Removes @p fd, if it is there. The last one of the others takes its place.
    void remove(int fd)
    {
        if (!contains(fd))
            return;
        const int position = m_positions[std::size_t(fd)];
        const std::size_t end = count() - 1;
        m_positions[std::size_t(m_fds[end].fd)] = position;
        m_fds[std::size_t(position)] = m_fds[end];
        m_fds.erase(m_fds.begin() + std::ptrdiff_t(end));
        m_positions[std::size_t(fd)] = Absent;
        ++m_state;
    }

private:
    static constexpr int Absent = -1;

    std::vector<GPollFD> m_fds;
    int m_last = -1;
    std::vector<int> m_positions; // in m_fds, by descriptor number
    unsigned m_state = 0;
};

#endif
