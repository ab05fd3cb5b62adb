// SPDX-License-Identifier: MIT

#ifndef GLIBSELECTOR_P_H
#define GLIBSELECTOR_P_H

#include "contextsource.h"
#include "glibselector.h"
#include "readiness.h"
#include "wakeupchannel.h"

#include <atomic>

/**
 * GLibSelector, and what an event loop on top of it needs beside.
 *
 * There are two ways in which the context gets run. Mostly it is iterate() that does. Then the
 * two sources here only take part in GLib's ranking of priorities: "the loop has work", so that
 * GLib's sources of lower priority wait. Or somebody else runs the context in this thread, a g_main_loop_run()
 * outside of everything or nested in a callback, and the loop is a guest: the same
 * two sources have GLib poll for the loop and call it.
 */
class GLibSelectorPrivate final : private ContextSource::Owner
{
public:
    using Clock = Readiness::Clock;
    using TimePoint = Clock::time_point;
    using Duration = Clock::duration;
    static constexpr TimePoint Never = TimePoint::max();

    /// An event loop on top of the selector, seen from below.
    class Loop
    {
    public:
        /// When it next has work that is not a descriptor's.
        virtual TimePoint deadline() = 0;
        /// Whether it has work to be done when nothing else is to do.
        virtual bool hasIdleWork() = 0;
        /// Called in guest mode when there is work. collect() tells which descriptors are ready.
        virtual void serve() = 0;

    protected:
        ~Loop() = default;
    };

    /// One wait.
    struct Wait
    {
        bool mayBlock = false;
        bool descriptors = true; ///< Whether they are looked at.
        bool loopsTimers = false; ///< Whether the deadline and the idle work of the loop count.
        TimePoint deadline = Never;
        /// While there is work all the time: how long GLib, if it had none, and the kernel may be left
        /// alone. With a patience GLib may also have several iterations of which the loop hears nothing.
        Duration patience{0};
    };

    enum class Ownership {
        Borrowed, ///< Acquired for the length of each wait.
        Kept,
        Foreign, ///< Another thread had it when it was last asked for.
    };

    explicit GLibSelectorPrivate(GMainContext *context);
    ~GLibSelectorPrivate();

    static GLibSelectorPrivate *get(GLibSelector *selector) { return selector->d.get(); }

    /// An error after close(), and in another thread than the selector's.
    std::error_code checkUse() const;
    void bindToThread();
    void close();

    /// Waits, and collects what is ready. Answers whether GLib had work, or the ownership of the
    /// context has changed.
    bool iterate(const Wait &wait);
    /// The time when iterate() last looked at the clock, unless GLib may have taken long since.
    TimePoint recentTime() const { return m_now; }
    /// Collects what is ready, without a look at GLib.
    void collect();
    inline std::optional<GLibSelector::Descriptor> takeReady();
    /// Whether takeReady() has something left to tell.
    bool hasReady() const;

    enum class WakeUp {
        None,
        Acknowledged, ///< A wait has ended for it, but nobody has looked yet at what it is for.
        Requested,
    };
    bool isWokenUp() const { return m_wakeUp.load(std::memory_order_seq_cst) != WakeUp::None; }
    /// To be called before looking at what it may be for.
    WakeUp takeWakeUp() { return m_wakeUp.exchange(WakeUp::None, std::memory_order_seq_cst); }
    /// To be called when a wait has ended: answers whether it was for a wake-up.
    bool acknowledgeWakeUp()
    {
        WakeUp requested = WakeUp::Requested;
        return m_wakeUp.compare_exchange_strong(requested, WakeUp::Acknowledged,
                                                std::memory_order_seq_cst);
    }
    void wakeUp();
    /// To be called when something has changed that GLib, if it is about to sleep, has not been told of.
    void noteChange();

    /// Waits for @p events of @p fd, or no longer if there are none. The kernel is asked later, and if it
    /// refuses, the next result is Invalid. Only a number that is out of all bounds is an error.
    std::error_code watch(int fd, GLibSelector::Events events, void *data);

    /// Ranks the work of @p loop among GLib's sources, and has it served in guest mode.
    void attach(Loop *loop, int priority);
    void detach();

    /// Acquires the context, now or in a later iterate(), and keeps it; also as the
    /// thread-default one unless it is the default context.
    void keepContext();
    void releaseContext();
    Ownership ownership() const { return m_ownership; }

    GMainContext *context() const { return m_context; }

private:
    friend class GLibSelector;

    struct Entry
    {
        void *data = nullptr;
        GLibSelector::Events events = 0; // 0: not added
        GLibSelector::Events ready = 0; // of the last select(), not taken yet
    };

    struct Iteration;

    Entry *entry(int fd)
    {
        const auto number = std::size_t(fd);
        return number < m_entries.size() && m_entries[number].events ? &m_entries[number] : nullptr;
    }
    std::error_code tryWatch(int fd, GLibSelector::Events events, void *data);
    void dropResults();
    void collect(bool thorough, Readiness::Polled polled);

    bool look(const Wait &wait, bool block, bool ownsContext);
    bool acquire();

    bool isIterating(int levels) const;
    TimePoint deadline(const Wait &wait) const;
    bool hasWork(const Wait &wait, TimePoint now) const;
    bool hasIdleWork(const Wait &wait) const;
    bool prepare(ContextSource *source, int *timeout) override;
    bool check(ContextSource *source) override;
    void dispatch(ContextSource *source) override;

    GMainContext *const m_context;
    bool m_closed = false;
    std::atomic<GThread *> m_thread{nullptr};
    std::unique_ptr<Readiness> m_readiness;
    std::vector<Entry> m_entries; // by descriptor number
    std::vector<Readiness::Found> m_found;
    std::size_t m_nextFound = 0;

    WakeUpChannel m_channel;
    std::atomic<WakeUp> m_wakeUp{WakeUp::None};
    // Set while a poll is being prepared or running: only then a wake-up needs the channel.
    std::atomic<bool> m_polling{false};

    Loop *m_loop = nullptr;
    std::unique_ptr<ContextSource> m_work;
    std::unique_ptr<ContextSource> m_idle;

    Iteration *m_iteration = nullptr; // the innermost that is running
    std::vector<GPollFD> m_polled; // of the running look(), until it dispatches

    Ownership m_ownership = Ownership::Borrowed;
    bool m_keep = false;
    TimePoint m_foreignSince;

    TimePoint m_lastLook;
    TimePoint m_now;
    bool m_glibIsCalm = false; // it had nothing to do at the last look
    int m_skipQuickTries = 0;
};

// Called for each ready descriptor, it is not worth a call.
std::optional<GLibSelector::Descriptor> GLibSelectorPrivate::takeReady()
{
    while (m_nextFound < m_found.size()) {
        const int fd = m_found[m_nextFound++].fd;
        Entry *ready = entry(fd);
        if (!ready || !ready->ready)
            continue;
        const GLibSelector::Descriptor result{fd, ready->ready, ready->data};
        ready->ready = 0;
        if (result.events == GLibSelector::Invalid)
            ready->events = 0;
        return result;
    }
    return std::nullopt;
}

#endif
