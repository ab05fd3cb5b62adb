// SPDX-License-Identifier: MIT

#ifndef TIMERQUEUE_H
#define TIMERQUEUE_H

#include "monotonicclock.h"
#include "timerheap.h"
#include "timerpool.h"
#include "timertables.h"

#include <array>
#include <cstdint>
#include <optional>

/**
 * Timers, and when they are due. It has no clock of its own: the time is told.
 *
 * A timer ticks on a grid: tick k is due at start + k * interval, however late tick k-1 fired;
 * ticks that were missed entirely are left out. Its accuracy gives each tick a window around that
 * time. Who waits until wakeTime(), the earliest end of a window, and then fires every timer whose
 * window has begun, wakes up as rarely as is possible without breaking a window.
 *
 * Firing is in steps, so that what a timer does may change everything here:
 * @code
 * queue.collect(now);
 * while (auto tick = queue.take()) {
 *     ... // tell tick->owner
 *     queue.finish(*tick);
 * }
 * @endcode
 * Between take() and finish() a timer is not due again, so it cannot recur in itself; the others
 * can, by a collect() and take() from within. All times are those of std::chrono::steady_clock.
 *
 * A change that finds no memory ends the program: several tables hold a timer, and what runs while an
 * exception passes, such as a QTimer's destructor, would find it in some of them.
 */
class TimerQueue {
public:
    using Clock = MonotonicClock;
    using TimePoint = TimerData::TimePoint;
    using Duration = TimerData::Duration;

    TimerQueue() = default;
    TimerQueue(const TimerQueue &) = delete; // Its parts refer to each other.
    TimerQueue &operator=(const TimerQueue &) = delete;

    /// How far from its time a tick may fire; the values are those of Qt::TimerType.
    /// Precise: not before it. Coarse: 5 % of the interval, at most 500 ms; none for 20 ms and
    /// less. VeryCoarse: 500 ms, but at most a quarter of the interval. These are rounded down to
    /// five binary digits, which is 6 % less at most.
    using Accuracy = TimerData::Accuracy;

    struct Info {
        int id;
        Duration interval;
        Accuracy accuracy;
    };

    struct Tick {
        int id;
        void *owner;
        Duration interval;
        std::uint64_t serial; // tells a timer from a later one in the same place
        std::uint32_t index; // the place
    };

    /// Starts a timer; its first tick is @p interval after @p now. A timer that has the same @p id
    /// is replaced. An interval of zero or less is zero: due always, behind all others.
    void add(int id, Duration interval, Accuracy accuracy, void *owner, TimePoint now) noexcept;
    bool remove(int id);
    bool removeAll(void *owner);

    int count() const { return int(m_ids.count()); }
    bool contains(int id) const { return m_ids.find(id) != TimerData::None; }
    /// In the order in which they were started.
    std::vector<Info> timersOf(void *owner) const;
    /// When the next tick of @p id is due, the middle of its window.
    std::optional<TimePoint> due(int id) const;

    /// Until when one may wait; empty if nothing but zero timers is there to wait for.
    std::optional<TimePoint> wakeTime() noexcept;
    /// Whether what is due depends on the time. It does not if nothing but zero timers is there, and none is being fired.
    bool needsTime() const { return m_ids.count() != m_zero.size(); }
    /// Whether a timer of interval zero is there that is not being fired.
    bool hasZeroTimers() const { return !m_zero.empty(); }

    /// Makes take() yield the timers whose window has begun at @p now, by the time at which they
    /// are due, and then those of interval zero; and those that an earlier collect() has left over.
    void collect(TimePoint now) noexcept;
    std::optional<Tick> take();
    /// Schedules the tick after one that take() yielded, unless the timer was removed since.
    void finish(const Tick &tick) noexcept;

private:
    using Index = TimerData::Index;
    using State = TimerData::State;

    /// Of a timer that collect() has found. It is void if the timer was removed since.
    struct Collected {
        TimePoint due; // the end of the clock for a zero timer
        std::uint64_t serial;
        Index timer;
    };

    /// The timers of one tolerance that wait. Their windows begin and end in the order in which they are due, so one
    /// heap has both orders. Tolerances are rounded so that there are few groups, however many intervals there are.
    struct Group {
        Duration tolerance;
        TimerHeap timers;
    };

    unsigned groupOf(unsigned step);
    void findFirst();
    void schedule(Index index);
    void unschedule(Index index);
    void append(std::vector<Index> &list, Index index);
    void remove(std::vector<Index> &list, Index index);
    void sort()
    {
        if (!m_unsorted.empty())
            sortUnsorted();
    }
    void sortUnsorted();
    void release(Index index);
    void collect(Index index);
    bool isValid(const Collected &collected) const;

    TimerPool m_timers;
    TimerIds m_ids{ m_timers };
    TimerOwners m_owners{ m_timers };
    std::uint64_t m_serial = 0;

    /// Started since the last wait. A timer that is stopped before the next one, as a timeout often is, is
    /// never sorted.
    std::vector<Index> m_unsorted;
    static constexpr std::size_t Steps = 416;
    static_assert(Steps <= TimerData::LastGroup + 1);
    std::vector<Group> m_groups; // also those that have become empty
    std::array<std::uint16_t, Steps> m_groupOfStep{}; // one more than the number; 0 if there is none
    bool m_isFirstKnown = false; // what follows is true
    TimePoint m_firstBegin; // of the windows of all groups; the end of the clock if there are none
    TimePoint m_firstEnd;
    std::vector<Index> m_zero;

    std::vector<Collected> m_collected; // those before m_taken were taken
    std::size_t m_taken = 0;
    std::size_t m_left = 0; // how many of m_collected can still be taken
    TimePoint m_now; // of the last collect()
};

#endif
