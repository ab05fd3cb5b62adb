// SPDX-License-Identifier: MIT

#include "tracetrack.h"

#include "stallreport.h"
#include "symbols.h"

#include <QtCore/QThread>

#include <algorithm>
#include <cstring>

#include <pthread.h>

namespace {

QByteArray nameOfThread()
{
    QByteArray name = QThread::currentThread()->objectName().toUtf8();
    if (!name.isEmpty())
        return name;
#ifdef Q_OS_LINUX
    char system[16] = "";
    pthread_getname_np(pthread_self(), system, sizeof system);
    return system;
#else
    return "thread";
#endif
}

/// How much of it fits into @p size bytes, without a part of a character.
int lengthOf(const QByteArray &text, int size)
{
    int length = std::min(int(text.size()), size);
    while (length > 0 && length < text.size() && (text[length] & 0xc0) == 0x80)
        --length;
    return length;
}

}

TraceTrack::TraceTrack()
    : m_thread(threadNumber())
    , m_threadName(nameOfThread())
    , m_records(new Record[Capacity]) // not touched before it is used
{
}

const char *TraceTrack::nameOf(Step step)
{
    switch (step) {
    case Step::Outside:
        break;
    case Step::Asleep:
        return "sleeping";
    case Step::Awake:
        return "awake()";
    case Step::Events:
        return "posted events, window events";
    case Step::AboutToBlock:
        return "aboutToBlock()";
    case Step::Preparing:
        return "GLib's prepare and check";
    case Step::GLibSources:
        return "GLib's dispatch";
    case Step::Notifiers:
        return "socket notifiers";
    case Step::Timers:
        return "timers";
    }
    return "";
}

TraceTrack::Time TraceTrack::now(Step step)
{
    m_lastTime = std::chrono::steady_clock::now().time_since_epoch();
    m_last.store(std::uint64_t(m_lastTime.count()) << StepBits | std::uint64_t(step), std::memory_order_relaxed);
    return m_lastTime;
}

void TraceTrack::enter(const Activity &activity, int index, Step step)
{
    const Time last = m_lastTime;
    const Time begin = now(step);
    close(activity, index + 1, last);
    if (index < activity.count()) {
        closeHandler(activity, index, begin);
        closeStep(activity, index, begin);
    }
    Slice &slice = at(index).step;
    slice = Slice();
    slice.begin = begin;
    slice.isOpen = true;
    if (step == Step::Asleep)
        noteBegins(activity, index);
}

void TraceTrack::leave(const Activity &activity, int count)
{
    const Time last = m_lastTime;
    const Time end = now(count > 0 ? activity.loop(count - 1).step : Step::Outside);
    close(activity, count + 1, last);
    close(activity, count, end);
}

void TraceTrack::end(const Activity &activity)
{
    leave(activity, 0);
    m_isOver.store(true, std::memory_order_release);
}

/// A GLib loop of somebody else's ends without a word. What is known is when it was last heard of.
void TraceTrack::close(const Activity &activity, int from, Time now)
{
    for (int i = activity.count() - 1; i >= from; --i) {
        closeHandler(activity, i, now);
        closeStep(activity, i, now);
    }
}

/// A source that has not ended by itself has been left by an exception, and may be gone.
void TraceTrack::closeHandler(const Activity &activity, int index, Time now, bool sourceIsThere)
{
    Loop &loop = at(index);
    Slice &slice = loop.handler;
    if (!slice.isOpen)
        return;
    slice.isOpen = false;
    if (slice.isNoted)
        write(slice, now, Record::Kind::End, "", {});
    else if (now - slice.begin >= ShortestHandler)
        write(slice, now, Record::Kind::Slice, handlerCategory(activity, index),
              handlerName(activity, index, sourceIsThere));
    loop.source = nullptr;
}

void TraceTrack::closeStep(const Activity &activity, int index, Time now)
{
    Slice &slice = at(index).step;
    if (!slice.isOpen)
        return;
    slice.isOpen = false;
    if (slice.isNoted)
        write(slice, now, Record::Kind::End, "", {});
    else if (slice.isWanted || now - slice.begin >= ShortestStep)
        write(slice, now, Record::Kind::Slice, "loop", nameOf(activity.loop(index).step));
}

