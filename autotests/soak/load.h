// SPDX-License-Identifier: MIT

#ifndef LOAD_H
#define LOAD_H

#include <QtCore/QByteArray>
#include <QtCore/QTimer>

#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <vector>

using Clock = std::chrono::steady_clock;

/// How long things took since they were last asked for.
class Latencies
{
public:
    void add(Clock::duration latency) { m_values.push_back(latency); }
    /// Returns the one that @p part of them are shorter than, and 0 if there are none.
    Clock::duration quantile(double part);
    void clear() { m_values.clear(); }

private:
    std::vector<Clock::duration> m_values;
};

/// Something that keeps the main thread busy, from construction to stop().
class Load : public QObject
{
public:
    /// Begins nothing more.
    virtual void stop() { m_timer.stop(); }
    /// Of what was begun, what has not come to its end.
    virtual int pending() const { return m_pending; }
    /// What should have happened long ago, or nothing.
    virtual QByteArray loss() const { return {}; }

    qint64 operations = 0;

protected:
    /// Calls @p begin every now and then, until stop().
    void repeat(std::chrono::milliseconds interval, const std::function<void()> &begin)
    {
        m_timer.callOnTimeout(begin);
        m_timer.start(interval);
    }
    void begin() { ++m_pending; }
    void end()
    {
        --m_pending;
        ++operations;
    }
    int random(int below) { return int(m_random() % std::mt19937::result_type(below)); }

private:
    QTimer m_timer;
    int m_pending = 0;
    std::mt19937 m_random{1};
};

/// What is measured while they run.
struct Measured
{
    Latencies posted; ///< From an event's posting in another thread to its handler
    Latencies invoked; ///< ... and a GLib source's
    Latencies echoes; ///< From a byte's sending to another socket, and back
    Latencies timers; ///< How late precise timers were.
};

std::unique_ptr<Load> makeSockets(Measured &measured);
std::unique_ptr<Load> makeTimers(Measured &measured);
std::unique_ptr<Load> makeThreads(Measured &measured);
std::unique_ptr<Load> makePipelines();
std::unique_ptr<Load> makeWindows();

#endif
