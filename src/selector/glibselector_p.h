// SPDX-License-Identifier: MIT

#ifndef GLIBSELECTOR_P_H
#define GLIBSELECTOR_P_H

#include "backoff.h"
#include "contextiteration.h"
#include "contextownership.h"
#include "descriptors.h"
#include "eventloop.h"
#include "glibdriver.h"
#include "glibselector.h"
#include "placeofthread.h"
#include "pollarray.h"
#include "wakeup.h"

#include "../diagnosis/counters.h"
#include "../timers/monotonicclock.h"

#include <atomic>

class Activity;

/// For interfaces that count whole milliseconds, -1 meaning forever. It rounds up: to wake up early would be wrong, and
/// would make a busy loop.
int toMilliseconds(Descriptors::Duration duration);

/**
 * GLibSelector, and what an event loop on top of it needs beside.
 *
 * There are two drivers. Mostly the loop waits by look(), which iterates the context. Or somebody else iterates the
 * context in this thread; then GLibDriver serves the loop, if it is attached.
 */
class GLibSelectorPrivate final
{
public:
    using Clock = MonotonicClock;
    using TimePoint = Clock::time_point;
    using Duration = Clock::duration;
    static constexpr TimePoint Never = EventLoop::Never;

    /// How to look().
    struct Look
    {
        bool mayBlock = false;
        /// While the loop has work all the time, it is enough to look at the kernel, and at GLib's sources if they had none, at
        /// short intervals.
        bool mayBeQuick = false;
    };

    struct Result
    {
        bool wasWoken = false; ///< A wake-up has been requested until the end of the poll. It is taken.
        bool glibWorked = false; ///< GLib's sources were dispatched, or may have been.
        bool isEmpty = false; ///< Neither of these, and there is nothing for the loop to do.
        /// How long after it was requested a wake-up has ended the sleep, if one has.
        std::optional<Duration> wakeUpTime;
        /// Why the descriptors could not be polled, as errno; 0: they were; nothing if they were not asked to be.
        std::optional<int> error;
    };

    explicit GLibSelectorPrivate(GMainContext *context);
    ~GLibSelectorPrivate();

    static GLibSelectorPrivate *get(GLibSelector *selector) { return selector->d.get(); }

    /// Returns an error after close(), and in another thread than the selector's.
    std::error_code checkUse() const;
    void bindToThread() { m_thread.store(placeOfThread(), std::memory_order_relaxed); }
    /// Whether it is used in the calling thread; false if it was not used yet.
    bool isBoundToThisThread() const { return m_thread.load(std::memory_order_relaxed) == placeOfThread(); }
    void close();

    /// To be called when an attached loop is about to wait by look(), before it tells others so.
    void beginWait();
    /// Waits for what @p loop demands, if it may, for one poll at most; dispatches GLib's sources; then descriptors()
    /// has what is ready.
    Result look(EventLoop &loop, const Look &look);
    /// The time of the last look, or after GLib's sources were dispatched in it.
    TimePoint now() const { return m_now; }

    /// From any thread.
    void requestWakeUp()
    {
        if (isBoundToThisThread())
            m_wakeUp.requestHere();
        else
            m_wakeUp.request();
    }
    /// To be called when a turn starts to look at everything: returns whether a wake-up was requested since the last
    /// look(), and forgets those before it.
    bool takeWakeUp();

    Descriptors &descriptors() { return m_descriptors; }
    WakeUp &wakeUp() { return m_wakeUp; }
    ContextOwnership &ownership() { return m_ownership; }
    GMainContext *context() const { return m_context; }

    /// As Descriptors::watch().
    bool watch(int fd, GLibSelector::Events events);
    /// To be called when something has changed that a poll, if it is being prepared, was not told of.
    void noteChange();

    /// Ranks the work of @p loop among GLib's sources, and serves it while a GLib loop runs.
    void attach(EventLoop *loop, int priority);
    void setPriority(int priority);
    void detach();

    Counters &counters() { return m_counters; }
    /// nullptr unless somebody wants to know what the thread is doing.
    Activity *activity() const { return m_activity; }
    void setActivity(Activity *activity) { m_activity = activity; }

    // For GLibDriver.
    const ContextIteration::Stack &iterations() const { return m_iterations; }
    /// Whether @p demand is met, its deadline apart.
    bool hasWork(const EventLoop::Demand &demand) const
    {
        return demand.hasWork || m_hasTakenWakeUp || m_wakeUp.isRequested()
            || (demand.descriptors && m_descriptors.hasReady());
    }

private:
    friend class GLibSelector;

    std::error_code checkAdded(int fd) const;
    std::error_code tryWatch(int fd, GLibSelector::Events events, void *data);
    int lowestPriority(bool hasWork, bool hasIdleWork) const;
    bool isSettledWithoutSources(EventLoop &loop, const Look &look);
    bool areGLibsLevelTriggered();
    Duration timeout(const EventLoop::Demand &demand, bool mayBlock, bool isOwned);
    void poll(bool isOwned, Duration timeout, Result *result);
    bool hasWork(const EventLoop::Demand &demand, TimePoint now) const
    {
        return hasWork(demand) || demand.deadline <= now;
    }

    GMainContext *const m_context;
    bool m_isClosed = false;
    std::atomic<const void *> m_thread{nullptr}; // the place of the one that uses it
    WakeUp m_wakeUp;
    Descriptors m_descriptors;
    ContextOwnership m_ownership;
    ContextIteration::Stack m_iterations;
    std::unique_ptr<GLibDriver> m_glibDriver;

    std::vector<void *> m_data; // of GLibSelector's users, by descriptor number
    PollArray m_poll; // with what GLib's sources poll, when they were asked last
    std::optional<bool> m_isQuickPollSafe; // takes nothing from other polls; nothing if that is not known
    std::vector<GPollFD> m_knownGLibFds; // the ones whose types are known
    bool m_areGLibsLevelTriggered = true;
    TimePoint m_now;
    TimePoint m_lastPoll;
    TimePoint m_lastIteration; // of GLib's sources
    bool m_glibIsIdle = false; // they had nothing to do then
    bool m_hasPollFunction = false; // the context has one of the program's
    bool m_hasTakenWakeUp = false; // look() has, and no turn has looked yet at what it is for
    Backoff m_quickLooks; // before a sleep

    Counters m_counters;
    Activity *m_activity = nullptr;
};

#endif
