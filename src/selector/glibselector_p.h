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
        bool descriptors = true; ///< Whether descriptors are looked at.
        TimePoint deadline = Never; ///< As Loop::deadline().
        bool idleWork = false; ///< As Loop::hasIdleWork().
        Duration patience{0}; ///< How old the last look at GLib and the kernel may be if there is work.
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

    /// Waits and collects what is ready; one iteration of GLib at the most in which it had something to do.
    /// Answers whether GLib had, or the ownership of the context has changed.
    bool iterate(const Wait &wait);
    /// Collects what is ready, without a look at GLib.
    void collect();
    /// Whether takeReady() has something left to tell.
    bool hasReady() const { return m_nextFound < m_found.size(); }

    bool isWakeUpRequested() const { return m_wakeUpRequested.load(std::memory_order_seq_cst); }
    bool takeWakeUp() { return m_wakeUpRequested.exchange(false, std::memory_order_seq_cst); }
    void wakeUp();
    /// To be called when something has changed that a running wait has not been told of.
    void noteChange();

    /// Ranks the work of @p loop among GLib's sources, and has it served in guest mode. nullptr ends it.
    void setLoop(Loop *loop, int priority);

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

    Entry *entry(int fd);
    std::error_code setEvents(int fd, GLibSelector::Events events, void *data);
    void dropResults();
    void collect(bool thorough);

    bool look(const Wait &wait, bool block, bool ownsContext);
    bool acquire();

    bool isIterating(int levels) const;
    bool hasWork(TimePoint deadline, TimePoint now) const;
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
    std::atomic<bool> m_wakeUpRequested{false};
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
    bool m_glibIsCalm = false; // it had nothing to do at the last look
    int m_skipQuickTries = 0;
};

#endif
