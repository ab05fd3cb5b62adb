// SPDX-License-Identifier: MIT

#include "windowsystem.h"
#include "windowsystemplugin.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QLoggingCategory>
#include <QtCore/QThread>

Q_DECLARE_LOGGING_CATEGORY(lcDispatcher)

WindowSystem::WindowSystem() = default;

WindowSystem::~WindowSystem() = default;

bool WindowSystem::find()
{
    const QCoreApplication *app = QCoreApplication::instance();
    if (!app)
        return false;
    if (app->thread() != QThread::currentThread() || !app->inherits("QGuiApplication")) {
        m_state = State::Absent;
        return false;
    }
    QString problem;
    WindowSystemPlugin *plugin = loadWindowSystemPlugin(&problem);
    if (!plugin) {
        qCWarning(lcDispatcher, "GLibEventDispatcher: the windows of this program get no events: %s",
                  qUtf8Printable(problem));
        m_state = State::Absent;
        return false;
    }
    m_platformDispatcher.reset(plugin->createEventDispatcher());
    if (!m_platformDispatcher)
        return false;
    // Qt's dispatchers send the posted events between this signal and their poll, and do not poll when they were
    // interrupted.
    QObject::connect(m_platformDispatcher.get(), &QAbstractEventDispatcher::awake, m_platformDispatcher.get(),
                     [dispatcher = m_platformDispatcher.get()] { dispatcher->interrupt(); });
    m_state = State::Present;
    return true;
}

bool WindowSystem::processEvents(QEventLoop::ProcessEventsFlags flags)
{
    flags.setFlag(QEventLoop::WaitForMoreEvents, false);
    // A handler may run a loop that excludes input, after this one has fetched it.
    const bool excludesInput = flags.testFlag(QEventLoop::ExcludeUserInputEvents);
    m_leftInput = m_leftInput && excludesInput;
    const bool hadWork = m_platformDispatcher->processEvents(flags);
    m_leftInput = m_leftInput || excludesInput;
    return hadWork;
}

void WindowSystem::close()
{
    m_platformDispatcher.reset();
    m_leftInput = false;
    m_state = State::Unknown;
}
