// SPDX-License-Identifier: MIT

#include "epollreadiness.h"

#include "forks.h"

#include <algorithm>
#include <cerrno>

#include <sys/epoll.h>
#include <unistd.h>

using namespace std::chrono_literals;

// The events of poll(2), which GLib's are, can be handed to epoll as they are.
static_assert(unsigned{EPOLLIN} == unsigned{G_IO_IN} && unsigned{EPOLLOUT} == unsigned{G_IO_OUT}
              && unsigned{EPOLLPRI} == unsigned{G_IO_PRI} && unsigned{EPOLLERR} == unsigned{G_IO_ERR}
              && unsigned{EPOLLHUP} == unsigned{G_IO_HUP});

namespace {

/// The most that one look at the set reports; what is left over comes first at the next.
constexpr std::size_t MostEvents = 4096;
/// poll(2) costs a descriptor some 40 ns in each round, epoll four times that in each round in which it is
/// ready. So poll is cheaper for one that is ready in every second round; but moving it there and back is two
/// system calls, which must be worth it.
constexpr std::uint32_t LongestRest = 2; // rounds from one readiness to the next
constexpr int LongStreak = 16;
/// How many descriptors one step of the audit looks at: some 20 us of system calls.
constexpr std::size_t AuditStep = 32;
/// The time between two rounds of the audit, in multiples of what a round costs.
constexpr int AuditRarity = 50;
/// How long a report for a descriptor that was closed without a word may be believed.
constexpr auto DoubtInterval = 100us;

}

EpollReadiness::EpollReadiness()
    : m_polled({{epoll_create1(EPOLL_CLOEXEC), G_IO_IN, 0}})
    , m_forks(forkCount())
{
}

EpollReadiness::~EpollReadiness()
{
    if (isOpen())
        close(epollFd());
}

void EpollReadiness::set(int fd, unsigned events)
{
    const auto number = std::size_t(fd);
    if (number >= m_watches.size())
        m_watches.resize(number + 1);
    Watch &watch = m_watches[number];
    m_isChanged = true;
    if (events && !watch.wanted)
        ++watch.token;
    setWanted(watch, events);
    // Even if nothing seems to change: the number may stand for another file by now.
    if (!watch.gathered) {
        watch.gathered = true;
        m_gathered.push_back(fd);
    }
    if (!m_closed.empty())
        m_closed.erase(std::remove(m_closed.begin(), m_closed.end(), fd), m_closed.end());
}

void EpollReadiness::setWanted(Watch &watch, unsigned events)
{
    if (events && !watch.wanted)
        ++m_wantedCount;
    else if (!events && watch.wanted)
        --m_wantedCount;
    watch.wanted = std::uint16_t(events);
}

std::error_code EpollReadiness::confirm(int fd)
{
    if (m_forks != forkCount())
        rebuild();
    Watch &watch = m_watches[std::size_t(fd)];
    if (watch.gathered && m_gathered.back() == fd) {
        m_gathered.pop_back();
        watch.gathered = false;
    }
    if (const int error = apply(fd, watch))
        return {error, std::generic_category()};
    return m_polled.contains(fd) ? checkOpen(fd) : std::error_code();
}

int EpollReadiness::control(int operation, int fd, const Watch &watch)
{
    epoll_event event{};
    event.events = watch.wanted;
    event.data.u64 = (std::uint64_t(watch.token) << 32) | std::uint32_t(fd);
    return epoll_ctl(epollFd(), operation, fd, &event) < 0 ? errno : 0;
}

/// Has the kernel, or poll(2), wait for what is wanted; answers an errno.
int EpollReadiness::apply(int fd, Watch &watch)
{
    if (!watch.wanted) {
        m_polled.remove(fd);
        watch.refused = false;
        // Fails if it was closed, and rightly so. If a duplicate is open, collect() will notice.
        if (watch.armed)
            control(EPOLL_CTL_DEL, fd, watch);
        watch.armed = 0;
        return 0;
    }
    if (m_polled.contains(fd)) {
        m_polled.set(fd, watch.wanted);
        return 0;
    }

    int error = control(watch.armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, watch);
    if (error == ENOENT) {
        // The set lost the file that had this number. If a duplicate of that is open, it may still
        // report, and must not be taken for the new one.
        ++watch.token;
        error = control(EPOLL_CTL_ADD, fd, watch);
    } else if (error == EEXIST) {
        // A duplicate of a file that the set could not be told to forget has got the number back.
        error = control(EPOLL_CTL_MOD, fd, watch);
    }
    watch.armed = error ? 0 : watch.wanted;
    if (error == EPERM) {
        watch.refused = true;
        m_polled.set(fd, watch.wanted);
        return 0;
    }
    return error;
}

void EpollReadiness::declareClosed(int fd, Watch &watch)
{
    setWanted(watch, 0);
    apply(fd, watch);
    m_closed.push_back(fd);
}

void EpollReadiness::flush()
{
    if (m_forks != forkCount())
        rebuild();
    for (std::size_t i = 0; i < m_gathered.size(); ++i) {
        const int fd = m_gathered[i];
        Watch &watch = m_watches[std::size_t(fd)];
        watch.gathered = false;
        if (apply(fd, watch) != 0)
            declareClosed(fd, watch);
    }
    m_gathered.clear();
    m_isChanged = false;
}