/// Of what is around the innermost loop.
void TraceTrack::noteBegins(const Activity &activity, int count)
{
    for (int i = 0; i < count; ++i) {
        Loop &loop = at(i);
        if (loop.step.isOpen && !loop.step.isNoted)
            write(loop.step, {}, Record::Kind::Begin, "loop", nameOf(activity.loop(i).step));
        if (loop.handler.isOpen && !loop.handler.isNoted)
            write(loop.handler, {}, Record::Kind::Begin, handlerCategory(activity, i), handlerName(activity, i, true));
    }
}

void TraceTrack::beginHandler(const Activity &activity, int index)
{
    const Time last = m_lastTime;
    const Time begin = now(activity.loop(index).step);
    close(activity, index + 1, last);
    closeHandler(activity, index, begin);
    Slice &slice = at(index).handler;
    slice = Slice();
    slice.begin = begin;
    slice.isOpen = true;
}

void TraceTrack::beginSource(const Activity &activity, const GSource *source, const void *callback, const void *data)
{
    Loop &loop = at(activity.count() - 1);
    if (loop.handler.isOpen)
        return; // it is a part of another one, which runs a context of its own
    loop.source = source;
    loop.callback = callback;
    loop.data = data;
    loop.depth = g_main_depth();
    loop.handler = Slice();
    loop.handler.begin = now(Step::GLibSources);
    loop.handler.isOpen = true;
}

/// A source that its callback destroys gives that back while it is running, too.
void TraceTrack::endSource(const Activity &activity, const void *data)
{
    for (int i = activity.count() - 1; i >= 0; --i) {
        const Loop &loop = at(i);
        if (!loop.handler.isOpen || !loop.source || loop.data != data || loop.depth != g_main_depth())
            continue;
        const Time last = m_lastTime;
        const Time end = now(Step::GLibSources);
        close(activity, i + 1, last);
        closeHandler(activity, i, end, true);
        return;
    }
}

void TraceTrack::noteWaker(int index, const Waker::Note &waker)
{
    if (waker.thread == m_thread)
        return;
    Slice &step = at(index).step;
    step.isWanted = true;
    if (Record *const record = place(Reserve)) {
        record->kind = Record::Kind::WakeUp;
        record->begin = std::min(waker.time, step.begin);
        record->end = step.begin;
        record->waker = waker.thread;
        push();
    }
}

const char *TraceTrack::handlerCategory(const Activity &activity, int index)
{
    switch (activity.loop(index).handler.kind) {
    case Activity::Handler::Kind::None:
        return "GLib source";
    case Activity::Handler::Kind::PostedEvent:
        return "posted event";
    case Activity::Handler::Kind::WindowSystemEvent:
        return "window event";
    case Activity::Handler::Kind::Timer:
        return "timer";
    case Activity::Handler::Kind::SocketNotifier:
        return "socket notifier";
    }
    return "";
}

QByteArray TraceTrack::handlerName(const Activity &activity, int index, bool sourceIsThere)
{
    const Loop &loop = at(index);
    if (loop.source && !sourceIsThere)
        return "GLib source that was left, callback " + symbolAt(loop.callback);
    if (loop.source) {
        StallSample::Source source;
        source.take(loop.source, loop.callback); // the source itself may have given it away
        return StallReport::words(source);
    }
    StallSample::Loop handler;
    handler.take(activity.loop(index), nullptr);
    return StallReport::words(handler);
}

void TraceTrack::write(Slice &slice, Time end, Record::Kind kind, const char *category, const QByteArray &name)
{
    Record *const record = place(kind == Record::Kind::End ? 0 : Reserve);
    if (!record)
        return;
    record->kind = kind;
    record->category = category;
    record->begin = slice.begin;
    record->end = end;
    const int length = lengthOf(name, int(sizeof record->name) - 1);
    std::memcpy(record->name, name.constData(), std::size_t(length));
    record->name[length] = 0;
    slice.isNoted = true;
    push();
}

/// The place for another record, if more than @p reserve are left.
TraceTrack::Record *TraceTrack::place(unsigned reserve)
{
    const unsigned head = m_head.load(std::memory_order_relaxed);
    if (Capacity - (head - m_tail.load(std::memory_order_acquire)) > reserve)
        return &m_records[head % Capacity];
    m_lost.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
}

void TraceTrack::push()
{
    m_head.store(m_head.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

const TraceTrack::Record *TraceTrack::first() const
{
    const unsigned tail = m_tail.load(std::memory_order_relaxed);
    return tail == m_head.load(std::memory_order_acquire) ? nullptr : &m_records[tail % Capacity];
}

void TraceTrack::removeFirst()
{
    m_tail.store(m_tail.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}
