// SPDX-License-Identifier: MIT

#ifndef WINDOWSYSTEM_H
#define WINDOWSYSTEM_H

#include <QtCore/QAbstractEventDispatcher>

#include <memory>

/**
 * The events of the window system, for a dispatcher whose application is a QGuiApplication.
 *
 * Qt Gui leaves it to the dispatcher to fetch them, and only the platform knows how. So the platform's own
 * dispatcher fetches them. It is never installed, and neither waits nor polls. It also sends the posted events, so
 * it is called in place of QCoreApplication::sendPostedEvents(). The wait needs no descriptor of its own: every
 * platform tells the installed dispatcher by wakeUp(), a socket notifier or a timer that there is something to fetch.
 */
class WindowSystem
{
public:
    WindowSystem();
    ~WindowSystem();

    /// Whether there are windows to serve.
    bool isPresent() { return m_state == State::Present || (m_state == State::Unknown && find()); }
    /// For a thread without windows.
    void disable() { m_state = State::Absent; }

    /// Sends the posted events and then those of the window system. Returns whether it had some. It must be present.
    bool processEvents(QEventLoop::ProcessEventsFlags flags);

    /// Whether processEvents() with @p flags may find input that an earlier call was told to exclude. Nobody announces
    /// that a second time.
    bool hasWork(QEventLoop::ProcessEventsFlags flags) const
    {
        return m_leftInput && !flags.testFlag(QEventLoop::ExcludeUserInputEvents);
    }

    /// The application is about to go, and its platform with it.
    void close();

private:
    enum class State { Unknown, Absent, Present };

    bool find();

    State m_state = State::Unknown;
    bool m_leftInput = false;
    std::unique_ptr<QAbstractEventDispatcher> m_platformDispatcher;
};

#endif
