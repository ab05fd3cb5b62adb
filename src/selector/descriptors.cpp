// SPDX-License-Identifier: MIT

#include "descriptors.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

using namespace std::chrono_literals;

namespace {

/// How long reports of the set are believed without verification.
constexpr auto VerificationInterval = 100us;

}

Descriptors::Descriptors()
    : m_backend(backend())
{
}

Descriptors::Backend Descriptors::backend()
{
    const char *const variable = std::getenv("GLIBEVENTDISPATCHER_BACKEND");
    const std::string_view name = variable ? variable : "";
    return name == "poll" ? Backend::Poll : name == "epoll" ? Backend::Epoll : Backend::Automatic;
}

bool Descriptors::watch(int fd, Events events)
{
    const auto number = std::size_t(fd);
    if (number >= m_watches.size()) {
        // The table grows up to the highest number. Only the numbers of open files have a limit.
        if (!isOpen(fd))
            return false;
        if (number >= m_watches.capacity())
            m_watches.reserve(number + number / 4 + 16);
        m_watches.resize(number + 1);
    }
    Watch &watch = m_watches[number];
    if (events && (!watch.wanted || watch.ready == G_IO_NVAL)) {
        watch.type = FileType::Unknown;
        watch.wasRemoved = true;
        // It may have been another file's.
        if (watch.kept && fileType(fd, watch) != FileType::Regular)
            watch.kept = 0;
    }
    m_isOutputNew = m_isOutputNew || (events & ~watch.wanted & G_IO_OUT);
    watch.wanted = std::uint8_t(events);
    const auto unwanted = std::uint8_t(watch.ready & ~events);
    watch.ready = std::uint8_t(watch.ready & events);
    if (unwanted && unwanted != G_IO_NVAL && fileType(fd, watch) == FileType::Regular)
        watch.kept = std::uint8_t(watch.kept | unwanted);
    if (!watch.isPending) {
        m_pending.push_back(fd);
        watch.isPending = true;
    }
    return true;
}

void Descriptors::clear()
{
    m_set.close();
    m_watches.clear();
    m_pending.clear();
    m_isOutputNew = false;
    m_polled = {};
    m_armedCount = 0;
    m_setIsReady = m_setIsStale = false;
    m_found.clear();
    m_nextFound = 0;
}

void Descriptors::applyChanges(Changes changes)
{
    if (m_set.isInherited())
        closeSet();
    if (m_backend == Backend::Epoll)
        changes = Changes::ToSet;
    for (std::size_t i = 0; i < m_pending.size(); ++i) {
        Watch &changed = watch(m_pending[i]);
        changed.isPending = false;
        apply(m_pending[i], changed, changes);
    }
    m_pending.clear();
    m_isOutputNew = false;
}

void Descriptors::apply(int fd, Watch &watch, Changes changes)
{
    if (!watch.wanted || watch.ready == G_IO_NVAL) {
        m_polled.remove(fd);
        disarm(fd, watch);
        return;
    }
    found(fd, watch, watch.kept & watch.wanted);
    watch.kept = std::uint8_t(watch.kept & ~watch.wanted);
    if (watch.armed == watch.wanted && !watch.wasRemoved) {
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

void Descriptors::lookAgain()
{
    dropResults();
    flush(Changes::AreOftenUndone);
    if (isPolled())
        pollNow();
}

/// Without waiting.
void Descriptors::pollNow()
{
    m_pollFds = m_polled.fds();
    if (g_poll(m_pollFds.data(), guint(m_pollFds.size()), 0) > 0)
        note(m_pollFds.data(), m_pollFds.size());
}

/// Drops results that were not taken, except those that no later poll would find again.
void Descriptors::dropLeftResults()
{
    std::size_t kept = 0;
    for (; m_nextFound < m_found.size(); ++m_nextFound) {
        const int fd = m_found[m_nextFound];
        Watch &left = watch(fd);
        if (left.ready == 0)
            continue;
        if (left.ready == G_IO_NVAL || fileType(fd, left) != FileType::LevelTriggered)
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
        if (fd->revents)
            note(*fd);
    }
}

bool Descriptors::areLevelTriggered()
{
    const std::vector<GPollFD> &fds = m_polled.fds();
    return std::all_of(fds.begin(), fds.end(), [this](const GPollFD &polled) {
        // No other files are in the set.
        return polled.fd == m_set.fd()
            || fileType(polled.fd, watch(polled.fd)) == FileType::LevelTriggered;
    });
}

void Descriptors::noteLate(const GPollFD &polled)
{
    if (m_polled.contains(polled.fd) && fileType(polled.fd, watch(polled.fd)) != FileType::LevelTriggered)
        note(polled);
}

void Descriptors::note(const GPollFD &polled)
{
    if (polled.fd == m_set.fd()) {
        m_setIsReady = true;
        return;
    }
    // A loop that has run since the poll may have moved the descriptor to the set, which reports it itself, or may have
    // closed the set.
    if (!m_polled.contains(polled.fd))
        return;
    Watch &ready = watch(polled.fd);
    if (!ready.wanted || ready.ready == G_IO_NVAL || (ready.isPending && ready.wasRemoved))
        return;
    if (polled.revents & G_IO_NVAL) {
        foundClosed(polled.fd, ready);
        return;
    }
    const Events events = readyEvents(polled.revents, ready.wanted);
    // The set would report it as well, each time.
    if (events & ready.armed)
        disarm(polled.fd, ready);
    found(polled.fd, ready, events);
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
    if (m_setIsStale) {
        closeSet();
        // What it reports in vain may have been in the place of others.
        if (isPolled())
            pollNow();
    }
    moveIdleOnes();
}
