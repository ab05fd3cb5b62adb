// SPDX-License-Identifier: MIT

#include "epollreadiness.h"

#include "forks.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <sys/epoll.h>
#include <unistd.h>

using namespace std::chrono_literals;

// The events of poll(2), which GLib's are, can be handed to epoll as they are.
static_assert(unsigned{EPOLLIN} == unsigned{G_IO_IN} && unsigned{EPOLLOUT} == unsigned{G_IO_OUT}
              && unsigned{EPOLLPRI} == unsigned{G_IO_PRI} && unsigned{EPOLLERR} == unsigned{G_IO_ERR}
              && unsigned{EPOLLHUP} == unsigned{G_IO_HUP});

namespace {

/// How many descriptors one step of the audit looks at: some 20 us of system calls.
constexpr std::size_t AuditStep = 64;
/// The time between two rounds of the audit, in multiples of what a round costs.
constexpr int AuditRarity = 50;
/// How long a report for a descriptor that was closed without a word may be believed.
constexpr auto DoubtInterval = 100us;

/// What poll(2) would say of a regular file.
constexpr unsigned AlwaysReadyEvents = G_IO_IN | G_IO_OUT;

constexpr unsigned Closed = G_IO_NVAL;

}

EpollReadiness::EpollReadiness()
    : m_pollFds{{epoll_create1(EPOLL_CLOEXEC), G_IO_IN, 0}}
    , m_forks(forkCount())
{
}

EpollReadiness::~EpollReadiness()
{
    if (isOpen())
        close(m_pollFds.front().fd);
}

std::error_code EpollReadiness::set(int fd, unsigned events)
{
    if (m_forks != forkCount())
        rebuild();
    const auto number = std::size_t(fd);
    if (number >= m_watches.size())
        m_watches.resize(number + 1);
    Watch &watch = m_watches[number];

    // Less interest needs no answer from the kernel, so it can wait until it matters, and often
    // it is back by then. More interest does, even when it seems to be armed already: the number may
    // stand for another file by now.
    const bool less = (watch.wanted & events) == events;
    if (!less) {
        if (!watch.wanted)
            ++watch.token;
        if (const int error = arm(fd, watch, events))
            return {error, std::generic_category()};
    } else if (watch.armed && !watch.gathered) {
        watch.gathered = true;
        m_gathered.push_back(fd);
    }
    setWanted(watch, events);
    if (!events)
        setAlwaysReady(fd, watch, false);
    m_closed.erase(std::remove(m_closed.begin(), m_closed.end(), fd), m_closed.end());
    return {};
}

void EpollReadiness::setWanted(Watch &watch, unsigned events)
{
    m_wantedCount += (events != 0) - (watch.wanted != 0);
    watch.wanted = std::uint16_t(events);
}

int EpollReadiness::control(int operation, int fd, std::uint32_t token, unsigned events)
{
    epoll_event event{};
    event.events = events;
    event.data.u64 = (std::uint64_t(token) << 32) | std::uint32_t(fd);
    return epoll_ctl(m_pollFds.front().fd, operation, fd, &event) < 0 ? errno : 0;
}

/// Has the kernel watch @p fd for @p events; answers an errno.
int EpollReadiness::arm(int fd, Watch &watch, unsigned events)
{
    int error = control(watch.armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, watch.token, events);
    // The set may be out of step: it lost a file that was closed without a word, or it still has
    // one whose duplicate has got the number back.
    if (error == ENOENT)
        error = control(EPOLL_CTL_ADD, fd, watch.token, events);
    else if (error == EEXIST)
        error = control(EPOLL_CTL_MOD, fd, watch.token, events);

    if (error == EPERM) {
        watch.armed = 0;
        setAlwaysReady(fd, watch, true);
        return 0;
    }
    if (error)
        return error;
    watch.armed = std::uint16_t(events);
    setAlwaysReady(fd, watch, false);
    return 0;
}

void EpollReadiness::setAlwaysReady(int fd, Watch &watch, bool on)
{
    if (watch.alwaysReady == on)
        return;
    watch.alwaysReady = on;
    if (on)
        m_alwaysReady.push_back(fd);
    else
        m_alwaysReady.erase(std::find(m_alwaysReady.begin(), m_alwaysReady.end(), fd));
}

/// As arm(), for a number that is watched already: the only thing that can be wrong is
/// that it was closed.
void EpollReadiness::rearm(int fd, Watch &watch)
{
    if (arm(fd, watch, watch.wanted) == 0)
        return;
    setWanted(watch, 0);
    watch.armed = 0;
    setAlwaysReady(fd, watch, false);
    m_closed.push_back(fd);
}

