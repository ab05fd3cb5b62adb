// SPDX-License-Identifier: MIT

#include "sourcehook.h"

#include "activity.h"

#ifdef __linux__
#    include <sys/uio.h>
#    include <unistd.h>
#endif

namespace {

/// What sources have whose callback comes from g_source_set_callback().
GSourceCallbackFuncs *table = nullptr;
GSourceCallbackFuncs original;

gboolean doNothing(gpointer)
{
    return G_SOURCE_REMOVE;
}

/// GLib's dispatch calls it, with the context locked and the source marked as running. GLib's search for a source by its
/// data, as in g_source_remove_by_user_data(), calls it too, for each source it looks at.
void getCallback(gpointer data, GSource *source, GSourceFunc *function, gpointer *userData)
{
    original.get(data, source, function, userData);
    if (!(source->flags & G_HOOK_FLAG_IN_CALL))
        return;
    if (Activity *activity = Activity::current())
        activity->beginSource(source, reinterpret_cast<const void *>(*function), data);
}

/// Whoever gives a callback back.
void unrefCallback(gpointer data)
{
    if (Activity *activity = Activity::current())
        activity->endSource(data);
    original.unref(data);
}

/// Whether it has stayed what GLib documents its tables to be: no constant.
bool isWritable([[maybe_unused]] GSourceCallbackFuncs *funcs)
{
#ifdef __linux__
    // A write that fails with an error where an assignment would end the program. It writes what is there.
    GSourceCallbackFuncs same = *funcs;
    const iovec from{&same, sizeof same};
    const iovec to{funcs, sizeof same};
    return process_vm_writev(getpid(), &from, 1, &to, 1, 0) == ssize_t(sizeof same);
#else
    return false;
#endif
}

template<typename Function>
void replace(Function *place, Function replacement)
{
    __atomic_store_n(place, replacement, __ATOMIC_RELEASE); // other threads call it meanwhile
}

}

void findSourceCallbacks()
{
    static const bool isFound = [] {
        GSource *source = g_idle_source_new();
        g_source_set_callback(source, doNothing, nullptr, nullptr);
        table = source->callback_funcs;
        original = *table;
        g_source_unref(source);
        return true;
    }();
    static_cast<void>(isFound);
}

const void *callbackOf(const GSource *source)
{
    // A source that its callback has destroyed has given that away.
    if (!source || !source->callback_data || source->callback_funcs != table)
        return nullptr;
    GSourceFunc function = nullptr;
    gpointer data = nullptr;
    original.get(source->callback_data, const_cast<GSource *>(source), &function, &data);
    return reinterpret_cast<const void *>(function);
}

bool hookSources()
{
    findSourceCallbacks();
    if (!isWritable(table))
        return false;
    replace(&table->get, getCallback);
    replace(&table->unref, unrefCallback);
    return true;
}
