// SPDX-License-Identifier: MIT

#ifndef WINDOWSYSTEMPLUGIN_H
#define WINDOWSYSTEMPLUGIN_H

#include <QtCore/QString>
#include <QtCore/QtPlugin>

class QAbstractEventDispatcher;

/// What a Qt plugin has to offer for the dispatcher to serve windows: plugin/windowsystem.
class WindowSystemPlugin
{
public:
    virtual ~WindowSystemPlugin() = default;
    /// A new dispatcher of the platform's own making, for the caller to delete. nullptr as long as
    /// the application has no platform yet.
    virtual QAbstractEventDispatcher *createEventDispatcher() = 0;
};

#define WindowSystemPlugin_iid "GLibEventDispatcher.WindowSystemPlugin/1"
Q_DECLARE_INTERFACE(WindowSystemPlugin, WindowSystemPlugin_iid)

/**
 * Loads the plugin that fits the Qt of this process. It is the same one each time, and Qt keeps it.
 *
 * It needs no application, so it can be asked whether windows could be served before there is one. If
 * no plugin fits it returns nullptr, and @p problem becomes what is missing, where it was looked for,
 * why each one that was found is of no use, and how to get one.
 */
WindowSystemPlugin *loadWindowSystemPlugin(QString *problem);

#endif
