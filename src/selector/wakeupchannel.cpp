// SPDX-License-Identifier: MIT

#include "wakeupchannel.h"

#include "forks.h"

#include <glib.h>

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <unistd.h>
#if __has_include(<sys/eventfd.h>)
#    include <sys/eventfd.h>
#    define HAVE_EVENTFD 1
#else
#    define HAVE_EVENTFD 0
#endif

WakeUpChannel::WakeUpChannel()
    : m_forks(forkCount())
{
    open();
}

WakeUpChannel::~WakeUpChannel()
{
    close();
}

void WakeUpChannel::open()
{
#if HAVE_EVENTFD
    m_readEnd = m_writeEnd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
#else
    int ends[2];
    if (pipe(ends) == 0) {
        for (int end : ends) {
            fcntl(end, F_SETFD, FD_CLOEXEC);
            fcntl(end, F_SETFL, O_NONBLOCK);
        }
        m_readEnd = ends[0];
        m_writeEnd = ends[1];
    }
#endif
    // GLib gives up likewise when it gets no descriptor for waking a context.
    if (m_readEnd < 0)
        g_error("GLibSelector: cannot create a descriptor for wake-ups: %s", g_strerror(errno));
}

void WakeUpChannel::close()
{
    ::close(m_readEnd);
    if (m_writeEnd != m_readEnd)
        ::close(m_writeEnd);
}

void WakeUpChannel::signal()
{
    // Full means that it is readable already, which is all that is wanted.
    const std::uint64_t one = 1;
    ssize_t written;
    do {
        written = write(m_writeEnd, &one, sizeof one);
    } while (written < 0 && errno == EINTR);
}

void WakeUpChannel::drain()
{
    std::uint64_t buffer[HAVE_EVENTFD ? 1 : 64];
    ssize_t got;
    do {
        got = read(m_readEnd, buffer, sizeof buffer);
    } while (got == ssize_t(sizeof buffer) && !HAVE_EVENTFD);
}

void WakeUpChannel::renewAfterFork()
{
    if (m_forks == forkCount())
        return;
    m_forks = forkCount();
    close();
    open();
}
