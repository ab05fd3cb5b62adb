// SPDX-License-Identifier: MIT

#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include "epollset.h"
#include "filetype.h"
#include "polllist.h"

#include "../timers/monotonicclock.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

/**
 * The descriptors of interest, and which of them are ready.
 *
 * Descriptors are polled with poll(2). Those that stay idle, unless they are few, move to an epoll set, which is polled
 * in their place, so that a wait costs the same however many are idle. Descriptors whose events have just changed are polled
 * first, because many changes are undone soon; so are those that are ready nearly every time, which is
 * cheaper, and all files that are not known to behave in an epoll set.
 *
 * One look at them is: beginLook(), flush(), a poll of pollFds() by the caller, note(), finishLook(). Results are
 * then fetched by take().
 *
 * poll(2) watches descriptor numbers, epoll watches open files. The two differ when a descriptor is closed before it
 * was removed:
 *  - If the file has no other descriptor, it leaves the set. A new file with the same number is not watched.
 *  - If it has one, in a forked child perhaps, the set goes on reporting the file, which cannot be removed
 *    because no number stands for it.
 * Three things find this out: tokens, by which a report for an earlier file of a number is known; verify(), which
 * asks poll(2) about reports; and checkSet(), which asks the set about each number. The only way to get rid of a file
 * without a number is a new set.
 */
class Descriptors
{
public:
    using Clock = MonotonicClock;
    using TimePoint = Clock::time_point;
    using Duration = Clock::duration;
    using Events = unsigned; ///< Those of GIOCondition and poll(2).

    struct Ready
    {
        int fd;
        Events events; ///< Of those asked for; or G_IO_NVAL alone if the descriptor is closed, and forgotten.
    };

    /// What flush() does with descriptors whose events have changed.
    enum class Changes {
        AreOftenUndone, ///< Polls them at first.
        ToSet, ///< Moves them to the epoll set at once, for a caller to whom changes of pollFds() are expensive.
    };

    /// GLIBEVENTDISPATCHER_BACKEND in the environment may be "poll", which does without epoll, or "epoll", which polls
    /// none at first.
    Descriptors();

    /// Asks for @p events of @p fd, from the next flush() on; 0 ends that. A result that is no longer asked for is
    /// dropped; that of a regular file, which may report a change once, is kept until it is asked for again. Returns
    /// whether that works: not for a number that was never in use and is not open.
    bool watch(int fd, Events events);
    Events watched(int fd) const
    {
        return std::size_t(fd) < m_watches.size() ? m_watches[std::size_t(fd)].wanted : 0;
    }
    /// One more than the highest number that was ever watched.
    int end() const { return int(m_watches.size()); }
    bool usesEpoll() const { return m_backend != Backend::Poll; }
    void clear();

    /// Results that were not taken are dropped, except those that no later poll would find again.
    void beginLook()
    {
        ++m_look;
        dropResults();
    }
    /// Applies what watch() has changed.
    void flush(Changes changes)
    {
        if (!m_pending.empty() || m_set.isOpen())
            applyChanges(changes);
    }
    /// Whether there is anything to poll, after flush().
    bool isPolled() const { return m_armedCount > 0 || m_polled.count() > 0; }
    /// ... and whether @p fd is.
    bool isPolled(int fd) const { return m_polled.contains(fd); }
    /// What to poll.
    const std::vector<GPollFD> &pollFds() const { return m_polled.fds(); }
    /// Whether a poll of pollFds() takes nothing from other polls: no file reports a change to one poll only.
    bool areLevelTriggered();
    /// Another number after each change of pollFds().
    unsigned pollFdsState() const { return m_polled.state(); }
    /// Takes in what a poll of pollFds() has found, for one that it has found ready.
    void note(const GPollFD &polled);
    void note(const GPollFD *polled, std::size_t count);
    /// As note(), after other code has run that may have read the descriptor: only takes in what no later poll would find.
    void noteLate(const GPollFD &polled);
    /// Whether watch() has changed something since the last flush().
    bool isChanged() const { return !m_pending.empty(); }
    /// ... and one can be expected to be ready: it has started to ask for writing, which mostly works at once.
    bool isOutputNew() const { return m_isOutputNew; }
    /// To be called between note() and finishLook() if code has run meanwhile that may have read, closed or changed
    /// descriptors: polls again, which is or'ed to what a poll reports only once, and replaces the rest.
    void lookAgain();
    /// Fetches what the epoll set has found. @p isVerified tells whether all of that has to be true now; else a file
    /// that was closed before it was removed may be reported for a short while.
    void finishLook(bool isVerified);

    /// Whether there are results, or the epoll set has some that were not fetched yet.
    bool hasReady() const;
    /// Whether take() waits for a finishLook() to fetch them.
    bool isSetReady() const { return m_setIsReady; }
    /// The next result.
    std::optional<Ready> take();
    /// The next event of the next result: reading, writing, exceptions.
    std::optional<Ready> takeEvent();

