// SPDX-License-Identifier: MIT

#include "pollreadiness.h"

void PollReadiness::set(int fd, unsigned events)
{
    if (events)
        m_list.set(fd, events);
    else
        m_list.remove(fd);
}

void PollReadiness::collect(std::vector<Found> &found, bool)
{
    std::vector<GPollFD> &fds = m_list.fds();
    if (g_poll(fds.data(), guint(fds.size()), 0) <= 0)
        return;
    const std::size_t before = found.size();
    for (const GPollFD &polled : fds) {
        if (polled.revents & G_IO_NVAL)
            found.push_back({polled.fd, G_IO_NVAL});
        else if (const unsigned events = readyEvents(polled.revents, polled.events))
            found.push_back({polled.fd, events});
    }
    for (std::size_t i = before; i < found.size(); ++i) {
        if (found[i].events == G_IO_NVAL)
            m_list.remove(found[i].fd);
    }
}
