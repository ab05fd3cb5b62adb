// SPDX-License-Identifier: MIT

#include "activity.h"

#include "stallwatcher.h"
#include "tracer.h"
#include "tracetrack.h"

#include "../selector/forks.h"

#include <QtCore/QEvent>
#include <QtCore/QObject>
#include <QtCore/QSocketNotifier>

#include <algorithm>

namespace {

/// A lock in Qt orders this and the receiver's constructor. ThreadSanitizer does not see it.
__attribute__((no_sanitize("thread"))) const void *vtableOf(const QObject *receiver)
{
    return *reinterpret_cast<const void *const *>(receiver);
}

}

thread_local Activity *Activity::s_current __attribute__((tls_model("initial-exec"))) = nullptr;

Activity::Activity()
    : m_forks(forkCount())
{
    s_current = this;
    StallWatcher::instance().add(this);
}

Activity::~Activity()
{
    if (m_track)
        m_track->end(*this);
    StallWatcher::instance().remove(this);
    if (s_current == this)
        s_current = nullptr;
}

void Activity::trace(int index, Step step)
{
    m_track->enter(*this, index, step);
}

/// A new loop, at @p index or in the last place.
void Activity::push(int index, Step step)
{
    if (index > 0 && loop(index - 1).step == Step::GLibSources)
        m_loops[std::size_t(index - 1)].source = g_main_current_source();
    enter(std::min(index, MaxLoops - 1), step);
    innermost().isGLibs = false;
}

void Activity::Turn::begin()
{
    Activity &activity = *m_activity;
    if (activity.m_forks != forkCount()) {
        activity.m_forks = forkCount();
        StallWatcher::instance().add(m_activity);
    }
    if (activity.m_traces != Tracer::count())
        activity.m_track = Tracer::instance().addTrack(&activity.m_traces);
    activity.dropGLibLoops();
    m_outerCount = activity.m_count;
    m_outerTurn = activity.m_turn;
    activity.push(activity.m_count, Step::Awake);
    activity.innermost().place = __builtin_frame_address(0);
    activity.m_turn = activity.m_count - 1;
}

/// What is around the loop begins anew for the watcher: it did not keep the thread in between.
void Activity::Turn::end()
{
    Activity &activity = *m_activity;
    if (activity.m_track)
        activity.m_track->leave(activity, m_outerCount);
    activity.m_turn = m_outerTurn;
    activity.m_count = m_outerCount;
    activity.noteState(m_outerCount > 0 ? activity.innermost().step : Step::Outside);
}

/// GLib loops that are not around the turn that begins now are over.
void Activity::dropGLibLoops()
{
    if (m_count - 1 <= m_turn)
        return;
    const int glibDepth = g_main_depth();
    int count = m_count;
    while (count - 1 > m_turn && m_loops[std::size_t(count - 1)].glibDepth >= glibDepth)
        --count;
    if (m_track && count < m_count)
        m_track->drop(*this, count);
    m_count = count;
}

void Activity::enterGLibLoop(Step step, int glibDepth)
{
    int index = m_count - 1;
    while (index > m_turn && m_loops[std::size_t(index)].glibDepth > glibDepth)
        --index; // it is over
    if (index > m_turn && m_loops[std::size_t(index)].glibDepth == glibDepth)
        return enter(index, step);
    push(index + 1, step);
    innermost().isGLibs = true;
    innermost().glibDepth = glibDepth;
}

void Activity::begin(Handler::Kind kind, const void *place, const QObject *receiver, int type, int number,
                     std::chrono::nanoseconds interval)
{
    Handler &handler = innermost().handler;
    noteState(innermost().step);
    handler.kind = Handler::Kind::None;
    std::atomic_signal_fence(std::memory_order_release);
    handler.place = place;
    handler.vtable = vtableOf(receiver);
    handler.name = receiver->objectName();
    handler.type = type;
    handler.number = number;
    handler.interval = interval;
    std::atomic_signal_fence(std::memory_order_release); // a signal handler sees all of it or nothing
    handler.kind = kind;
}

void Activity::endHandler()
{
    if (m_track)
        m_track->beginHandler(*this, m_turn);
    m_count = m_turn + 1;
}

void Activity::beginTimer(const QObject *receiver, int id, std::chrono::nanoseconds interval)
{
    if (m_turn < 0)
        return;
    endHandler();
    begin(Handler::Kind::Timer, __builtin_frame_address(0), receiver, 0, id, interval);
}

void Activity::beginNotifier(const QSocketNotifier *notifier)
{
    if (m_turn < 0)
        return;
    endHandler();
    begin(Handler::Kind::SocketNotifier, __builtin_frame_address(0), notifier, notifier->type(),
          int(notifier->socket()), {});
}

void Activity::beginPostedEvent(const QObject *receiver, const QEvent *event, const void *place)
{
    endHandler();
    innermost().handler.event = event;
    begin(event->spontaneous() ? Handler::Kind::WindowSystemEvent : Handler::Kind::PostedEvent, place, receiver,
          event->type(), 0, {});
}

void Activity::beginSource(const GSource *source, const void *callback, const void *data)
{
    if (!m_track || m_count == 0)
        return;
    // GLib does not ask our sources after the poll if it has found one of a higher priority.
    const Loop &loop = innermost();
    if (loop.isGLibs && loop.step == Step::Asleep && loop.glibDepth == g_main_depth())
        enter(m_count - 1, Step::GLibSources);
    if (loop.step == Step::GLibSources)
        m_track->beginSource(*this, source, callback, data);
}

void Activity::endSource(const void *data)
{
    if (m_track)
        m_track->endSource(*this, data);
}

void Activity::noteWaker(const Waker::Note &waker)
{
    if (waker.thread && m_track && m_turn >= 0)
        m_track->noteWaker(m_turn, waker);
}
