// SPDX-License-Identifier: MIT

#ifndef TIMERPOOL_H
#define TIMERPOOL_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

/// A timer as the queue stores it. Programs can have many, so there is no padding.
struct TimerData {
    using TimePoint = std::chrono::steady_clock::time_point;
    using Duration = std::chrono::nanoseconds;
    using Index = std::uint32_t; // in the TimerPool
    static constexpr Index None = Index(-1);
    static constexpr std::uint64_t LastSerial = (std::uint64_t(1) << 49) - 1;
    static constexpr unsigned LastGroup = (1u << 9) - 1;

    enum class Accuracy : std::uint8_t { Precise, Coarse, VeryCoarse };
    enum class State : std::uint8_t { Free, Unsorted, Waiting, Zero, Collected, Firing };

    TimePoint due;
    Duration interval;
    void *owner;
    std::uint64_t serial : 49; // the order in which timers were started
    std::uint64_t group : 9; // in the queue, of timers with the same tolerance
    Accuracy accuracy : 2;
    State state : 4;
    int id;
    Index previousOfOwner;
    Index nextOfOwner;
    Index position; // in a heap or a list; the next free timer, if this one is free
};

static_assert(sizeof(void *) != 8 || sizeof(TimerData) == 48);

/**
 * The memory of all timers. It grows by chunks: no timer moves, and none of the memory is a
 * reserve, as half of a std::vector can be.
 */
class TimerPool {
public:
    using Index = TimerData::Index;

    TimerData &operator[](Index index) { return m_chunks[index / ChunkSize][index % ChunkSize]; }
    const TimerData &operator[](Index index) const
    {
        return m_chunks[index / ChunkSize][index % ChunkSize];
    }

    Index allocate()
    {
        if (m_firstFree == TimerData::None)
            grow();
        const Index index = m_firstFree;
        m_firstFree = (*this)[index].position;
        return index;
    }

    void release(Index index)
    {
        TimerData &timer = (*this)[index];
        timer.state = TimerData::State::Free;
        timer.position = m_firstFree;
        m_firstFree = index;
    }

private:
    static constexpr Index ChunkSize = 32;

    void grow()
    {
        const Index first = Index(m_chunks.size()) * ChunkSize;
        // If there is no memory, nothing may have to be destroyed: GCC 14 would call std::terminate() with a wrong pointer to the
        // exception, and the program would end without a reason.
        m_chunks.emplace_back().reset(new TimerData[ChunkSize]());
        for (Index index = first + ChunkSize; index-- > first;)
            release(index);
    }

    std::vector<std::unique_ptr<TimerData[]>> m_chunks;
    Index m_firstFree = TimerData::None;
};

#endif
