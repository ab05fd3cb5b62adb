// SPDX-License-Identifier: MIT

#include "glibeventdispatcher.h"
#include "windowsystemplugin.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QLoggingCategory>
#include <QtCore/QThread>

Q_DECLARE_LOGGING_CATEGORY(lcDispatcher)

/**
 * Gives the application that is going to be constructed in this thread a GLibEventDispatcher. Returns whether that
 * has one now. It has none, and a line says why, if it is too late, if the program has set another dispatcher, or if
 * the program is going to have windows (@p withWindows) and no plugin is there that could serve them.
 *
 * It is there for plugin/autoload, which is not linked with Qt, and for plugin/python. Both find it by this name.
 */
extern "C" GLIBEVENTDISPATCHER_EXPORT bool glibeventdispatcher_install(bool withWindows)
{
    const QAbstractEventDispatcher *present = QAbstractEventDispatcher::instance();
    if (qobject_cast<const GLibEventDispatcher *>(present))
        return true;
    if (QCoreApplication::instance()) {
        qCWarning(lcDispatcher, "GLibEventDispatcher: not installed, as the application is there already");
        return false;
    }
    if (present) {
        qCDebug(lcDispatcher, "GLibEventDispatcher: not installed, as the program has set its %s",
                present->metaObject()->className());
        return false;
    }
    QString problem;
    if (withWindows && !loadWindowSystemPlugin(&problem)) {
        qCWarning(lcDispatcher,
                  "GLibEventDispatcher: not installed, as the windows of this program would get no events: %s",
                  qUtf8Printable(problem));
        return false;
    }
    // Not by QCoreApplication: for it the main thread is the first one that Qt was used in, which
    // need not be this one.
    QThread::currentThread()->setEventDispatcher(new GLibEventDispatcher);
    return true;
}
