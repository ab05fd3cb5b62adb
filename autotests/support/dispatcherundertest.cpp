// SPDX-License-Identifier: MIT

#include "dispatcherundertest.h"

#include <GLibEventDispatcher>

namespace DispatcherUnderTest {

Kind kind()
{
    static const Kind kind = [] {
        const QByteArray name = qgetenv("DISPATCHER_UNDER_TEST");
        if (name.isEmpty() || name == "ours")
            return Kind::Ours;
        if (name == "unix")
            return Kind::QtUnix;
        if (name == "glib")
            return Kind::QtGLib;
        qFatal("DISPATCHER_UNDER_TEST=%s: expected ours, unix or glib", name.constData());
    }();
    return kind;
}

void install()
{
    switch (kind()) {
    case Kind::Ours:
        // A GLib dispatcher of Qt's in some worker thread would hide what ours lacks.
        qputenv("QT_NO_GLIB", "1");
        QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
        break;
    case Kind::QtUnix:
        qputenv("QT_NO_GLIB", "1");
        break;
    case Kind::QtGLib:
        qunsetenv("QT_NO_GLIB");
        break;
    }
}

void install(QThread *thread)
{
    if (kind() == Kind::Ours)
        thread->setEventDispatcher(new GLibEventDispatcher);
}

bool isInstalled()
{
    const char *expected = "";
    switch (kind()) {
    case Kind::Ours:
        expected = "GLibEventDispatcher";
        break;
    case Kind::QtUnix:
        expected = "QEventDispatcherUNIX";
        break;
    case Kind::QtGLib:
        expected = "QEventDispatcherGlib";
        break;
    }
    const QAbstractEventDispatcher *dispatcher = QAbstractEventDispatcher::instance();
    return dispatcher && qstrcmp(dispatcher->metaObject()->className(), expected) == 0;
}

}
