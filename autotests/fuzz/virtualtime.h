// SPDX-License-Identifier: MIT

#ifndef VIRTUALTIME_H
#define VIRTUALTIME_H

#include <chrono>
#include <optional>

/**
 * Replaces CLOCK_MONOTONIC and the calls that wait for descriptors, for the whole process: the executable defines
 * clock_gettime(), poll(), ppoll(), epoll_wait() and their like, and so comes before the C library.
 *
 * Time stands still, but for a few microseconds with each call, while the main thread has something to do. It
 * jumps when the main thread waits with a timeout and nothing is ready. "Other threads" do something
 * only then, too, so that their steps and the main thread's never race. Nobody ever really waits.
 */
namespace VirtualTime {

using TimePoint = std::chrono::nanoseconds; // since the start of the program

/// What is going on beside the main thread, and what may be checked while that waits.
class Surroundings
{
public:
    /// The main thread asks the kernel for descriptors, with or without a wait.
    virtual void polling() = 0;
    /// ... and what it waited for has come, or was there.
    virtual void sleptUntilReady() = 0;
    /// The main thread is going to sleep until @p end, or sleeps on until then after another thread has done something.
    virtual void sleeping(TimePoint end) = 0;
    /// When nextStep() is to be called.
    virtual std::optional<TimePoint> nextStep() const = 0;
    virtual void step() = 0;
    /// When the next timer is due that the loop has to serve.
    virtual std::optional<TimePoint> nextTimer() const = 0;
    /// Nothing is left that could end the wait. This has to.
    virtual void idle() = 0;
    /// The worker is going to sleep, which nothing could end: the main thread waits for it.
    virtual void workerSleeping() = 0;

protected:
    ~Surroundings() = default;
};

/// Starts the time of a program; the calling thread is its main thread.
void start(Surroundings *surroundings);
/// Makes the calling thread the program's worker. It runs only while the main thread waits for it, and never sleeps.
void setWorker();
/// Ends it. The clock goes on from there with the next.
void stop();

TimePoint now();
void advance(std::chrono::nanoseconds duration);

/// Whether descriptor @p fd has any of @p events now, or an error.
bool isReady(int fd, short events);

/// What a turn, a poll or a handler costs. It is more than a loop may leave the kernel or GLib alone for while it
/// has other work.
constexpr std::chrono::microseconds TurnCost(110);

/// How far from its time a timer may fire, and what the clock may have moved in between.
constexpr std::chrono::seconds Tolerance(1);

/// How much later than a precise timer is due a sleep may end. Qt and GLib round timeouts up to whole milliseconds, and
/// compute them a few turns' costs before they sleep.
constexpr std::chrono::microseconds LongestDelay(1700);

}

#endif
