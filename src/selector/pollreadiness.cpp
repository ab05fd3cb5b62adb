// SPDX-License-Identifier: MIT

#include "pollreadiness.h"

#include <cerrno>
#include <fcntl.h>

std::error_code PollReadiness::set(int fd, unsigned events)
{
    if (!events) {
        erase(fd);
        return {};
    }
    if (fcntl(fd, F_GETFD) < 0)
        return {errno, std::generic_category()};
    const auto number = std::size_t(fd);
    if (number >= m_positions.size())
        m_positions.resize(number + 1, Absent);
    if (m_positions[number] == Absent) {
        m_positions[number] = int(m_fds.size());
        m_fds.push_back({fd, 0, 0});
    }
    m_fds[std::size_t(m_positions[number])].events = gushort(events);
    return {};
}

void PollReadiness::erase(int fd)
{
    const auto number = std::size_t(fd);
    if (number >= m_positions.size() || m_positions[number] == Absent)
        return;
    const int position = m_positions[number];
    m_positions[std::size_t(m_fds.back().fd)] = position;
    m_fds[std::size_t(position)] = m_fds.back();
    m_fds.pop_back();
    m_positions[number] = Absent;
}

void PollReadiness::collect(std::vector<Found> &found, bool)
{
    if (g_poll(m_fds.data(), guint(m_fds.size()), 0) <= 0)
        return;
    const std::size_t before = found.size();
    for (const GPollFD &polled : m_fds) {
        if (polled.revents & G_IO_NVAL)
            found.push_back({polled.fd, G_IO_NVAL});
        else if (const unsigned events = readyEvents(polled.revents, polled.events))
            found.push_back({polled.fd, events});
    }
    for (std::size_t i = before; i < found.size(); ++i) {
        if (found[i].events == G_IO_NVAL)
            erase(found[i].fd);
    }
}
