// SPDX-License-Identifier: MIT

#ifndef EPOLLREADINESS_H
#define EPOLLREADINESS_H

#include "readiness.h"

#include <cstdint>

/**
 * Readiness by epoll: the cost of a wait does not depend on how many descriptors are idle.
 *
 * epoll watches open files, where poll(2) watches descriptor numbers, and the two come apart when a
 * descriptor is closed without a word:
 *  - no duplicate is left: the file leaves the set in silence, and a new file with the same
 *    number is not watched;
 *  - a duplicate is open somewhere, in a forked child perhaps: the set goes on reporting a
 *    file that cannot be named any more, and so cannot be removed either.
 * Hence the tokens, which tell a report for an earlier owner of a number; the audit, which asks
 * the kernel for each number whether the set still knows it; and a rebuilt set as the only way of getting
 * rid of the unnameable.
 */
class EpollReadiness : public Readiness
{
public:
    /// Check isOpen(): there may be no descriptor left for the set.
    EpollReadiness();
    ~EpollReadiness() override;
    bool isOpen() const { return m_pollFds.front().fd >= 0; }

    std::error_code set(int fd, unsigned events) override;
    void flush() override;
    const std::vector<GPollFD> &pollFds() const override { return m_pollFds; }
    bool hasUnpolled() const override;
    void collect(std::vector<Found> &found, bool thorough) override;
    Duration audit() override;

private:
    struct Watch
    {
        std::uint32_t token = 0; // changes whenever the number is watched anew
        std::uint16_t wanted = 0;
        std::uint16_t armed = 0; // what the kernel was told last; 0: not in the set
        bool gathered = false; // is in m_gathered
        bool alwaysReady = false; // a regular file, which epoll refuses
    };

    int control(int operation, int fd, std::uint32_t token, unsigned events);
    int arm(int fd, Watch &watch, unsigned events);
    void rearm(int fd, Watch &watch);
    void setWanted(Watch &watch, unsigned events);
    void setAlwaysReady(int fd, Watch &watch, bool on);
    void doubt(std::vector<Found> &found, std::size_t first, bool thorough);
    void rebuild();

    std::vector<Watch> m_watches; // by descriptor number
    int m_wantedCount = 0;
    std::vector<int> m_gathered; // to be narrowed or removed at the next flush()
    std::vector<int> m_alwaysReady;
    std::vector<int> m_closed; // found closed, to be reported
    std::vector<GPollFD> m_pollFds; // the epoll set itself
    std::vector<GPollFD> m_doubted;
    unsigned m_forks;
    bool m_stale = false; // the set reported what cannot be removed from it

    TimePoint m_nextDoubt;
    std::size_t m_audited = 0; // how far the running round of the audit has come
    Duration m_auditCost{0};
    TimePoint m_nextAudit;
};

#endif
