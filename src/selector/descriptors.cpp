// SPDX-License-Identifier: MIT

#include "descriptors.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

using namespace std::chrono_literals;

namespace {

/// A look costs a polled descriptor some 40 ns, and moving it to the epoll set about this many times that.
constexpr std::uint32_t LooksBeforeMove = 32;
/// A look costs a descriptor in the epoll set nothing while it is idle, but four times what poll(2) costs when it is ready. So
/// poll is cheaper for one that is ready in every second look. That many looks make up for moving it.
constexpr std::uint32_t LongestRest = 2; // looks from one readiness to the next
constexpr int ReadyLooksBeforePolling = 16;
/// After epoll has failed for want of memory, watches or descriptors: looks before it is asked again.
constexpr std::uint32_t LooksAfterFailure = 256;
/// How many descriptors one checkSet() asks for: some 20 us of system calls.
constexpr std::size_t CheckStep = 64;
/// The time between two steps, in multiples of what a step costs: after the last one, and while there are more.
constexpr int CheckRarity = 50;
constexpr int PartialCheckRarity = 1000;
/// How long reports of the set are believed without verification.
constexpr auto VerificationInterval = 100us;

/// What to report when poll(2) says @p revents. Hang-up and error make a descriptor ready for everything.
unsigned readyEvents(unsigned revents, unsigned wanted)
{
    return (revents & (G_IO_HUP | G_IO_ERR)) ? wanted : (revents & wanted);
}

bool mayUseEpoll()
{
    const char *backend = std::getenv("GLIBEVENTDISPATCHER_BACKEND");
    return !backend || std::strcmp(backend, "poll") != 0;
}

}

Descriptors::Descriptors()
    : m_usesEpoll(mayUseEpoll())
{
}

std::error_code Descriptors::watch(int fd, Events events)
{
    const auto number = std::size_t(fd);
    if (number >= m_watches.size()) {
        // The table grows up to the highest number. Only the numbers of open files have a limit.
        if (const std::error_code closed = checkOpen(fd))
            return closed;
        if (number >= m_watches.capacity())
            m_watches.reserve(number + number / 4 + 16);
        m_watches.resize(number + 1);
    }
    Watch &watch = m_watches[number];
    if (events && (!watch.wanted || watch.ready == G_IO_NVAL)) {
        watch.type = FileType::Unknown;
        watch.wasRemoved = true;
    }
    watch.wanted = std::uint8_t(events);
    watch.ready = std::uint8_t(watch.ready & events);
    if (!watch.isPending) {
        watch.isPending = true;
        m_pending.push_back(fd);
    }
    return {};
}

void Descriptors::clear()
{
    m_set.close();
    m_watches.clear();
    m_pending.clear();
    m_polled = {};
    m_armedCount = 0;
    m_setIsReady = m_setIsStale = false;
    m_found.clear();
    m_nextFound = 0;
}

bool Descriptors::isIdle(const Watch &watch) const
{
    return m_look - watch.lastReady > LongestRest;
}

bool Descriptors::isLevelTriggered(int fd, Watch &watch)
{
    if (watch.type == FileType::Unknown)
        watch.type = fileType(fd);
    return watch.type == FileType::LevelTriggered;
}

void Descriptors::flush(Changes changes)
{
    if (m_set.isInherited())
        closeSet();
    for (std::size_t i = 0; i < m_pending.size(); ++i) {
        Watch &changed = watch(m_pending[i]);
        changed.isPending = false;
        apply(m_pending[i], changed, changes);
    }
    m_pending.clear();
}

void Descriptors::apply(int fd, Watch &watch, Changes changes)
{
    if (!watch.wanted || watch.ready == G_IO_NVAL) {
        m_polled.remove(fd);
        disarm(fd, watch);
    } else if (watch.armed == watch.wanted && !watch.wasRemoved) {
        m_polled.remove(fd);
    } else if (changes == Changes::ToSet && !m_polled.contains(fd)) {
        poll(fd, watch);
        moveToSet(fd, watch);
    } else {
        // The set may go on to report what is still asked for.
        if (watch.armed & ~watch.wanted)
            disarm(fd, watch);
        poll(fd, watch);
    }
}

void Descriptors::poll(int fd, Watch &watch)
{
    watch.lastReady = m_look;
    m_polled.set(fd, watch.wanted);
}

void Descriptors::arm(Watch &watch, Events events)
{
    m_armedCount += events != 0;
    m_armedCount -= watch.armed != 0;
    watch.armed = std::uint8_t(events);
    m_polled.setReserved(m_armedCount > 0 ? m_set.fd() : -1);
}

void Descriptors::disarm(int fd, Watch &watch)
{
    if (!watch.armed)
        return;
    // If the number does not stand for the file any more, the set may still report the file.
    if (m_set.remove(fd) != 0)
        ++watch.token;
    arm(watch, 0);
}

