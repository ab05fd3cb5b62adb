// SPDX-License-Identifier: MIT

#include "activity.h"

#include "stallwatcher.h"

#include "../selector/forks.h"

#include <QtCore/QEvent>
#include <QtCore/QObject>
#include <QtCore/QSocketNotifier>

namespace {

/// A lock of Qt's is between this and the receiver's constructor, which ThreadSanitizer does not see.
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
    StallWatcher::instance().remove(this);
    if (s_current == this)
        s_current = nullptr;
}

void Activity::push(Step step)
{
    if (m_count > 0 && innermost().step == Step::GLibSources)
        innermost().source = g_main_current_source();
    noteState(step);
    if (m_count < MaxLoops)
        ++m_count;
    Loop &loop = innermost();
    loop.step = step;
    loop.isGLibs = false;
    loop.handler.kind = Handler::Kind::None;
}

void Activity::Turn::begin()
{
    Activity &activity = *m_activity;
    if (activity.m_forks != forkCount()) {
        activity.m_forks = forkCount();
        StallWatcher::instance().add(m_activity);
    }
    m_outerCount = activity.m_count;
    m_outerTurn = activity.m_turn;
    activity.push(Step::Awake);
    activity.innermost().place = __builtin_frame_address(0);
    activity.m_turn = activity.m_count - 1;
}

/// What is around the loop begins anew for the watcher: it did not keep the thread in between.
void Activity::Turn::end()
{
    Activity &activity = *m_activity;
    activity.m_turn = m_outerTurn;
    activity.m_count = m_outerCount;
    activity.noteState(m_outerCount > 0 ? activity.innermost().step : Step::Outside);
}

void Activity::enterGLibLoop(Step step, int glibDepth)
{
    int index = m_count - 1;
    while (index > m_turn && m_loops[std::size_t(index)].glibDepth > glibDepth)
        --index; // it is over
    if (index > m_turn && m_loops[std::size_t(index)].glibDepth == glibDepth)
        return enter(index, step);
    m_count = index + 1;
    push(step);
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

void Activity::beginTimer(const QObject *receiver, int id, std::chrono::nanoseconds interval)
{
    if (m_turn < 0)
        return;
    m_count = m_turn + 1; // what was nested in the handler before is over
    begin(Handler::Kind::Timer, __builtin_frame_address(0), receiver, 0, id, interval);
}

void Activity::beginNotifier(const QSocketNotifier *notifier)
{
    if (m_turn < 0)
        return;
    m_count = m_turn + 1;
    begin(Handler::Kind::SocketNotifier, __builtin_frame_address(0), notifier, notifier->type(),
          int(notifier->socket()), {});
}

void Activity::beginPostedEvent(const QObject *receiver, const QEvent *event, const void *place)
{
    m_count = m_turn + 1;
    innermost().handler.event = event;
    begin(event->spontaneous() ? Handler::Kind::WindowSystemEvent : Handler::Kind::PostedEvent, place, receiver,
          event->type(), 0, {});
}
