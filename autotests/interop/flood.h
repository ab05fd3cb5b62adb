// SPDX-License-Identifier: MIT

#ifndef FLOOD_H
#define FLOOD_H

#include "interop.h"

#include <algorithm>

/// Work of Qt's that never ends: an event that is posted again by its own handler, a zero timer, or
/// a socket that is always ready.
class Flood
{
public:
    Flood(Work work, std::function<void()> handler)
        : m_handler(std::move(handler))
    {
        switch (work) {
        case Work::PostedEvent:
            post(&m_timer, m_again);
            break;
        case Work::ZeroTimer:
            m_timer.callOnTimeout(m_handler);
            m_timer.start(0);
            break;
        case Work::Notifier:
            m_notifier
                = std::make_unique<QSocketNotifier>(m_channel.writer, QSocketNotifier::Write);
            QObject::connect(m_notifier.get(), &QSocketNotifier::activated, &m_timer, m_handler);
            break;
        default:
            qFatal("no flood of this kind: %s", name(work));
        }
    }
    Q_DISABLE_COPY_MOVE(Flood)

private:
    const std::function<void()> m_handler;
    const std::function<void()> m_again = [this] {
        post(&m_timer, m_again);
        m_handler();
    };
    const Channel m_channel;
    QTimer m_timer;
    std::unique_ptr<QSocketNotifier> m_notifier;
};

/// A flood of Qt's and a GLib source that is always ready, in one loop.
struct Contest
{
    enum Side { Qt, GLib };

    static constexpr int Enough = 500; ///< calls of each side, and nobody starves
    static constexpr int TooMany = 5'000; ///< calls of one side, and the other starves

    Contest(Loop::Kind kind, Work work, int priority)
    {
        Loop loop(kind);
        const auto count = [&](Side side) {
            const Side other = side == Qt ? GLib : Qt;
            ++calls[side];
            row[other] = 0;
            ++row[side];
            if (calls[other] > 0)
                longestRow = std::max(longestRow, row[side]);
            if (std::min(calls[Qt], calls[GLib]) >= Enough || calls[side] >= TooMany)
                loop.quit();
        };
        const GLibSource source(g_idle_source_new(), priority, [&] {
            count(GLib);
            return true;
        });
        const Flood flood(work, [&] { count(Qt); });
        ended = loop.run();
    }

    bool isServed(Side side) const { return calls[side] >= Enough; }

    bool ended = false;
    int calls[2] = {};
    int longestRow = 0; ///< of calls of one side, after both have been called

private:
    int row[2] = {};
};

struct NamedPriority
{
    const char *name;
    int value;
};

constexpr NamedPriority Priorities[] = { { "high", G_PRIORITY_HIGH },
                                         { "default", G_PRIORITY_DEFAULT },
                                         { "high idle", G_PRIORITY_HIGH_IDLE },
                                         { "default idle", G_PRIORITY_DEFAULT_IDLE },
                                         { "low", G_PRIORITY_LOW } };

constexpr Work Floods[] = { Work::PostedEvent, Work::Notifier, Work::ZeroTimer };

#endif
