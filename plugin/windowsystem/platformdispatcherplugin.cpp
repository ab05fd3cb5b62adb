// SPDX-License-Identifier: MIT

#include "windowsystemplugin.h"

#include <QtCore/QObject>

#include <QtGui/private/qguiapplication_p.h>
#include <QtGui/qpa/qplatformintegration.h>

#include <vector>

#include <unistd.h>

namespace {

/**
 * Sets QT_NO_GLIB in the environment for as long as it exists.
 *
 * Qt's GLib dispatcher would attach sources to the context that ours runs, and this variable is the only way to
 * have a platform create another one. By now other threads may run (X11's, D-Bus's), so setenv() is no choice: it
 * may free the array of variables while a getenv() in one of them reads it. Therefore a longer copy takes the
 * array's place by the store of one pointer, and the array comes back in the same way. Neither is ever freed or
 * changed, and the strings are the same ones, so a getenv() at any time is right. If another thread adds a variable
 * meanwhile, that is kept.
 */
class EnvironmentWithoutGLib
{
public:
    EnvironmentWithoutGLib()
        : m_before(environ)
    {
        if (!qEnvironmentVariableIsEmpty(Name))
            return;
        // In a static variable, so that leak checkers find them.
        static auto *copies = new std::vector<std::vector<char *>>;
        static char setting[] = "QT_NO_GLIB=1";
        std::vector<char *> copy{setting}; // in front of an empty one
        for (char **variable = m_before; variable && *variable; ++variable)
            copy.push_back(*variable);
        copy.push_back(nullptr);
        copies->push_back(std::move(copy));
        m_copy = copies->back().data();
        environ = m_copy;
    }

    ~EnvironmentWithoutGLib()
    {
        if (environ == m_copy)
            environ = m_before;
        else if (m_copy) // setenv() has made another one
            qunsetenv(Name);
    }

    Q_DISABLE_COPY_MOVE(EnvironmentWithoutGLib)

private:
    static constexpr char Name[] = "QT_NO_GLIB";
    char **const m_before;
    char **m_copy = nullptr;
};

}

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
        const EnvironmentWithoutGLib environment;
        return platform->createEventDispatcher();
    }
};

#include "platformdispatcherplugin.moc"
