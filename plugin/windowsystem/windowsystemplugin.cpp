// SPDX-License-Identifier: MIT

#include "windowsystem.h"

#include <QtCore/QObject>

#include <QtGui/private/qguiapplication_p.h>
#include <QtGui/qpa/qplatformintegration.h>

class PlatformDispatcherPlugin : public QObject, public WindowSystemPlugin
{
    Q_OBJECT
    Q_PLUGIN_METADATA(IID WindowSystemPlugin_iid FILE "windowsystem.json")
    Q_INTERFACES(WindowSystemPlugin)

public:
    QAbstractEventDispatcher *createEventDispatcher() override
    {
        const QPlatformIntegration *platform = QGuiApplicationPrivate::platformIntegration();
        if (!platform)
            return nullptr;
        // A GLib dispatcher of Qt's would attach sources to the context that ours runs.
        const QByteArray before = qgetenv("QT_NO_GLIB");
        const bool wasSet = qEnvironmentVariableIsSet("QT_NO_GLIB");
        qputenv("QT_NO_GLIB", "1");
        QAbstractEventDispatcher *dispatcher = platform->createEventDispatcher();
        if (wasSet)
            qputenv("QT_NO_GLIB", before);
        else
            qunsetenv("QT_NO_GLIB");
        return dispatcher;
    }
};

#include "windowsystemplugin.moc"