    /// To be called when code has run that may have closed descriptors before it removed them.
    void requireCheck() { m_leftToCheck = m_watches.size(); }
    bool needsCheck() const { return m_armedCount > 0 && m_leftToCheck > 0; }
    /// To be called in each look before the poll: looks for such descriptors, some at a time. Returns how long one
    /// may wait before calling it again, to look for the others.
    Duration checkSet(TimePoint now);

private:
    enum class Backend { Automatic, Poll, Epoll };

    struct Watch
    {
        std::uint32_t token = 0; // changes when the number comes to stand for another file
        std::uint32_t lastReady = 0; // in which look; or when it was last changed
        std::uint8_t wanted = 0;
        std::uint8_t armed = 0; // the events that the set was given; 0: not in the set
        std::uint8_t ready = 0; // found, and not taken
        std::uint8_t readyLooks = 0; // in which it was ready, in a row or nearly so
        FileType type = FileType::Unknown;
        bool isPending = false; // is in m_pending
        bool wasRemoved = false; // and added again, since it was last given to the set
        std::uint8_t kept = 0; // found, and not wanted at the moment
    };

    /// What to report when poll(2) says @p revents. Hang-up and error make a descriptor ready for everything.
    static Events readyEvents(unsigned revents, Events wanted)
    {
        return (revents & (G_IO_HUP | G_IO_ERR)) ? wanted : (revents & wanted);
    }

    static Backend backend();
    Watch &watch(int fd) { return m_watches[std::size_t(fd)]; }
    bool isIdle(const Watch &watch) const;
    FileType fileType(int fd, Watch &watch);
    void applyChanges(Changes changes);
    void apply(int fd, Watch &watch, Changes changes);
    void poll(int fd, Watch &watch);
    bool openSet();
    void moveToSet(int fd, Watch &watch);
    void arm(Watch &watch, Events events);
    void disarm(int fd, Watch &watch);
    void closeSet();
    void forgetSet();
    bool isSetLost(int fd, int error);
    void moveIdleOnes();
    void pollNow();
    void dropResults()
    {
        if (m_nextFound < m_found.size())
            return dropLeftResults();
        m_found.clear();
        m_nextFound = 0;
    }
    void dropLeftResults();
    void found(int fd, Watch &watch, Events events);
    void foundClosed(int fd, Watch &watch);
    void fetchFromSet();
    void verify(std::size_t first);

    const Backend m_backend;
    std::vector<Watch> m_watches; // by number
    std::vector<int> m_pending; // changed since the last flush()
    bool m_isOutputNew = false; // G_IO_OUT was added to one of them
    PollList m_polled; // the epoll set, unless it is empty, and what is polled beside it
    EpollSet m_set;
    std::size_t m_armedCount = 0; // watches in the set
    bool m_setIsReady = false; // was found so, and nothing was fetched yet
    bool m_setIsStale = false; // reports files that cannot be removed from it
    std::uint32_t m_look = 0;
    std::uint32_t m_nextMove = 0; // the look in which epoll may be asked again after it has failed

    std::vector<int> m_found; // numbers with results, and some that have none any more
    std::size_t m_nextFound = 0;
    std::vector<GPollFD> m_pollFds; // these two are kept for their memory
    std::vector<int> m_idle;

    TimePoint m_nextVerification;
    std::size_t m_nextChecked = 0; // where checkSet() goes on
    std::size_t m_leftToCheck = 0; // numbers
    TimePoint m_nextCheck;
};

inline bool Descriptors::hasReady() const
{
    for (std::size_t i = m_nextFound; i < m_found.size(); ++i) {
        if (m_watches[std::size_t(m_found[i])].ready)
            return true;
    }
    return m_setIsReady;
}

inline std::optional<Descriptors::Ready> Descriptors::take()
{
    while (m_nextFound < m_found.size()) {
        const int fd = m_found[m_nextFound++];
        Watch &ready = watch(fd);
        if (!ready.ready)
            continue;
        const Ready result{fd, ready.ready};
        ready.ready = 0;
        if (result.events == G_IO_NVAL)
            ready.wanted = 0;
        return result;
    }
    return std::nullopt;
}

inline std::optional<Descriptors::Ready> Descriptors::takeEvent()
{
    for (; m_nextFound < m_found.size(); ++m_nextFound) {
        const int fd = m_found[m_nextFound];
        Watch &ready = watch(fd);
        if (!ready.ready)
            continue;
        const Events event = ready.ready & G_IO_IN ? G_IO_IN
            : ready.ready & G_IO_OUT               ? G_IO_OUT
            : ready.ready & G_IO_PRI               ? G_IO_PRI
                                                   : G_IO_NVAL;
        ready.ready = std::uint8_t(ready.ready & ~event);
        m_nextFound += ready.ready == 0;
        if (event == G_IO_NVAL)
            ready.wanted = 0;
        return Ready{fd, event};
    }
    return std::nullopt;
}

#endif
