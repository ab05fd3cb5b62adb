// SPDX-License-Identifier: MIT

#include "wakeup.h"

#include "forks.h"

#include "../timers/monotonicclock.h"

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

WakeUp::WakeUp(GMainContext *context)
    : m_context(context)
    , m_forks(forkCount())
{
    open();
}

WakeUp::~WakeUp()
{
    close();
}

void WakeUp::open()
{
#if HAVE_EVENTFD
    m_writeEnd = m_readEnd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
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
    // A loop that cannot be woken up would lose events. GLib ends the program for the same reason.
    if (m_readEnd < 0)
        g_error("GLibSelector: cannot create a descriptor for wake-ups: %s", g_strerror(errno));
}

void WakeUp::close()
{
    ::close(m_readEnd);
    if (m_writeEnd != m_readEnd)
        ::close(m_writeEnd);
}

/// A forked child must not wake its parent, nor take the parent's wake-ups. To be called before other threads of the child may
/// write to the descriptor.
void WakeUp::leaveParent()
{
    if (m_forks == forkCount())
        return;
    m_forks = forkCount();
    close();
    open();
}

void WakeUp::signal(Polling polling)
{
    m_waker.note();
    m_signalTime.store(MonotonicClock::now(), std::memory_order_relaxed);
    const std::uint64_t one = 1;
    // EAGAIN means that the descriptor is readable already.
    if (polling == Polling::Context || (write(m_writeEnd, &one, sizeof one) < 0 && errno != EAGAIN))
        g_main_context_wakeup(m_context);
}

void WakeUp::drain()
{
    std::uint64_t buffer[HAVE_EVENTFD ? 1 : 64];
    ssize_t got;
    do {
        got = read(m_readEnd, buffer, sizeof buffer);
    } while (got == ssize_t(sizeof buffer) && !HAVE_EVENTFD);
    // The number may stand for another file, so it is not closed. Left as it is, it would end each poll at once.
    if (got < 0 && errno != EAGAIN)
        open();
}