/// Moves a polled descriptor to the set, if that is possible.
void Descriptors::moveToSet(int fd, Watch &watch)
{
    if (!m_usesEpoll || !isLevelTriggered(fd, watch))
        return;
    if (!m_set.open()) {
        m_nextMove = m_look + LooksAfterFailure;
        return;
    }
    int error = watch.armed ? m_set.modify(fd, watch.wanted, watch.token)
                            : m_set.add(fd, watch.wanted, watch.token);
    if (error == ENOENT) {
        // The number stands for another file than the one in the set.
        ++watch.token;
        error = m_set.add(fd, watch.wanted, watch.token);
    } else if (error == EEXIST) {
        // The set still had the file, from before its number was closed, and now the number is back.
        error = m_set.modify(fd, watch.wanted, watch.token);
    }
    if (error == 0) {
        arm(watch, watch.wanted);
        watch.wasRemoved = false;
        m_polled.remove(fd);
        return;
    }
    if (isSetLost(fd, error))
        return;
    disarm(fd, watch);
    if (error == EBADF)
        foundClosed(fd, watch);
    else if (error == EPERM)
        watch.type = FileType::Other;
    else
        m_nextMove = m_look + LooksAfterFailure;
}

/// Forgets the set; all that was in it is polled. Closing it first makes sure that there is a descriptor for the next.
void Descriptors::closeSet()
{
    m_set.close();
    m_setIsStale = m_setIsReady = false;
    for (std::size_t number = 0; number < m_watches.size(); ++number) {
        Watch &watch = m_watches[number];
        if (!watch.armed)
            continue;
        arm(watch, 0);
        if (watch.wanted && watch.ready != G_IO_NVAL)
            poll(int(number), watch);
    }
}

/// Whether @p error, for @p fd, is about the set: the program has closed its descriptor by mistake.
bool Descriptors::isSetLost(int fd, int error)
{
    if (error != EBADF || checkOpen(fd))
        return false;
    m_set.forget();
    closeSet();
    return true;
}

void Descriptors::beginLook()
{
    ++m_look;
    dropResults();
}

void Descriptors::lookAgain()
{
    dropResults();
    flush(Changes::AreOftenUndone);
    m_verified = m_polled.fds();
    if (isPolled() && g_poll(m_verified.data(), guint(m_verified.size()), 0) > 0)
        note(m_verified.data(), m_verified.size());
}

/// Drops results that were not taken, except those that no later poll would find again.
void Descriptors::dropResults()
{
    std::size_t kept = 0;
    for (; m_nextFound < m_found.size(); ++m_nextFound) {
        const int fd = m_found[m_nextFound];
        Watch &left = watch(fd);
        if (left.ready == 0)
            continue;
        if (left.ready == G_IO_NVAL || !isLevelTriggered(fd, left))
            m_found[kept++] = fd;
        else
            left.ready = 0;
    }
    m_found.resize(kept);
    m_nextFound = 0;
}

void Descriptors::note(const GPollFD *polled, std::size_t count)
{
    for (const GPollFD *fd = polled; fd != polled + count; ++fd) {
        if (!fd->revents)
            continue;
        if (fd->fd == m_set.fd()) {
            m_setIsReady = true;
            continue;
        }
        Watch &ready = watch(fd->fd);
        if (!ready.wanted || ready.ready == G_IO_NVAL || (ready.isPending && ready.wasRemoved))
            continue;
        if (fd->revents & G_IO_NVAL) {
            foundClosed(fd->fd, ready);
            continue;
        }
        const Events events = readyEvents(fd->revents, ready.wanted);
        // The set would report it as well, each time.
        if (events & ready.armed)
            disarm(fd->fd, ready);
        found(fd->fd, ready, events);
    }
}

void Descriptors::found(int fd, Watch &watch, Events events)
{
    if (!events)
        return;
    watch.lastReady = m_look;
    if (!watch.ready)
        m_found.push_back(fd);
    watch.ready = std::uint8_t(watch.ready | events);
}

void Descriptors::foundClosed(int fd, Watch &watch)
{
    m_polled.remove(fd);
    disarm(fd, watch);
    if (!watch.ready)
        m_found.push_back(fd);
    watch.ready = G_IO_NVAL;
}

void Descriptors::finishLook(bool isVerified)
{
    if (m_setIsReady) {
        // A number may stand for another file by now.
        flush(Changes::AreOftenUndone);
        const std::size_t first = m_found.size();
        if (m_setIsReady)
            fetchFromSet();
        if (m_found.size() > first && (isVerified || Clock::now() >= m_nextVerification)) {
            m_nextVerification = Clock::now() + VerificationInterval;
            verify(first);
        }
    }
    if (m_setIsStale)
        closeSet();
    if (m_look % LooksBeforeMove == 0 && m_polled.count() > 0)
        moveIdleOnes();
}

