// SPDX-License-Identifier: MIT

#include "stallreport.h"

#include "symbols.h"

#include <QtCore/QEvent>
#include <QtCore/QMetaEnum>

namespace {

using Kind = Activity::Handler::Kind;
using Step = Activity::Step;

QByteArray milliseconds(StallReport::Duration duration)
{
    return QByteArray::number(qlonglong(std::chrono::round<std::chrono::milliseconds>(duration).count())) + " ms";
}

QByteArray threadName(long thread)
{
    return "thread " + QByteArray::number(qlonglong(thread));
}

QByteArray eventName(int type)
{
    if (type > QEvent::User)
        return "QEvent::User+" + QByteArray::number(type - QEvent::User);
    const char *name = QMetaEnum::fromType<QEvent::Type>().valueToKey(QEvent::Type(type));
    return name ? QByteArray("QEvent::") + name : "event " + QByteArray::number(type);
}

QByteArray receiver(const StallSample::Loop &loop)
{
    QByteArray text = classOf(loop.vtable);
    if (loop.name[0])
        text += " \"" + QString::fromUtf16(loop.name).toUtf8() + '"';
    return text;
}

QByteArray describe(Step step)
{
    switch (step) {
    case Step::Outside:
    case Step::Asleep:
        return "a poll";
    case Step::Awake:
        return "a slot connected to awake()";
    case Step::Events:
        return "the window system or the search for posted events";
    case Step::AboutToBlock:
        return "a slot connected to aboutToBlock()";
    case Step::Preparing:
        return "the prepare or check function of a GLib source";
    case Step::GLibSources:
        return "GLib's sources";
    case Step::Notifiers:
        return "the socket notifiers";
    case Step::Timers:
        return "the timers";
    }
    return {};
}

}

QByteArray StallReport::words(const StallSample::Source &source)
{
    if (!source.source)
        return "GLib's sources";
    QByteArray text = "GLib source ";
    text += source.name[0] ? '"' + QByteArray(source.name) + '"' : QByteArray("without a name");
    if (source.callback)
        text += ", callback " + symbolAt(source.callback);
    else if (source.dispatch)
        text += ", dispatched by " + symbolAt(source.dispatch);
    text += ", priority " + QByteArray::number(source.priority);
    if (!source.context)
        return text + ", destroyed";
    if (source.context == g_main_context_default())
        return text + ", default context";
    return text + ", context 0x" + QByteArray::number(qulonglong(reinterpret_cast<quintptr>(source.context)), 16);
}

QByteArray StallReport::words(const StallSample::Loop &loop)
{
    switch (loop.kind) {
    case Kind::None:
        return loop.step == Step::GLibSources ? words(loop.source) : describe(loop.step);
    case Kind::PostedEvent:
        return "posted event " + eventName(loop.type) + " to " + receiver(loop);
    case Kind::WindowSystemEvent:
        return "window-system event " + eventName(loop.type) + " to " + receiver(loop);
    case Kind::Timer:
        return "timer " + QByteArray::number(loop.number) + " (interval " + milliseconds(loop.interval) + ") of "
            + receiver(loop);
    case Kind::SocketNotifier:
        static constexpr const char *types[] = {"Read", "Write", "Exception"};
        return "socket notifier (descriptor " + QByteArray::number(loop.number) + ", type "
            + types[std::size_t(loop.type) % std::size(types)] + ") " + receiver(loop);
    }
    return {};
}

QByteArray StallReport::culprit(const StallSample &sample)
{
    return words(*sample.innermost());
}

QByteArray StallReport::text(const StallSample &sample, long thread, Duration taken, const QByteArray &culprit)
{
    QByteArray text = "GLibEventDispatcher: " + threadName(thread) + " has been kept for " + milliseconds(taken) + " by "
        + culprit;
    for (int i = 0; i < sample.count; ++i) {
        const StallSample::Loop &loop = sample.loops[std::size_t(i)];
        text += (loop.isGLibs ? "\n  in a GLib loop: " : "\n  in a Qt loop: ") + words(loop);
    }
    text += "\n  stack, the innermost call first:";
    for (int i = sample.stackBegin; i < sample.stackEnd; ++i) {
        const void *address = sample.stack[std::size_t(i)];
        text += "\n    " + (i == sample.stackBegin ? symbolAt(address) : callerAt(address));
    }
    return text;
}

QByteArray StallReport::silentText(long thread, Duration taken)
{
    return "GLibEventDispatcher: " + threadName(thread) + " has been kept for " + milliseconds(taken)
        + ", and takes no signal, so nothing can be said about it: it blocks them, or is in a system call that nothing "
          "interrupts";
}

QByteArray StallReport::endText(long thread, const QByteArray &culprit, Duration taken)
{
    return "GLibEventDispatcher: " + threadName(thread) + " goes on after about " + milliseconds(taken) + ": it was "
        + culprit;
}

QByteArray StallReport::totalText(const QByteArray &culprit, int count, Duration longest, Duration sum)
{
    return "GLibEventDispatcher: " + QByteArray::number(count) + (count == 1 ? " stall" : " stalls")
        + ", longest " + milliseconds(longest) + ", total " + milliseconds(sum) + ": " + culprit;
}
