// SPDX-License-Identifier: MIT

#include "stallsample.h"

#include "sourcehook.h"

#include <algorithm>
#include <cstring>

#include <execinfo.h>
#include <ucontext.h>

// Everything here runs in a signal handler, so it neither allocates nor locks:
//  - backtrace() does so only when it is first used, which prepare() is for. The unwinder of GCC 12 with glibc 2.35
//    finds its tables without a lock; older ones take the dynamic linker's, which the thread may have itself.
//  - g_main_depth() and g_main_current_source() read a variable of the thread's. A turn of the loop has called the
//    former, so that variable is there.
//  - No QObject is touched: it may be gone. Its name was shared before its handler was called.
//  - A source that is being dispatched is kept by GLib.

namespace {

/// Where the signal has interrupted the thread; nullptr where that is not known.
struct Interrupted
{
    const void *code = nullptr;
    const void *stack = nullptr;

    explicit Interrupted([[maybe_unused]] const void *context)
    {
#if defined(__linux__) && defined(__x86_64__)
        const mcontext_t &machine = static_cast<const ucontext_t *>(context)->uc_mcontext;
        code = reinterpret_cast<const void *>(machine.gregs[REG_RIP]);
        stack = reinterpret_cast<const void *>(machine.gregs[REG_RSP]);
#elif defined(__linux__) && defined(__aarch64__)
        const mcontext_t &machine = static_cast<const ucontext_t *>(context)->uc_mcontext;
        code = reinterpret_cast<const void *>(machine.pc);
        stack = reinterpret_cast<const void *>(machine.sp);
#endif
    }
};

}

void StallSample::Source::take(const GSource *taken, const void *calledBack)
{
    source = const_cast<GSource *>(taken);
    if (!source)
        return;
    name[0] = 0;
    if (source->name)
        std::strncat(name, source->name, MaxName - 1);
    priority = source->priority;
    context = source->context;
    dispatch = reinterpret_cast<const void *>(source->source_funcs->dispatch);
    callback = calledBack;
}

void StallSample::Loop::take(const Activity::Loop &loop, const void *top)
{
    step = loop.step;
    isGLibs = loop.isGLibs;
    const Activity::Handler &handler = loop.handler;
    kind = top && handler.place < top ? Activity::Handler::Kind::None : handler.kind;
    if (kind == Activity::Handler::Kind::None)
        return;
    vtable = handler.vtable;
    type = handler.type;
    number = handler.number;
    interval = handler.interval;
    const auto length = std::min<qsizetype>(handler.name.size(), MaxName - 1);
    std::copy_n(handler.name.constData(), length, reinterpret_cast<QChar *>(name));
    name[length] = 0;
}

void StallSample::prepare()
{
    void *calls[4];
    backtrace(calls, 4);
    findSourceCallbacks();
}

void StallSample::take(const Activity &activity, void *context)
{
    const Interrupted interrupted(context);
    stackEnd = backtrace(stack.data(), MaxStack);
    const auto end = stack.begin() + stackEnd;
    const auto begin = std::find(stack.begin(), end, interrupted.code);
    stackBegin = begin == end ? 0 : int(begin - stack.begin());

    state = activity.state();
    count = 0;
    const int glibDepth = g_main_depth();
    for (int i = 0; i < activity.count(); ++i) {
        const Activity::Loop &loop = activity.loop(i);
        const bool isDispatching = loop.step == Activity::Step::GLibSources;
        if (loop.isGLibs && (loop.step == Activity::Step::Asleep || (isDispatching && glibDepth <= loop.glibDepth)))
            continue; // it is over
        Loop &found = loops[std::size_t(count++)];
        found.take(loop, interrupted.stack);
        const GSource *const source = isDispatching ? loop.source : nullptr;
        found.source.take(source, callbackOf(source));
    }
    if (count > 0 && loops[std::size_t(count - 1)].step == Activity::Step::GLibSources) {
        const GSource *const source = g_main_current_source();
        loops[std::size_t(count - 1)].source.take(source, callbackOf(source));
    }
}
