// SPDX-License-Identifier: MIT

// The part of Descriptors that moves them to the epoll set and back, and does not believe all that the set says.

#include "descriptors.h"

#include <algorithm>
#include <cerrno>

using namespace std::chrono_literals;

namespace {

/// Looks before an idle descriptor is moved to the epoll set. A look costs a polled descriptor 40 to 100 ns, and moving it
/// about this many times that.
constexpr std::uint32_t LooksBeforeMove = 32;
/// How often idle descriptors are looked for.
constexpr std::uint32_t LooksBetweenMoves = 4;
/// Polling a set costs about as much as polling so many idle descriptors.
constexpr std::size_t FewestInSet = 8;
/// A look costs a descriptor in the epoll set nothing while it is idle, but four times what poll(2) costs when it is
/// ready. So poll is cheaper for one that is ready in every second look.
constexpr std::uint32_t LongestRest = 2; // looks from one readiness to the next
/// So many such looks in a row make up for the system calls of moving it.
constexpr int ReadyLooksBeforePolling = 16;
/// After epoll has failed for want of memory, watches or descriptors: looks before it is asked again.
constexpr std::uint32_t LooksAfterFailure = 256;
/// How many descriptors one checkSet() asks for: some 20 us of system calls.
constexpr std::size_t CheckStep = 64;
/// The time between two steps, on average; after a time without them, so many may come at once.
constexpr auto CheckInterval = 8ms;
constexpr int CheckBurst = 16;
/// How long a wait may last that comes sooner, or has more to ask for. Few waits last so long. A short limit would
/// cost each of them a timer interrupt.
constexpr auto LongestUncheckedWait = 50ms;

}

bool Descriptors::isIdle(const Watch &watch) const
{
    return m_look - watch.lastReady > LongestRest;
}

FileType Descriptors::fileType(int fd, Watch &watch)
{
    if (watch.type == FileType::Unknown)
        watch.type = ::fileType(fd);
    return watch.type;
}

void Descriptors::arm(Watch &watch, Events events)
{
    m_armedCount += events != 0;
    m_armedCount -= watch.armed != 0;
    watch.armed = std::uint8_t(events);
    m_polled.setLast(m_armedCount > 0 ? m_set.fd() : -1);
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

bool Descriptors::openSet()
{
    if (m_set.isOpen())
        return true;
    if (!m_set.open())
        return false;
    // The number may be that of a watched descriptor that was closed without a word.
    if (watched(m_set.fd()))
        foundClosed(m_set.fd(), watch(m_set.fd()));
    return true;
}

/// Moves a polled descriptor to the set, if that is possible.
void Descriptors::moveToSet(int fd, Watch &watch)
{
    if (!usesEpoll())
        return;
    int error = 0;
    if (watch.armed) {
        error = m_set.modify(fd, watch.wanted, watch.token);
        if (error == ENOENT) {
            // The number stands for another file than the one in the set.
            ++watch.token;
            arm(watch, 0);
        }
    }
    if (!watch.armed) {
        if (fileType(fd, watch) != FileType::LevelTriggered)
            return;
        if (!openSet()) {
            m_nextMove = m_look + LooksAfterFailure;
            return;
        }
        error = m_set.add(fd, watch.wanted, watch.token);
        // The set still had the file, from before its number was closed, and now the number is back.
        if (error == EEXIST)
            error = m_set.modify(fd, watch.wanted, watch.token);
    }
    if (error == 0) {
        watch.type = FileType::LevelTriggered; // no other file is in the set
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

/// Whether @p error, for @p fd, is about the set: the program has closed its descriptor by mistake.
bool Descriptors::isSetLost(int fd, int error)
{
    if (error != EBADF || !isOpen(fd))
        return false;
    forgetSet();
    return true;
}

/// As closeSet(), if the number of the set is not its own any more.
void Descriptors::forgetSet()
{
    m_set.forget();
    closeSet();
}

/// Ends the use of the set; all that was in it is polled. Closing it first makes sure that there is a descriptor for the next.
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

void Descriptors::fetchFromSet()
{
    m_setIsReady = false;
    const int error = m_set.wait(m_armedCount);
    if (error == EINTR)
        closeSet(); // the call does not wait, so this would come again; poll(2) finds what is ready
    else if (error != 0)
        forgetSet();
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
    m_pollFds.clear();
    for (std::size_t i = first; i < m_found.size(); ++i) {
        const Watch &reported = watch(m_found[i]);
        if (reported.ready && reported.ready != G_IO_NVAL)
            m_pollFds.push_back({m_found[i], reported.wanted, 0});
    }
    if (m_pollFds.empty() || g_poll(m_pollFds.data(), guint(m_pollFds.size()), 0) < 0)
        return;
    for (const GPollFD &polled : m_pollFds) {
        Watch &reported = watch(polled.fd);
        if (polled.revents & G_IO_NVAL) {
            m_setIsStale |= reported.armed != 0;
            foundClosed(polled.fd, reported);
            continue;
        }
        const unsigned ready = readyEvents(polled.revents, reported.wanted);
        if (fileType(polled.fd, reported) != FileType::LevelTriggered) {
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
    if (!usesEpoll() || m_look % LooksBetweenMoves != 0 || m_polled.count() == 0
        || std::int32_t(m_look - m_nextMove) < 0)
        return;
    m_nextMove = m_look;
    m_idle.clear();
    for (const GPollFD &polled : m_polled.fds()) {
        if (polled.fd == m_set.fd())
            continue;
        const Watch &idle = watch(polled.fd);
        const bool mayMove = idle.type == FileType::Unknown || idle.type == FileType::LevelTriggered;
        if (mayMove && m_look - idle.lastReady >= LooksBeforeMove)
            m_idle.push_back(polled.fd);
    }
    if (m_armedCount == 0 && m_idle.size() < FewestInSet)
        return;
    for (const int fd : m_idle)
        moveToSet(fd, watch(fd));
}

Descriptors::Duration Descriptors::checkSet(TimePoint now)
{
    if (!needsCheck())
        return Duration::max();
    if (now < m_nextCheck - CheckBurst * CheckInterval)
        return LongestUncheckedWait;
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
    m_nextCheck = std::max(m_nextCheck, now) + CheckInterval;
    return m_leftToCheck > 0 ? Duration(LongestUncheckedWait) : Duration::max();
}
