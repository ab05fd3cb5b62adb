// SPDX-License-Identifier: MIT

#include "pollreadiness.h"

void PollReadiness::set(int fd, unsigned events)
{
    m_isChanged = true;
    if (events)
        m_list.set(fd, events);
    else
        m_list.remove(fd);
}

void PollReadiness::collect(std::vector<Found> &found, bool, Polled polled)
{
    if (!m_list.poll(m_isChanged ? Polled() : polled))
        return;
    const std::size_t before = found.size();
    for (const GPollFD &fd : m_list.fds()) {
        if (fd.revents & G_IO_NVAL)
            found.emplace_back(fd.fd, G_IO_NVAL);
        else if (const unsigned events = readyEvents(fd.revents, fd.events))
            found.emplace_back(fd.fd, events);
    }
    for (std::size_t i = before; i < found.size(); ++i) {
        if (found[i].events == G_IO_NVAL)
            m_list.remove(found[i].fd);
    }
}
