// SPDX-License-Identifier: MIT

// How long one side waits while the other floods the loop.

#include "measure.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QSocketNotifier>
#include <QtCore/QTimer>

#include <algorithm>
#include <atomic>
#include <thread>

#include <glib-unix.h>
#include <time.h>

using namespace Qt::StringLiterals;

namespace {

/// Something that keeps the loop busy without end from construction to destruction.
class Flood
{
public:
    virtual ~Flood() = default;
    qint64 turns = 0;
};

class PostFlood : public QObject, public Flood
{
public:
    PostFlood() { post(); }

    bool event(QEvent *event) override
    {
        if (event->type() != QEvent::User)
            return QObject::event(event);
        ++turns;
        post();
        return true;
    }

private:
    void post() { QCoreApplication::postEvent(this, new QEvent(QEvent::User)); }
};

class ZeroTimerFlood : public Flood
{
public:
    ZeroTimerFlood()
    {
        QObject::connect(&m_timer, &QTimer::timeout, [this] { ++turns; });
        m_timer.start(0);
    }

private:
    QTimer m_timer;
};

class NotifierFlood : public Flood
{
public:
    NotifierFlood()
    {
        writeByte(m_pair[1]);
        QObject::connect(&m_notifier, &QSocketNotifier::activated, [this] { ++turns; });
    }

private:
    SocketPair m_pair;
    QSocketNotifier m_notifier { m_pair[0], QSocketNotifier::Read };
};

class SourceFlood : public Flood
{
public:
    SourceFlood()
        : m_source(g_idle_add_full(
            G_PRIORITY_DEFAULT,
            [](void *flood) -> gboolean {
                ++static_cast<SourceFlood *>(flood)->turns;
                return G_SOURCE_CONTINUE;
            },
            this, nullptr))
    {
    }
    ~SourceFlood() override { g_source_remove(m_source); }

private:
    const guint m_source;
};

/// Delays between what another thread does every millisecond or so and the answer to it.
class Delays
{
public:
    Delays(const Task &task, int count)
        : m_loop(task), m_count(count), m_round(task.round), m_random(task) { }

    /// The answer; ends the loop after the last one.
    void answer()
    {
        m_delays.append(static_cast<double>(now() - m_asked));
        if (m_delays.size() == m_count)
            m_loop.quit();
        m_asked = 0;
    }

    /// Runs the loop while another thread, on another processor, calls @p ask.
    void run(const std::function<void()> &ask)
    {
        useProcessor(m_round);
        std::thread other([&] {
            useProcessor(m_round + 1);
            for (int i = 0; i < m_count; ++i) {
                timespec pause;
                pause.tv_sec = 0;
                pause.tv_nsec = 500'000 + m_random.below(1'000'000);
                nanosleep(&pause, nullptr);
                m_asked = now();
                ask();
                while (m_asked != 0)
                    nanosleep(&pause, nullptr);
            }
        });
        m_loop.run();
        other.join();
    }

    Values values() const
    {
        return { *std::max_element(m_delays.begin(), m_delays.end()), median(m_delays) };
    }

private:
    Loop m_loop;
    const int m_count;
    const int m_round;
    QList<double> m_delays;
    std::atomic<qint64> m_asked { 0 };
    Random m_random;
};

enum class Victim { GLibFd, GLibInvoke, Notifier, Event };

void runVictim(Victim victim, Delays &delays)
{
    SocketPair pair;
    const auto write = [&pair] { writeByte(pair[1]); };
    switch (victim) {
    case Victim::GLibFd: {
        const auto ready = [](int fd, GIOCondition, void *data) -> gboolean {
            readByte(fd);
            static_cast<Delays *>(data)->answer();
            return G_SOURCE_CONTINUE;
        };
        const guint source = g_unix_fd_add(pair[0], G_IO_IN, ready, &delays);
        delays.run(write);
        g_source_remove(source);
        break;
    }
    case Victim::GLibInvoke:
        delays.run([&delays] {
            const auto invoked = [](void *data) -> gboolean {
                static_cast<Delays *>(data)->answer();
                return G_SOURCE_REMOVE;
            };
            g_main_context_invoke(nullptr, invoked, &delays);
        });
        break;
    case Victim::Notifier: {
        QSocketNotifier notifier(pair[0], QSocketNotifier::Read);
        QObject::connect(&notifier, &QSocketNotifier::activated, [&] {
            readByte(pair[0]);
            delays.answer();
        });
        delays.run(write);
        break;
    }
    case Victim::Event: {
        QObject receiver;
        delays.run([&] {
            QMetaObject::invokeMethod(&receiver, [&delays] { delays.answer(); },
                                      Qt::QueuedConnection);
        });
        break;
    }
    }
}

template<typename FloodType> Values delay(const Task &task, Victim victim)
{
    const int count = sized(task, 200, 5);
    Delays delays(task, count);
    FloodType flood;
    runVictim(victim, delays);
    require(flood.turns > count, "the flood itself was starved");
    return delays.values();
}

}

Family delayFamily()
{
    Family family { u"Delay of one side while the other floods the loop"_s, {} };
    const auto add = [&family](const QString &name, const QString &title, Victim victim,
                               Values (*measure)(const Task &, Victim), bool limit) {
        Workload workload { u"delay/"_s + name, title,
                            { { u"worst of 200"_s }, { u"median"_s } },
                            [=](const Task &task) { return measure(task, victim); } };
        if (limit) {
            workload.measureLimit = workload.measure;
            workload.limit = u"bare GMainLoop"_s;
        }
        workload.needsGLib = true;
        workload.seconds = 0.6;
        workload.figures[0].bounds = { { 3e6, Bound::Nothing } };
        family.workloads.append(workload);
    };
    add(u"glib-fd-under-posts"_s, u"GLib fd, self-posted events"_s,
        Victim::GLibFd, delay<PostFlood>, false);
    add(u"glib-fd-under-zero-timer"_s, u"GLib fd, zero-interval QTimer"_s, Victim::GLibFd,
        delay<ZeroTimerFlood>, false);
    add(u"glib-fd-under-socket"_s, u"GLib fd, notifier always ready"_s, Victim::GLibFd,
        delay<NotifierFlood>, false);
    add(u"glib-invoke-under-posts"_s,
        u"g_main_context_invoke, self-posted events"_s, Victim::GLibInvoke,
        delay<PostFlood>, false);
    add(u"glib-fd-under-source"_s, u"GLib fd, GLib source always ready"_s, Victim::GLibFd,
        delay<SourceFlood>, true);
    add(u"notifier-under-source"_s, u"notifier, GLib source always ready"_s, Victim::Notifier,
        delay<SourceFlood>, false);
    add(u"event-under-source"_s, u"event posted by a thread, GLib source always ready"_s,
        Victim::Event, delay<SourceFlood>, false);
    return family;
}
