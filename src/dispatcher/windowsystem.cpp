// SPDX-License-Identifier: MIT

#include "windowsystem.h"
#include "windowsystemplugin.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QLoggingCategory>
#include <QtCore/QThread>

Q_DECLARE_LOGGING_CATEGORY(lcDispatcher)

WindowSystem::WindowSystem() = default;

WindowSystem::~WindowSystem() = default;

void WindowSystem::find()
{
    const QCoreApplication *app = QCoreApplication::instance();
    if (!app)
        return;
    if (app->thread() != QThread::currentThread() || !app->inherits("QGuiApplication")) {
        m_state = State::Absent;
        return;
    }
    QString problem;
    WindowSystemPlugin *plugin = loadWindowSystemPlugin(&problem);
    if (!plugin) {
        qCWarning(lcDispatcher, "GLibEventDispatcher: the windows of this program get no events: %s",
                  qUtf8Printable(problem));
        m_state = State::Absent;
        return;
    }
    m_companion.reset(plugin->createEventDispatcher());
    if (m_companion)
        m_state = State::Present;
}

bool WindowSystem::processCompanion(QEventLoop::ProcessEventsFlags flags)
{
    if (m_state == State::Unknown)
        find();
    if (m_state != State::Present)
        return false;
    flags.setFlag(QEventLoop::WaitForMoreEvents, false);
    const bool hadWork = m_companion->processEvents(flags);
    m_leftInput = flags.testFlag(QEventLoop::ExcludeUserInputEvents);
    return hadWork;
}

void WindowSystem::close()
{
    m_companion.reset();
    m_leftInput = false;
    m_state = State::Unknown;
}
