// SPDX-License-Identifier: MIT

#ifndef READINESS_H
#define READINESS_H

#include <glib.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <system_error>
#include <vector>

/**
 * Which descriptors are waited for, and which of them are ready: the part that differs from one
 * system to another.
 *
 * Events are poll(2)'s. All functions are for the selector's thread, and none of them blocks.
 */
class Readiness
{
public:
    using Clock = std::chrono::steady_clock;
    using TimePoint = Clock::time_point;
    using Duration = Clock::duration;

    struct Found
    {
        Found(int number, unsigned ready)
            : fd(number)
            , events(ready)
        {
        }

        int fd;
        unsigned events; ///< Of those asked for; or G_IO_NVAL alone: it is closed, and forgotten.
    };

    /// What poll(2) was given and gave back.
    struct Polled
    {
        const GPollFD *first = nullptr;
        std::size_t count = 0;
    };

    /// The best one that this system has; GLIBEVENTDISPATCHER_BACKEND=poll asks for the portable one.
    static std::unique_ptr<Readiness> create();

    Readiness() = default;
    Readiness(const Readiness &) = delete;
    Readiness &operator=(const Readiness &) = delete;
    virtual ~Readiness() = default;

    /// Waits for @p events of @p fd from the next flush() on; with 0, no longer.
    virtual void set(int fd, unsigned events) = 0;

    /// Answers what the kernel says of the last set(), which was for @p fd.
    virtual std::error_code confirm(int fd) = 0;

    virtual bool isEmpty() const = 0;

    /// To be called after changes and before a wait.
    virtual void flush() {}

    /// What somebody who calls poll(2) has to include in order to be woken when something is ready.
    virtual const std::vector<GPollFD> &pollFds() const = 0;

    /// Whether collect() has something to tell that pollFds() do not know of.
    virtual bool hasUnpolled() const { return false; }

    /// Adds what is ready now to @p found. pollFds() that have just been @p polled save a poll. Unless
    /// @p thorough, a descriptor that was closed without a word may be reported as ready for a short
    /// while.
    virtual void collect(std::vector<Found> &found, bool thorough, Polled polled) = 0;

    /// To be called now and then, and before a wait that may be long: looks for descriptors that were
    /// closed without a word. Answers how long one may wait before calling it again.
    virtual Duration audit(TimePoint) { return Duration::max(); }
};

/// The events to report when poll says @p found for a descriptor with interest in @p wanted.
/// Hang-up and error make it ready for everything.
inline unsigned readyEvents(unsigned found, unsigned wanted)
{
    return (found & (G_IO_HUP | G_IO_ERR)) ? wanted : (found & wanted);
}

/// Whether @p fd is open, as an error if not.
std::error_code checkOpen(int fd);

#endif
