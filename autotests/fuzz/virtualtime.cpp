// SPDX-License-Identifier: MIT

#include "virtualtime.h"

#include <algorithm>
#include <atomic>
#include <cerrno>

#include <csignal>
#include <dlfcn.h>
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>

using namespace std::chrono_literals;
using VirtualTime::TimePoint;

namespace {

/// What a look at the clock costs; without that, who waits for the time by looking would wait for ever.
constexpr auto LookCost = 1us;
/// A dispatcher may end a sleep for reasons of its own. This many times in a row it is let.
constexpr int MostVainSleeps = 3;

VirtualTime::Surroundings *theSurroundings = nullptr;
std::atomic<TimePoint> theTime{TimePoint::zero()};
TimePoint theBase{0}; // of theTime
thread_local bool isMainThread = false;
thread_local bool isWorker = false;
bool isVirtual = false; // from the first program on
int vainSleeps = 0;

template<typename Function>
Function *next(const char *name)
{
    return reinterpret_cast<Function *>(dlsym(RTLD_NEXT, name));
}

bool isTaken()
{
    return theSurroundings && (isMainThread || isWorker);
}

/**
 * Waits for what @p poll, which does not wait, finds, for @p timeout at most.
 *
 * A timeout that ends where a timer of the program is due is believed, and so is any other a few times in a row.
 * After that it is taken for one of the dispatcher's own, and the machine for so busy that the sleep lasts
 * until something happens.
 */
template<typename Poll>
int wait(std::optional<std::chrono::nanoseconds> timeout, Poll poll)
{
    VirtualTime::Surroundings *const surroundings = theSurroundings;
    if (isWorker) {
        const int count = poll();
        if (count == 0 && (!timeout || *timeout > 0ns))
            surroundings->workerSleeping();
        return count;
    }
    VirtualTime::advance(VirtualTime::TurnCost);
    surroundings->polling();
    constexpr auto Never = TimePoint::max();
    const TimePoint end = timeout && *timeout < Never - VirtualTime::now() ? VirtualTime::now() + *timeout : Never;
    for (;;) {
        const int count = poll();
        if (count != 0 || (timeout && *timeout <= 0ns)) {
            if (count != 0) {
                vainSleeps = 0;
                if (!timeout || *timeout > 0ns)
                    surroundings->sleptUntilReady();
            }
            return count;
        }
        surroundings->sleeping(end);

        const TimePoint start = VirtualTime::now();
        const TimePoint step = surroundings->nextStep().value_or(Never);
        const auto timer = surroundings->nextTimer();
        const bool isForTimer = timer && end >= *timer - VirtualTime::Tolerance;
        if (end < step && (isForTimer || vainSleeps < MostVainSleeps)) {
            vainSleeps = isForTimer ? 0 : vainSleeps + 1;
            theTime = end;
            return 0;
        }
        if (timer && end < *timer && *timer < step) {
            theTime = std::max(start, *timer + 1ms);
            vainSleeps = 0;
            return 0;
        }
        vainSleeps = 0;
        if (step != Never) {
            theTime = std::max(start, step);
            surroundings->step();
        } else {
            surroundings->idle();
        }
    }
}

std::optional<std::chrono::nanoseconds> duration(const timespec *time)
{
    if (!time)
        return std::nullopt;
    return std::chrono::seconds(time->tv_sec) + std::chrono::nanoseconds(time->tv_nsec);
}

std::optional<std::chrono::nanoseconds> duration(int milliseconds)
{
    if (milliseconds < 0)
        return std::nullopt;
    return std::chrono::milliseconds(milliseconds);
}

int pollNow(pollfd *fds, nfds_t count)
{
    static const auto real = next<int(pollfd *, nfds_t, int)>("poll");
    return real(fds, count, 0);
}

int epollNow(int fd, epoll_event *events, int count)
{
    static const auto real = next<int(int, epoll_event *, int, int)>("epoll_wait");
    return real(fd, events, count, 0);
}

int waitForPoll(pollfd *fds, nfds_t count, std::optional<std::chrono::nanoseconds> timeout)
{
    return wait(timeout, [=] { return pollNow(fds, count); });
}

int waitForEpoll(int fd, epoll_event *events, int count, std::optional<std::chrono::nanoseconds> timeout)
{
    return wait(timeout, [=] { return epollNow(fd, events, count); });
}

}

