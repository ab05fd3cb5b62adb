// SPDX-License-Identifier: MIT

// GLib's sources under a loop of Qt's, against a bare GMainLoop.

#include "measure.h"

#include <QtCore/QSocketNotifier>
#include <QtCore/QTimer>

#include <cmath>
#include <limits>
#include <vector>

#include <glib-unix.h>

using namespace Qt::StringLiterals;

namespace {

Values source(const Task &task)
{
    Loop loop(task);
    return perOperation(task, [&](qint64 count) -> Values {
        struct State
        {
            Loop *loop;
            qint64 left;
        } state { &loop, count };
        const auto dispatched = [](void *data) -> gboolean {
            State *const self = static_cast<State *>(data);
            if (--self->left > 0)
                return G_SOURCE_CONTINUE;
            self->loop->quit();
            return G_SOURCE_REMOVE;
        };
        const qint64 start = now();
        g_idle_add_full(G_PRIORITY_DEFAULT, dispatched, &state, nullptr);
        loop.run();
        const qint64 end = now();
        require(state.left == 0, "the source was dispatched after it was removed");
        return { static_cast<double>(end - start) };
    });
}

Values fdPingPong(const Task &task)
{
    struct State
    {
        Loop loop;
        qint64 hops;
        bool asExpected;
    } state { Loop(task), 0, true };

    std::vector<SocketPair> idlePairs(static_cast<size_t>(task.size));
    std::vector<std::unique_ptr<QSocketNotifier>> idle;
    for (const SocketPair &pair : idlePairs)
        idle.push_back(std::make_unique<QSocketNotifier>(pair[0], QSocketNotifier::Read));

    SocketPair pair;
    const auto ready = [](int fd, GIOCondition, void *data) -> gboolean {
        State *const self = static_cast<State *>(data);
        self->asExpected = readByte(fd) && self->asExpected;
        if (--self->hops > 0)
            self->asExpected = writeByte(fd) && self->asExpected;
        else
            self->loop.quit();
        return G_SOURCE_CONTINUE;
    };
    const guint here = g_unix_fd_add(pair[0], G_IO_IN, ready, &state);
    const guint there = g_unix_fd_add(pair[1], G_IO_IN, ready, &state);
    const Values values = perOperation(task, [&](qint64 count) -> Values {
        state.hops = 2 * count;
        const qint64 start = now();
        writeByte(pair[0]);
        state.loop.run();
        const qint64 end = now();
        require(state.asExpected && state.hops == 0, "a source was dispatched that was not ready");
        return { static_cast<double>(end - start) };
    });
    g_source_remove(here);
    g_source_remove(there);
    return values;
}

Values idleBesideZeroTimer(const Task &task)
{
    struct State
    {
        Loop loop;
        qint64 deadline;
        double callbacks;
        void look()
        {
            if (now() >= deadline)
                loop.quit();
        }
    } state { Loop(task), 0, 0 };

    double firings = 0;
    QTimer timer;
    QObject::connect(&timer, &QTimer::timeout, [&] {
        ++firings;
        state.look();
    });
    const auto dispatched = [](void *data) -> gboolean {
        State *const self = static_cast<State *>(data);
        ++self->callbacks;
        self->look();
        return G_SOURCE_CONTINUE;
    };
    const guint idle = g_idle_add(dispatched, &state);
    timer.start(0);
    state.deadline = now() + sized(task, 200, 10) * qint64(1'000'000);
    state.loop.run();
    g_source_remove(idle);
    require(firings > 0, "the zero timer was starved");
    return { state.callbacks > 0 ? firings / state.callbacks
                                 : std::numeric_limits<double>::infinity() };
}

}

Family glibFamily()
{
    const QString bare = u"bare GMainLoop"_s;

    Workload dispatch { u"glib-source"_s, u"GLib source at default priority"_s,
                        { { u"per dispatch"_s } }, source, source, bare };
    dispatch.needsGLib = true;
    dispatch.figures[0].bounds = { { 1.05, Bound::Limit } };

    Workload pingPong { u"glib-fd-pingpong/0"_s, u"GLib fd ping-pong, alone"_s,
                        { { u"per round trip"_s } }, fdPingPong, fdPingPong, bare };
    pingPong.needsGLib = true;
    pingPong.figures[0].bounds = { { 1.05, Bound::Limit } };

    Workload beside = pingPong;
    beside.name = u"glib-fd-pingpong/1000"_s;
    beside.title = u"GLib fd ping-pong, beside 1000 idle notifiers"_s;
    beside.size = 1000;
    beside.descriptors = 2000;
    beside.figures[0].bounds.clear();
    // The notifiers are Qt's, so the limit is what it is without them.
    beside.measureLimit = [](Task task) {
        task.size = 0;
        return fdPingPong(task);
    };

    Workload idle { u"glib-idle-beside-zero-timer"_s, u"g_idle beside a zero-interval QTimer"_s,
                    { { u"timer firings per g_idle"_s, Unit::Times } }, idleBesideZeroTimer };
    idle.needsGLib = true;
    idle.figures[0].bounds = { { 2, Bound::Nothing } };

    Family family { u"GLib's sources under Qt's loop"_s, { dispatch, pingPong, beside, idle } };
    for (Workload &workload : family.workloads)
        workload.isPinned = true;
    return family;
}
