// SPDX-License-Identifier: MIT

#ifndef GLIBSELECTOR_H
#define GLIBSELECTOR_H

#include "glibeventdispatcher_export.h"

#include <glib.h>

#include <chrono>
#include <memory>
#include <optional>
#include <system_error>
#include <vector>

class GLibSelectorPrivate;

/**
 * Waits for file descriptors on a GLib main context.
 *
 * A selector knows which descriptors are of interest, waits until one of them is ready, a time has
 * passed or somebody wakes it up, and says what is ready. The sources of its GMainContext are
 * dispatched while it waits; the selector's own descriptors are only reported. It is the
 * counterpart of Python's `selectors.BaseSelector`.
 *
 * @code
 * GLibSelector selector;
 * selector.add(socket, GLibSelector::Read, &connection);
 * while (!selector.select(std::chrono::seconds(1))) {
 *     while (auto ready = selector.takeReady())
 *         static_cast<Connection *>(ready->data)->read();
 * }
 * @endcode
 *
 * Readiness is level-triggered and has the meaning that poll(2) gives it: hang-up and error make a
 * descriptor ready for whatever was asked for, and regular files are always ready.
 *
 * A descriptor should be removed before it is closed. One that is closed all the same is reported
 * once with `Invalid` and forgotten; if its number has been reused by then, the new file is waited
 * for instead, as poll(2) would. That is found out before the selector next waits for long, or during that wait:
 * within 50 ms for each 64 descriptors that have been idle for long. Nothing can tell once they all
 * were asked for, so a thread that closes another thread's descriptor has to wake the selector up.
 *
 * A selector belongs to the thread that first adds a descriptor to it or waits on it. Of all
 * functions only wakeUp() may be called from another thread; the others return
 * `std::errc::operation_not_permitted` there, or an empty result. After close() they return
 * `std::errc::bad_file_descriptor`.
 */
class GLIBEVENTDISPATCHER_EXPORT GLibSelector
{
public:
    using Duration = std::chrono::nanoseconds; ///< For select().

    /// What to wait for, and what was found. The values are those of GIOCondition and poll(2).
    enum Event : unsigned {
        Read = G_IO_IN,
        Exception = G_IO_PRI,
        Write = G_IO_OUT,
        Invalid = G_IO_NVAL, ///< Only in results: the descriptor was closed, and is forgotten now.
    };
    using Events = unsigned; ///< Any of Event, or'ed.

    /// What is waited for, or was found.
    struct Descriptor
    {
        int fd; ///< Its number.
        Events events; ///< Those asked for; in a result of takeReady(), those of them that are there.
        void *data; ///< The caller's; never looked at.
    };

    /// Takes a reference on @p context; nullptr means the default context.
    explicit GLibSelector(GMainContext *context = nullptr);
    /// Leaves the context as the constructor found it. No descriptor is closed.
    ~GLibSelector();

    GLibSelector(const GLibSelector &) = delete;
    GLibSelector &operator=(const GLibSelector &) = delete;

    GMainContext *context() const; ///< Never nullptr.

    /**
     * Starts to wait for @p events of @p fd.
     *
     * Errors: `bad_file_descriptor` if @p fd is negative or not open, `file_exists` if it was added
     * before, and `invalid_argument` if @p events is empty or has bits other than Read, Write and
     * Exception. After an error nothing has changed.
     */
    std::error_code add(int fd, Events events, void *data = nullptr);

    /// Changes what is waited for. Errors as with add(), and `no_such_file_or_directory` if
    /// @p fd was never added. A result of the last select() that is no longer asked for is dropped.
    std::error_code modify(int fd, Events events, void *data = nullptr);

    /// Stops waiting for @p fd, which may be closed already. A result of the last select() that was
    /// not taken yet is dropped. Error: `no_such_file_or_directory` if it was never added.
    std::error_code remove(int fd);

    /// What was given to add() or modify() for @p fd.
    std::optional<Descriptor> find(int fd) const;

    /// All of them, by ascending number.
    std::vector<Descriptor> descriptors() const;

    /**
     * Waits until a descriptor is ready or wakeUp() is called, and at most for @p timeout: without a
     * value for as long as it takes; zero or less looks once and returns. It never returns before
     * the time has passed, and a signal does not end it. Results are then fetched with
     * takeReady(); those of an earlier select() that were not taken are found again. If the descriptors
     * cannot be polled, the kernel's error is returned, 10 ms later at the earliest if it might have waited.
     *
     * Dispatches the sources of the context meanwhile. If another thread owns the context, its sources are that
     * thread's business: only the descriptors are waited for, until the context becomes free.
     * May be called from a callback of the context, and while results are being walked.
     */
    std::error_code select(std::optional<Duration> timeout = std::nullopt);

    /// The next result of the last select(): the events are those that were asked for and
    /// are there. Empty when all have been taken. Adding, modifying and removing descriptors
    /// between two calls is safe.
    std::optional<Descriptor> takeReady();

    /// Ends the select() that is running, or the next one if none is. From any thread.
    void wakeUp();

    /// Forgets all descriptors and detaches from the context. Called by the destructor.
    void close();

private:
    friend class GLibSelectorPrivate; // for event loops on top of the selector
    std::unique_ptr<GLibSelectorPrivate> d;
};

#endif
