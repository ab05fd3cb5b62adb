// SPDX-License-Identifier: MIT

#include "eventhook.h"

#include "activity.h"

#include <QtCore/QEvent>
#include <QtCore/QObject>

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
    QInternal::registerCallback(QInternal::EventNotifyCallback, noteEvent);
}
