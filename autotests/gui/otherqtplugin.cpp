// SPDX-License-Identifier: MIT

#include "windowsystemplugin.h"

#include <QtCore/QObject>

/// A plugin that says it was built for some other version of Qt, and must not be used.
class OtherQtPlugin : public QObject, public WindowSystemPlugin
{
    Q_OBJECT
    Q_PLUGIN_METADATA(IID WindowSystemPlugin_iid FILE "otherqt.json")
    Q_INTERFACES(WindowSystemPlugin)

public:
    QAbstractEventDispatcher *createEventDispatcher() override { qFatal("used"); }
};

#include "otherqtplugin.moc"
