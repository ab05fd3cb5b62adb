// SPDX-License-Identifier: MIT

#ifndef EPOLLREADINESS_H
#define EPOLLREADINESS_H

#include "polllist.h"
#include "readiness.h"

#include <cstdint>

struct epoll_event;

/**
 * Readiness by epoll: the cost of a wait does not depend on how many descriptors are idle.
 *
 * Changes are gathered until flush(): many are undone before they matter.
 *
 * epoll watches open files, where poll(2) watches descriptor numbers, and the two come apart when a
 * descriptor is closed without a word:
 *  - no duplicate is left: the file leaves the set in silence, and a new file with the same
 *    number is not watched;
 *  - a duplicate is open somewhere, in a forked child perhaps: the set goes on reporting a
 *    file that cannot be named any more, and so cannot be removed either.
 * Hence the tokens, which tell a report for an earlier owner of a number; the audit, which asks
 * the kernel for each number whether the set still knows it; and a rebuilt set as the only way of
 * getting rid of what cannot be named.
 *
 * Some descriptors are left to poll(2): those that epoll refuses (regular files), and those that are ready
 * in nearly every round, for which poll is cheaper. They return to the set when they fall idle.
 */
class EpollReadiness : public Readiness
{
public:
    /// Check isOpen(): there may be no descriptor left for the set.
    EpollReadiness();
    ~EpollReadiness() override;
    bool isOpen() const { return epollFd() >= 0; }

    void set(int fd, unsigned events) override;
    std::error_code confirm(int fd) override;
    bool isEmpty() const override { return m_wantedCount == 0; }
    void flush() override;
    const std::vector<GPollFD> &pollFds() const override { return m_polled.fds(); }
    bool hasUnpolled() const override { return !m_closed.empty(); }
    void collect(std::vector<Found> &found, bool thorough, Polled polled) override;
    Duration audit(TimePoint now) override;

private:
    struct Watch
    {
        std::uint32_t token = 0; // changes whenever the number comes to mean something else
        std::uint32_t lastRound = 0; // in which it was ready
        std::uint16_t wanted = 0;
        std::uint16_t armed = 0; // what the set was told last; 0: not in the set
        std::uint8_t streak = 0; // of rounds in which it was ready, one after the other or nearly so
        bool gathered = false; // is in m_gathered
        bool refused = false; // by epoll, so it is polled
    };

    int epollFd() const { return m_polled.fds().front().fd; }
    bool isIdle(const Watch &watch) const;
    int control(int operation, int fd, const Watch &watch);
    int apply(int fd, Watch &watch);
    void setWanted(Watch &watch, unsigned events);
    void declareClosed(int fd, Watch &watch);
    void collectPolled(std::vector<Found> &found, Polled polled);
    void collectSet(std::vector<Found> &found);
    void doubt(std::vector<Found> &found, std::size_t first);
    void rebuild();

    std::vector<Watch> m_watches; // by descriptor number
    std::size_t m_wantedCount = 0;
    std::vector<int> m_gathered; // changed since the last flush(), and not confirmed
    bool m_isChanged = false; // anything was, since then
    std::vector<int> m_closed; // found closed, to be reported
    PollList m_polled; // the epoll set, and what is polled beside it
    std::vector<int> m_idle; // of the polled ones, for a moment
    std::vector<epoll_event> m_events;
    std::vector<GPollFD> m_doubted;
    unsigned m_forks;
    std::uint32_t m_round = 0;
    bool m_stale = false; // the set reported what cannot be removed from it

    TimePoint m_nextDoubt;
    std::size_t m_audited = 0; // how far the running round of the audit has come
    Duration m_auditCost{0};
    TimePoint m_nextAudit;
};

#endif
