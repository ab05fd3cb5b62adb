// SPDX-License-Identifier: MIT

// Timers of both sides that are started, changed and deleted.

#include "load.h"

#include <glib.h>

using namespace std::chrono_literals;

namespace {

constexpr int QtTimers = 2000;
constexpr int GLibTimeouts = 300;
constexpr int LongestInterval = 5000; // ms
constexpr auto LongestDelay = 10s;

class Timers : public Load
{
public:
    explicit Timers(Measured &measured)
        : m_measured(measured)
        , m_timers(QtTimers)
        , m_timeouts(GLibTimeouts)
    {
        for (Timer &timer : m_timers)
            make(timer);
        for (Timeout &timeout : m_timeouts) {
            timeout.load = this;
            make(timeout);
        }
    }
    ~Timers() override { Timers::stop(); }

    void stop() override
    {
        for (Timer &timer : m_timers)
            timer.timer.reset();
        for (Timeout &timeout : m_timeouts) {
            if (const guint source = std::exchange(timeout.source, 0))
                g_source_remove(source);
        }
    }

    QByteArray loss() const override
    {
        const Clock::time_point now = Clock::now();
        int late = 0;
        for (const Timer &timer : m_timers)
            late += timer.timer && now - timer.due > LongestDelay;
        for (const Timeout &timeout : m_timeouts)
            late += timeout.source && now - timeout.due > LongestDelay;
        return late ? QByteArray::number(late) + " timers were not served" : QByteArray();
    }

private:
    struct Timer
    {
        std::unique_ptr<QTimer> timer;
        Clock::time_point due;
    };
    struct Timeout
    {
        Timers *load = nullptr;
        guint source = 0;
        Clock::time_point due;
    };

    void make(Timer &timer)
    {
        timer.timer = std::make_unique<QTimer>();
        timer.timer->callOnTimeout([this, &timer] { serve(timer); });
        start(timer);
    }

    void start(Timer &timer)
    {
        const std::chrono::milliseconds interval(1 + random(LongestInterval));
        timer.timer->setTimerType(Qt::TimerType(random(3)));
        timer.timer->start(interval);
        timer.due = Clock::now() + interval;
    }

    void serve(Timer &timer)
    {
        ++operations;
        const Clock::time_point now = Clock::now();
        if (timer.timer->timerType() == Qt::PreciseTimer)
            m_measured.timers.add(now - timer.due);
        switch (random(4)) {
        case 0: // goes on
            timer.due = now + timer.timer->intervalAsDuration();
            break;
        case 1: { // another one in its place, which is deleted in its own handler
            timer.timer.release()->deleteLater();
            make(timer);
            break;
        }
        default:
            start(timer);
            start(m_timers[std::size_t(random(QtTimers))]);
        }
    }

    void make(Timeout &timeout)
    {
        const int interval = 1 + random(LongestInterval);
        timeout.due = Clock::now() + std::chrono::milliseconds(interval);
        timeout.source = g_timeout_add(
            guint(interval),
            [](void *data) -> gboolean {
                auto *const ended = static_cast<Timeout *>(data);
                ++ended->load->operations;
                ended->load->make(*ended);
                return G_SOURCE_REMOVE;
            },
            &timeout);
    }

    Measured &m_measured;
    std::vector<Timer> m_timers;
    std::vector<Timeout> m_timeouts;
};

}

std::unique_ptr<Load> makeTimers(Measured &measured)
{
    return std::make_unique<Timers>(measured);
}