void EpollReadiness::rebuild()
{
    const int renewed = epoll_create1(EPOLL_CLOEXEC);
    if (renewed < 0)
        return; // out of descriptors: the old set still works, and the next look tries again
    close(epollFd());
    m_polled.fds().front().fd = renewed;
    m_forks = forkCount();
    m_stale = false;
    for (std::size_t number = 0; number < m_watches.size(); ++number) {
        Watch &watch = m_watches[number];
        watch.armed = 0;
        if (watch.wanted && apply(int(number), watch) != 0)
            declareClosed(int(number), watch);
    }
}

/// Whether it has not been ready for so long that it belongs into the set.
bool EpollReadiness::isIdle(const Watch &watch) const
{
    return m_round - watch.lastRound > LongestRest;
}

void EpollReadiness::collect(std::vector<Found> &found, bool thorough, Polled polled)
{
    if (m_isChanged)
        polled = {}; // A number may stand for another file by now.
    flush();
    ++m_round;
    bool setIsReady = true;
    if (!m_polled.isEmpty()) {
        collectPolled(found, polled);
        setIsReady = m_polled.fds().front().revents != 0;
    }
    if (setIsReady) {
        const std::size_t first = found.size();
        collectSet(found);
        if (found.size() > first && (thorough || Clock::now() >= m_nextDoubt))
            doubt(found, first);
    }
    if (m_stale)
        rebuild();
    for (int fd : m_closed)
        found.emplace_back(fd, G_IO_NVAL);
    m_closed.clear();
}

void EpollReadiness::collectPolled(std::vector<Found> &found, Polled polled)
{
    if (!m_polled.poll(polled))
        return;
    const std::vector<GPollFD> &fds = m_polled.fds();
    m_idle.clear();
    for (std::size_t i = m_polled.firstIndex(); i < fds.size(); ++i) {
        const GPollFD &fd = fds[i];
        Watch &watch = m_watches[std::size_t(fd.fd)];
        const unsigned ready = readyEvents(fd.revents, fd.events);
        if (fd.revents & G_IO_NVAL) {
            m_idle.push_back(fd.fd);
        } else if (ready) {
            watch.lastRound = m_round;
            found.emplace_back(fd.fd, ready);
        } else if (!watch.refused && isIdle(watch)) {
            m_idle.push_back(fd.fd);
        }
    }
    for (int fd : m_idle) {
        Watch &watch = m_watches[std::size_t(fd)];
        m_polled.remove(fd);
        watch.refused = false;
        if (apply(fd, watch) != 0)
            declareClosed(fd, watch);
    }
}

void EpollReadiness::collectSet(std::vector<Found> &found)
{
    m_events.resize(std::clamp<std::size_t>(m_wantedCount, 1, MostEvents));
    const int count = epoll_wait(epollFd(), m_events.data(), int(m_events.size()), 0);
    for (int i = 0; i < count; ++i) {
        const epoll_event &event = m_events[std::size_t(i)];
        const int fd = int(event.data.u64 & 0xffffffff);
        Watch &watch = m_watches[std::size_t(fd)];
        if (watch.token != std::uint32_t(event.data.u64 >> 32) || !watch.armed) {
            m_stale = true;
            continue;
        }
        const unsigned ready = readyEvents(event.events, watch.wanted);
        if (!ready)
            continue;
        found.emplace_back(fd, ready);

        watch.streak = isIdle(watch) ? 1 : std::uint8_t(watch.streak + 1);
        watch.lastRound = m_round;
        if (watch.streak >= LongStreak) {
            watch.streak = 0;
            if (control(EPOLL_CTL_DEL, fd, watch) == 0) {
                watch.armed = 0;
                m_polled.set(fd, watch.wanted);
            }
        }
    }
}

/// Asks poll(2) whether what the set reported since @p first is true, and drops what is not.
void EpollReadiness::doubt(std::vector<Found> &found, std::size_t first)
{
    m_nextDoubt = Clock::now() + DoubtInterval;
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
        // Either another thread was faster, or the report was for a file that had this number before. In the
        // latter case the set does not know the number, or it does, because the present file
        // came into it with the same token: a new one gives the other away at its next report.
        if (m_polled.contains(polled.fd))
            continue;
        ++watch.token;
        if (control(EPOLL_CTL_MOD, polled.fd, watch) != 0)
            m_stale = true;
    }
    found.erase(kept, found.end());
}

EpollReadiness::Duration EpollReadiness::audit(TimePoint now)
{
    if (m_wantedCount == 0)
        return Duration::max();
    if (m_audited == 0 && now < m_nextAudit)
        return m_nextAudit - now;

    const TimePoint start = Clock::now();
    for (std::size_t looked = 0; m_audited < m_watches.size() && looked < AuditStep; ++m_audited) {
        const int fd = int(m_audited);
        Watch &watch = m_watches[m_audited];
        if (!watch.wanted || m_polled.contains(fd))
            continue; // poll(2) finds out by itself
        ++looked;
        if (apply(fd, watch) != 0)
            declareClosed(fd, watch);
    }
    const TimePoint end = Clock::now();
    m_auditCost += end - start;
    if (m_audited < m_watches.size())
        return Duration::zero();
    m_nextAudit = end + AuditRarity * m_auditCost;
    m_auditCost = Duration::zero();
    m_audited = 0;
    return Duration::max();
}