void VirtualTime::start(Surroundings *surroundings)
{
    using Hours = std::chrono::hours;
    // No clock goes back, and dispatchers may have looked at the real one before the first program.
    theBase += std::chrono::ceil<Hours>(isVirtual ? theTime.load() : std::chrono::steady_clock::now().time_since_epoch());
    theTime = TimePoint::zero();
    theSurroundings = surroundings;
    isMainThread = true;
    isVirtual = true;
}

void VirtualTime::setWorker()
{
    isWorker = true;
}

void VirtualTime::stop()
{
    theSurroundings = nullptr;
}

TimePoint VirtualTime::now()
{
    return theTime.load();
}

void VirtualTime::advance(std::chrono::nanoseconds duration)
{
    theTime = theTime.load() + duration;
}

bool VirtualTime::isReady(int fd, short events)
{
    pollfd polled{fd, events, 0};
    return pollNow(&polled, 1) > 0;
}

extern "C" {

int clock_gettime(clockid_t clock, timespec *time)
{
    static const auto real = next<int(clockid_t, timespec *)>("clock_gettime");
    if (!isVirtual || (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE))
        return real(clock, time);
    if (isMainThread)
        VirtualTime::advance(LookCost);
    const TimePoint now = theTime.load() + theBase;
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
    time->tv_sec = time_t(seconds.count());
    time->tv_nsec = long((now - seconds).count());
    return 0;
}

int poll(pollfd *fds, nfds_t count, int timeout)
{
    static const auto real = next<int(pollfd *, nfds_t, int)>("poll");
    return isTaken() ? waitForPoll(fds, count, duration(timeout)) : real(fds, count, timeout);
}

int ppoll(pollfd *fds, nfds_t count, const timespec *timeout, const sigset_t *mask)
{
    static const auto real = next<int(pollfd *, nfds_t, const timespec *, const sigset_t *)>("ppoll");
    return isTaken() ? waitForPoll(fds, count, duration(timeout)) : real(fds, count, timeout, mask);
}

// What programs that were built with _FORTIFY_SOURCE call.
int __poll_chk(pollfd *fds, nfds_t count, int timeout, std::size_t)
{
    return poll(fds, count, timeout);
}

int __ppoll_chk(pollfd *fds, nfds_t count, const timespec *timeout, const sigset_t *mask, std::size_t)
{
    return ppoll(fds, count, timeout, mask);
}

int epoll_wait(int fd, epoll_event *events, int count, int timeout)
{
    static const auto real = next<int(int, epoll_event *, int, int)>("epoll_wait");
    return isTaken() ? waitForEpoll(fd, events, count, duration(timeout)) : real(fd, events, count, timeout);
}

int epoll_pwait(int fd, epoll_event *events, int count, int timeout, const sigset_t *mask)
{
    static const auto real =
        next<int(int, epoll_event *, int, int, const sigset_t *)>("epoll_pwait");
    return isTaken() ? waitForEpoll(fd, events, count, duration(timeout))
                     : real(fd, events, count, timeout, mask);
}

int epoll_pwait2(int fd, epoll_event *events, int count, const timespec *timeout, const sigset_t *mask)
{
    static const auto real =
        next<int(int, epoll_event *, int, const timespec *, const sigset_t *)>("epoll_pwait2");
    return isTaken() ? waitForEpoll(fd, events, count, duration(timeout))
                     : real(fd, events, count, timeout, mask);
}

}
