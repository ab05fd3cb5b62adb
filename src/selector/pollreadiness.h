// SPDX-License-Identifier: MIT

#ifndef POLLREADINESS_H
#define POLLREADINESS_H

#include "readiness.h"

/// Readiness by poll(2), for systems without epoll: every wait looks at every descriptor.
class PollReadiness : public Readiness
{
public:
    std::error_code set(int fd, unsigned events) override;
    const std::vector<GPollFD> &pollFds() const override { return m_fds; }
    void collect(std::vector<Found> &found, bool thorough) override;

private:
    void erase(int fd);

    static constexpr int Absent = -1;

    std::vector<GPollFD> m_fds;
    std::vector<int> m_positions; // in m_fds, by descriptor number
};

#endif
