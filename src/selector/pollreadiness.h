// SPDX-License-Identifier: MIT

#ifndef POLLREADINESS_H
#define POLLREADINESS_H

#include "polllist.h"
#include "readiness.h"

/// Readiness by poll(2), for systems without epoll: every wait looks at every descriptor.
class PollReadiness : public Readiness
{
public:
    void set(int fd, unsigned events) override;
    std::error_code confirm(int fd) override { return checkOpen(fd); }
    bool isEmpty() const override { return m_list.isEmpty(); }
    void flush() override { m_isChanged = false; }
    const std::vector<GPollFD> &pollFds() const override { return m_list.fds(); }
    void collect(std::vector<Found> &found, bool thorough, Polled polled) override;

private:
    PollList m_list;
    bool m_isChanged = false; // since the last flush()
};

#endif