void Descriptors::fetchFromSet()
{
    m_setIsReady = false;
    const int error = m_set.wait(m_armedCount);
    if (error != 0 && error != EINTR) {
        m_set.forget();
        closeSet();
    }
    for (const EpollSet::Report &report : m_set.reports()) {
        Watch &reported = watch(report.fd);
        if (reported.token != report.token || !reported.armed) {
            m_setIsStale = true;
            continue;
        }
        if (m_polled.contains(report.fd)) {
            // poll(2) knows better. If it disagrees, the set has a file that lost its number.
            if (!reported.ready)
                disarm(report.fd, reported);
            continue;
        }
        const Events events = readyEvents(report.events, reported.wanted);
        if (!events)
            continue;
        reported.readyLooks = isIdle(reported) ? 1 : std::uint8_t(reported.readyLooks + 1);
        found(report.fd, reported, events);
        if (reported.readyLooks >= ReadyLooksBeforePolling) {
            reported.readyLooks = 0;
            disarm(report.fd, reported);
            poll(report.fd, reported);
        }
    }
}

/// Asks poll(2) whether the results from @p first on are true, and drops those that are not any more. What a poll
/// reports only once stays.
void Descriptors::verify(std::size_t first)
{
    m_verified.clear();
    for (std::size_t i = first; i < m_found.size(); ++i) {
        const Watch &reported = watch(m_found[i]);
        if (reported.ready && reported.ready != G_IO_NVAL)
            m_verified.push_back({m_found[i], reported.wanted, 0});
    }
    if (m_verified.empty() || g_poll(m_verified.data(), guint(m_verified.size()), 0) < 0)
        return;
    for (const GPollFD &polled : m_verified) {
        Watch &reported = watch(polled.fd);
        if (polled.revents & G_IO_NVAL) {
            m_setIsStale |= reported.armed != 0;
            foundClosed(polled.fd, reported);
            continue;
        }
        const unsigned ready = readyEvents(polled.revents, reported.wanted);
        if (!isLevelTriggered(polled.fd, reported)) {
            reported.ready = std::uint8_t(reported.ready | ready);
            continue;
        }
        reported.ready = std::uint8_t(ready);
        if (ready || !reported.armed)
            continue;
        // Either somebody else has read it, or the report was for an earlier file of that number. In the latter case,
        // the set does not know the number, or both files are in the set with one token. A new token tells
        // the present one from the other in the next report.
        ++reported.token;
        if (m_set.modify(polled.fd, reported.armed, reported.token) != 0)
            m_setIsStale = true;
    }
}

void Descriptors::moveIdleOnes()
{
    if (!m_usesEpoll || std::int32_t(m_look - m_nextMove) < 0)
        return;
    m_nextMove = m_look;
    m_idle.clear();
    for (const GPollFD &polled : m_polled.fds()) {
        if (polled.fd < 0 || polled.fd == m_set.fd())
            continue;
        const Watch &idle = watch(polled.fd);
        if (idle.type != FileType::Other && m_look - idle.lastReady >= LooksBeforeMove)
            m_idle.push_back(polled.fd);
    }
    for (const int fd : m_idle)
        moveToSet(fd, watch(fd));
}

Descriptors::Duration Descriptors::checkSet(TimePoint now, bool isNeeded)
{
    if (isNeeded)
        m_leftToCheck = m_watches.size();
    if (m_armedCount == 0 || m_leftToCheck == 0)
        return Duration::max();
    if (now < m_nextCheck)
        return m_nextCheck - now;
    const TimePoint start = Clock::now();
    std::size_t checked = 0;
    for (; m_leftToCheck > 0 && checked < CheckStep; --m_leftToCheck) {
        m_nextChecked = m_nextChecked < m_watches.size() ? m_nextChecked : 0;
        const int fd = int(m_nextChecked++);
        Watch &watch = this->watch(fd);
        if (!watch.armed || watch.isPending)
            continue;
        ++checked;
        const int error = m_set.modify(fd, watch.armed, watch.token);
        if (error == 0 || isSetLost(fd, error))
            continue;
        disarm(fd, watch);
        if (error == EBADF) {
            foundClosed(fd, watch);
        } else {
            watch.type = FileType::Unknown;
            poll(fd, watch);
        }
    }
    const TimePoint end = Clock::now();
    m_nextCheck = end + (m_leftToCheck > 0 ? PartialCheckRarity : CheckRarity) * (end - start);
    return m_leftToCheck > 0 ? m_nextCheck - end : Duration::max();
}
