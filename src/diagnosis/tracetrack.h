// SPDX-License-Identifier: MIT

#ifndef TRACETRACK_H
#define TRACETRACK_H

#include "activity.h"
#include "waker.h"

#include <QtCore/QByteArray>

#include <memory>

/**
 * What one thread does, as slices of time: written by that thread, and read by the one that writes the file.
 *
 * A slice is noted when it is over, and only if it was long enough to be seen. So what is short costs a look at the clock.
 * The slices around a loop that sleeps are noted before: they may last as long as the program.
 */
class TraceTrack
{
public:
    using Step = Activity::Step;
    using Time = std::chrono::nanoseconds; ///< By the steady clock.

    static constexpr auto ShortestHandler = std::chrono::microseconds(50);
    static constexpr auto ShortestStep = std::chrono::microseconds(5);

    struct Record
    {
        enum class Kind : std::uint8_t {
            Slice,
            Begin, ///< Of a slice that is not over,
            End, ///< ... and the end of the last one of these.
            WakeUp, ///< From begin in the other thread to end in this one.
        };
        Kind kind;
        const char *category;
        Time begin;
        Time end;
        long waker;
        char name[208]; ///< In UTF-8.
    };

    /// Of the calling thread.
    TraceTrack();

    // For the activity, before it changes:

    /// The loop at @p index, the innermost from now on, comes to @p step.
    void enter(const Activity &activity, int index, Step step);
    /// Only @p count loops are left.
    void leave(const Activity &activity, int count);
    /// Only @p count loops are left: GLib loops of somebody else's are over, and nobody knows since when.
    void drop(const Activity &activity, int count) { close(activity, count, m_lastTime); }
    /// The thread has no loop any more.
    void end(const Activity &activity);
    /// A handler begins in the loop at @p index, the innermost from now on.
    void beginHandler(const Activity &activity, int index);
    void beginSource(const Activity &activity, const GSource *source, const void *callback, const void *data);
    /// If it is one that has begun here.
    void endSource(const Activity &activity, const void *data);
    /// The step that begins now is due to @p waker.
    void noteWaker(int index, const Waker::Note &waker);

    // For the writer:

    /// No record follows on what is there.
    bool isOver() const { return m_isOver.load(std::memory_order_acquire); }
    long thread() const { return m_thread; }
    QByteArray threadName() const { return m_threadName; }
    const Record *first() const;
    void removeFirst();
    /// How many had no place since the last call.
    unsigned takeLost() { return m_lost.exchange(0, std::memory_order_relaxed); }
    /// What the thread has come to last. It is another number for each time.
    std::uint64_t last() const { return m_last.load(std::memory_order_relaxed); }
    static Time timeOf(std::uint64_t last) { return Time(Time::rep(last >> StepBits)); }
    static const char *nameOf(Step step);
    static Step stepOf(std::uint64_t last) { return Step(last & ((1 << StepBits) - 1)); }

private:
    static constexpr int StepBits = 4;
    static constexpr unsigned Capacity = 2048;
    /// There is a place for the ends of all slices whose begin was noted.
    static constexpr unsigned Reserve = 2 * Activity::MaxLoops;

    struct Slice
    {
        Time begin{0};
        bool isOpen = false;
        bool isNoted = false; // its begin is
        bool isWanted = false; // however short it is
    };
    struct Loop
    {
        Slice step;
        Slice handler; // or GLib source
        const GSource *source = nullptr;
        const void *callback = nullptr;
        const void *data = nullptr;
        int depth = 0; // g_main_depth() around the source
    };

    Loop &at(int index) { return m_loops[std::size_t(index)]; }
    Time now(Step step);
    void close(const Activity &activity, int from, Time now);
    void closeHandler(const Activity &activity, int index, Time now, bool sourceIsThere = false);
    void closeStep(const Activity &activity, int index, Time now);
    void noteBegins(const Activity &activity, int count);
    QByteArray handlerName(const Activity &activity, int index, bool sourceIsThere);
    static const char *handlerCategory(const Activity &activity, int index);
    void write(Slice &slice, Time end, Record::Kind kind, const char *category, const QByteArray &name);
    Record *place(unsigned reserve);
    void push();

    const long m_thread;
    const QByteArray m_threadName;
    std::array<Loop, Activity::MaxLoops> m_loops;
    Time m_lastTime{0};
    std::atomic<std::uint64_t> m_last{0};
    std::atomic<unsigned> m_lost{0};
    std::atomic<bool> m_isOver{false};
    std::atomic<unsigned> m_head{0}; // how many were written
    std::atomic<unsigned> m_tail{0}; // ... and removed
    const std::unique_ptr<Record[]> m_records;
};

#endif
