// SPDX-License-Identifier: MIT

#ifndef EPOLLSET_H
#define EPOLLSET_H

#include <cstddef>
#include <cstdint>
#include <vector>

struct epoll_event;

/**
 * An epoll set, opened when it is first needed and never used by a forked child, which would change the set of
 * its parent.
 *
 * On systems without epoll, it can never be opened.
 */
class EpollSet
{
public:
    struct Report
    {
        int fd;
        std::uint32_t token; ///< What the descriptor was given when it was added or last modified.
        unsigned events; ///< As from poll(2).
    };

    EpollSet();
    ~EpollSet();
    EpollSet(const EpollSet &) = delete;
    EpollSet &operator=(const EpollSet &) = delete;

    /// Returns false if the system has no epoll, or no descriptor left.
    bool open();
    void close();
    /// The descriptor is not that of the set any more.
    void forget() { m_fd = -1; }
    bool isOpen() const { return m_fd >= 0; }
    /// Whether it is the set of a parent process.
    bool isInherited() const;
    /// Becomes readable when something in the set is ready. -1 if the set is not open.
    int fd() const { return m_fd; }

    // These return 0 or an errno: ESTALE for the set of a parent process.
    int add(int fd, unsigned events, std::uint32_t token);
    int modify(int fd, unsigned events, std::uint32_t token);
    int remove(int fd);

    /// Fetches what is ready now, @p count descriptors at most; the others come first the next time. Returns 0 or an
    /// errno.
    int wait(std::size_t count);
    const std::vector<Report> &reports() const { return m_reports; }

private:
    int control(int operation, int fd, unsigned events, std::uint32_t token);

    int m_fd = -1;
    unsigned m_forks = 0;
    std::vector<epoll_event> m_events;
    std::vector<Report> m_reports;
};

#endif
