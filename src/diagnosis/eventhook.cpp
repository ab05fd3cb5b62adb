// SPDX-License-Identifier: MIT

#include "eventhook.h"

#include "activity.h"

#include <QtCore/QEvent>
#include <QtCore/QObject>

#include <dlfcn.h>

namespace {

/// Qt calls it in the thread that is going to handle the event. Returns false: Qt is to go on with it.
bool noteEvent(void **data)
{
    if (Activity *activity = Activity::current())
        activity->beginEvent(static_cast<const QObject *>(data[0]), static_cast<const QEvent *>(data[1]), data);
    return false;
}

}

void hookEvents()
{
    static std::atomic<bool> isDone{false};
    if (isDone.exchange(true))
        return;
    // Qt and the system call what is in this library, and will after a dlclose().
    Dl_info info;
    if (dladdr(&isDone, &info) && info.dli_fname)
        dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
    QInternal::registerCallback(QInternal::EventNotifyCallback, noteEvent);
}
