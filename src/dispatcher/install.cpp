// SPDX-License-Identifier: MIT

#include "glibeventdispatcher.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QLoggingCategory>
#include <QtCore/QThread>

Q_DECLARE_LOGGING_CATEGORY(lcDispatcher)

/**
 * Gives the application that is going to be constructed in this thread a GLibEventDispatcher,
 * unless it is too late for that or the program has set a dispatcher of its own.
 *
 * It is there for plugin/autoload, which is not linked with Qt and finds it by this name.
 */
extern "C" GLIBEVENTDISPATCHER_EXPORT void glibeventdispatcher_install()
{
    if (QCoreApplication::instance()) {
        qCDebug(lcDispatcher, "GLibEventDispatcher: not installed, as the application is there already");
        return;
    }
    if (const QAbstractEventDispatcher *present = QAbstractEventDispatcher::instance()) {
        qCDebug(lcDispatcher, "GLibEventDispatcher: not installed, as the program has set its %s",
                present->metaObject()->className());
        return;
    }
    // Not by QCoreApplication: for it the main thread is the first one that Qt was used in, which
    // need not be this one.
    QThread::currentThread()->setEventDispatcher(new GLibEventDispatcher);
}
