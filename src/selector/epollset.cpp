// SPDX-License-Identifier: MIT

#include "epollset.h"

#include "forks.h"

#include <glib.h>

#include <algorithm>
#include <cerrno>

#include <unistd.h>

#if GLIBEVENTDISPATCHER_HAVE_EPOLL

#    include <sys/epoll.h>

// The events of poll(2), which GLib's are, can be handed to epoll as they are.
static_assert(unsigned{EPOLLIN} == unsigned{G_IO_IN} && unsigned{EPOLLOUT} == unsigned{G_IO_OUT}
              && unsigned{EPOLLPRI} == unsigned{G_IO_PRI} && unsigned{EPOLLERR} == unsigned{G_IO_ERR}
              && unsigned{EPOLLHUP} == unsigned{G_IO_HUP});

namespace {
/// The most that one wait() reports.
constexpr std::size_t MostEvents = 4096;
}

bool EpollSet::open()
{
    if (m_fd < 0) {
        m_fd = epoll_create1(EPOLL_CLOEXEC);
        m_forks = forkCount();
    }
    return isOpen();
}

int EpollSet::control(int operation, int fd, unsigned events, std::uint32_t token)
{
    if (isInherited())
        return ESTALE;
    epoll_event event{};
    event.events = events;
    event.data.u64 = (std::uint64_t(token) << 32) | std::uint32_t(fd);
    return epoll_ctl(m_fd, operation, fd, &event) < 0 ? errno : 0;
}

int EpollSet::add(int fd, unsigned events, std::uint32_t token)
{
    return control(EPOLL_CTL_ADD, fd, events, token);
}

int EpollSet::modify(int fd, unsigned events, std::uint32_t token)
{
    return control(EPOLL_CTL_MOD, fd, events, token);
}

int EpollSet::remove(int fd)
{
    return control(EPOLL_CTL_DEL, fd, 0, 0);
}

int EpollSet::wait(std::size_t count)
{
    m_events.resize(std::clamp<std::size_t>(count, 1, MostEvents));
    const int found = epoll_wait(m_fd, m_events.data(), int(m_events.size()), 0);
    const int error = found < 0 ? errno : 0;
    m_reports.clear();
    for (int i = 0; i < found; ++i) {
        const epoll_event &event = m_events[std::size_t(i)];
        m_reports.push_back({int(event.data.u64 & 0xffffffff), std::uint32_t(event.data.u64 >> 32),
                             event.events});
    }
    return error;
}

#else

struct epoll_event
{
};

bool EpollSet::open()
{
    return false;
}

int EpollSet::add(int, unsigned, std::uint32_t)
{
    return ENOSYS;
}

int EpollSet::modify(int, unsigned, std::uint32_t)
{
    return ENOSYS;
}

int EpollSet::remove(int)
{
    return ENOSYS;
}

int EpollSet::wait(std::size_t)
{
    return ENOSYS;
}

#endif

EpollSet::EpollSet() = default;

EpollSet::~EpollSet()
{
    close();
}

void EpollSet::close()
{
    if (m_fd >= 0)
        ::close(m_fd);
    m_fd = -1;
}

bool EpollSet::isInherited() const
{
    return isOpen() && m_forks != forkCount();
}
