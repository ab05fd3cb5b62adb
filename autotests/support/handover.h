// SPDX-License-Identifier: MIT

#ifndef HANDOVER_H
#define HANDOVER_H

#include <QtCore/QObject>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

/**
 * Around what Qt or GLib calls, in whichever thread. Their locks order it after what was done before it
 * was handed to them; ThreadSanitizer cannot see that where they are built without it.
 */
class HandOver
{
public:
    HandOver() { mark(); }
    ~HandOver() { mark(); }
    HandOver(const HandOver &) = delete;
    HandOver &operator=(const HandOver &) = delete;

    static void mark() { s_count.fetch_add(1, std::memory_order_acq_rel); }

private:
    static inline std::atomic<unsigned> s_count{ 0 };
};

/// A function that Qt or GLib may carry to another thread.
template<typename Function>
class HandedOver
{
public:
    explicit HandedOver(Function function)
        : m_function(std::move(function))
    {
    }
    HandedOver(const HandedOver &other)
        : m_function(other.m_function)
    {
        HandOver::mark();
    }
    HandedOver(HandedOver &&other)
        : m_function(std::move(other.m_function))
    {
        HandOver::mark();
    }
    ~HandedOver() { HandOver::mark(); }
    HandedOver &operator=(const HandedOver &) = delete;

    template<typename... Arguments>
    auto operator()(Arguments &&...arguments)
        -> decltype(std::declval<Function &>()(std::forward<Arguments>(arguments)...))
    {
        const HandOver handOver;
        return m_function(std::forward<Arguments>(arguments)...);
    }

private:
    Function m_function;
};

/// An object that is sent events from other threads. Qt reads and writes beside what it calls.
class HandOverReceiver : public QObject
{
protected:
    bool event(QEvent *event) override
    {
        const HandOver handOver;
        return QObject::event(event);
    }
};

/// A semaphore that ThreadSanitizer can see, which QSemaphore is not.
class Semaphore
{
public:
    void release(int count = 1)
    {
        {
            const std::lock_guard lock(m_mutex);
            m_count += count;
        }
        m_condition.notify_all();
    }

    /// False if that takes too long.
    bool acquire(int count = 1, std::chrono::seconds limit = std::chrono::seconds(30))
    {
        std::unique_lock lock(m_mutex);
        if (!m_condition.wait_for(lock, limit, [&] { return m_count >= count; }))
            return false;
        m_count -= count;
        return true;
    }

private:
    std::mutex m_mutex;
    std::condition_variable m_condition;
    int m_count = 0;
};

#endif
