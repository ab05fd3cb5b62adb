// SPDX-License-Identifier: MIT

#include "stallsample.h"

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

gboolean doNothing(gpointer)
{
    return G_SOURCE_REMOVE;
}

/// What sources have whose callback comes from g_source_set_callback().
const GSourceCallbackFuncs *plainCallbackFuncs = nullptr;

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

void describe(const GSource *source, StallSample::Source *description)
{
    description->source = const_cast<GSource *>(source);
    if (!source)
        return;
    description->name[0] = 0;
    if (source->name)
        std::strncat(description->name, source->name, StallSample::MaxName - 1);
    description->priority = source->priority;
    description->context = source->context;
    description->dispatch = reinterpret_cast<const void *>(source->source_funcs->dispatch);
    description->callback = nullptr;
    // A source that its callback has destroyed has given that away.
    if (source->callback_data && source->callback_funcs == plainCallbackFuncs) {
        GSourceFunc function = nullptr;
        gpointer data = nullptr;
        plainCallbackFuncs->get(source->callback_data, description->source, &function, &data);
        description->callback = reinterpret_cast<const void *>(function);
    }
}

/// @p top is where the stack ends now.
void describe(const Activity::Handler &handler, const void *top, StallSample::Loop *description)
{
    description->kind = handler.kind;
    if (handler.kind == Activity::Handler::Kind::None)
        return;
    if (top && handler.place < top) {
        description->kind = Activity::Handler::Kind::None; // it is over
        return;
    }
    description->vtable = handler.vtable;
    description->type = handler.type;
    description->number = handler.number;
    description->interval = handler.interval;
    const auto length = std::min<qsizetype>(handler.name.size(), StallSample::MaxName - 1);
    std::copy_n(handler.name.constData(), length, reinterpret_cast<QChar *>(description->name));
    description->name[length] = 0;
}

}

void StallSample::prepare()
{
    void *calls[4];
    backtrace(calls, 4);
    GSource *source = g_idle_source_new();
    g_source_set_callback(source, doNothing, nullptr, nullptr);
    plainCallbackFuncs = source->callback_funcs;
    g_source_unref(source);
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
        found.step = loop.step;
        found.isGLibs = loop.isGLibs;
        describe(loop.handler, interrupted.stack, &found);
        describe(isDispatching ? loop.source : nullptr, &found.source);
    }
    if (count > 0 && loops[std::size_t(count - 1)].step == Activity::Step::GLibSources)
        describe(g_main_current_source(), &loops[std::size_t(count - 1)].source);
}