void EpollReadiness::flush()
{
    if (m_forks != forkCount() || m_stale)
        rebuild();
    for (int fd : m_gathered) {
        Watch &watch = m_watches[std::size_t(fd)];
        watch.gathered = false;
        if (watch.wanted == watch.armed || watch.alwaysReady)
            continue;
        if (watch.wanted) {
            rearm(fd, watch);
        } else {
            // Fails if it was closed, and rightly so. If a duplicate is open elsewhere, collect() will notice.
            control(EPOLL_CTL_DEL, fd, 0, 0);
            watch.armed = 0;
        }
    }
    m_gathered.clear();
}

void EpollReadiness::rebuild()
{
    const int renewed = epoll_create1(EPOLL_CLOEXEC);
    if (renewed < 0)
        return; // out of descriptors: the old set still works, and the next flush() tries again
    close(m_pollFds.front().fd);
    m_pollFds.front().fd = renewed;
    m_forks = forkCount();
    m_stale = false;
    for (std::size_t number = 0; number < m_watches.size(); ++number) {
        Watch &watch = m_watches[number];
        watch.armed = 0;
        if (watch.wanted)
            rearm(int(number), watch);
    }
}

bool EpollReadiness::hasUnpolled() const
{
    return !m_closed.empty()
        || std::any_of(m_alwaysReady.begin(), m_alwaysReady.end(), [this](int fd) {
               return (m_watches[std::size_t(fd)].wanted & AlwaysReadyEvents) != 0;
           });
}

void EpollReadiness::collect(std::vector<Found> &found, bool thorough)
{
    const std::size_t first = found.size();
    std::array<epoll_event, 256> events;
    const int count = epoll_wait(m_pollFds.front().fd, events.data(), int(events.size()), 0);
    for (int i = 0; i < count; ++i) {
        const epoll_event &event = events[std::size_t(i)];
        const auto number = std::size_t(event.data.u64 & 0xffffffff);
        const Watch &watch = m_watches[number];
        if (watch.token != std::uint32_t(event.data.u64 >> 32) || !watch.wanted)
            m_stale = true;
        else if (const unsigned ready = readyEvents(event.events, watch.wanted))
            found.push_back({int(number), ready});
    }
    if (found.size() > first)
        doubt(found, first, thorough);

    for (int fd : m_alwaysReady) {
        if (const unsigned ready = AlwaysReadyEvents & m_watches[std::size_t(fd)].wanted)
            found.push_back({fd, ready});
    }
    for (int fd : m_closed)
        found.push_back({fd, Closed});
    m_closed.clear();
}

/// Asks poll(2) whether what the set reported since @p first is true, and drops what is not.
void EpollReadiness::doubt(std::vector<Found> &found, std::size_t first, bool thorough)
{
    const TimePoint now = Clock::now();
    if (!thorough && now < m_nextDoubt)
        return;
    m_nextDoubt = now + DoubtInterval;

    m_doubted.clear();
    for (std::size_t i = first; i < found.size(); ++i)
        m_doubted.push_back({found[i].fd, gushort(m_watches[std::size_t(found[i].fd)].wanted), 0});
    if (g_poll(m_doubted.data(), guint(m_doubted.size()), 0) < 0)
        return;
    auto kept = found.begin() + std::ptrdiff_t(first);
    for (const GPollFD &polled : m_doubted) {
        Watch &watch = m_watches[std::size_t(polled.fd)];
        const unsigned ready = readyEvents(polled.revents, watch.wanted);
        if (ready && !(polled.revents & G_IO_NVAL)) {
            *kept++ = {polled.fd, ready};
            continue;
        }
        // Either another thread was faster, or the report was for a file that had this number.
        // In the latter case the set cannot be told to stop.
        if (control(EPOLL_CTL_MOD, polled.fd, watch.token, watch.wanted) != 0) {
            m_stale = true;
            watch.armed = 0;
            rearm(polled.fd, watch);
        }
    }
    found.erase(kept, found.end());
}

EpollReadiness::Duration EpollReadiness::audit()
{
    if (m_wantedCount == 0)
        return Duration::max();
    const TimePoint start = Clock::now();
    if (m_audited == 0 && start < m_nextAudit)
        return m_nextAudit - start;

    std::size_t looked = 0;
    for (; m_audited < m_watches.size() && looked < AuditStep; ++m_audited) {
        Watch &watch = m_watches[m_audited];
        if (!watch.wanted)
            continue;
        rearm(int(m_audited), watch);
        ++looked;
    }
    const TimePoint end = Clock::now();
    m_auditCost += end - start;
    if (m_audited < m_watches.size() || !m_closed.empty())
        return Duration::zero();
    m_nextAudit = end + AuditRarity * m_auditCost;
    m_auditCost = Duration::zero();
    m_audited = 0;
    return Duration::max();
}
