// SPDX-License-Identifier: MIT

#ifndef WINDOWSYSTEM_H
#define WINDOWSYSTEM_H

#include <QtCore/QAbstractEventDispatcher>

#include <memory>

/**
 * The events of the window system, for a dispatcher whose application is a QGuiApplication.
 *
 * Qt Gui leaves it to the dispatcher to fetch them, and which one can is the platform's secret (on X11
 * there is no other way). So the platform's own dispatcher is kept as a companion: never
 * installed, never waiting, it gets one processEvents() in each turn. It needs no descriptor of its
 * own in the wait: every platform tells the installed dispatcher by wakeUp(), a socket notifier or a
 * timer that there is something to fetch.
 */
class WindowSystem
{
public:
    WindowSystem();
    ~WindowSystem();

    /// Delivers what has come, if there are windows at all. Answers whether there was something.
    bool processEvents(QEventLoop::ProcessEventsFlags flags)
    {
        return m_state != State::Absent && processCompanion(flags);
    }

    /// Whether a processEvents() with @p flags may find input that an earlier one was told to leave. Nobody
    /// announces that a second time.
    bool hasLeftInput(QEventLoop::ProcessEventsFlags flags = QEventLoop::AllEvents) const
    {
        return m_leftInput && !flags.testFlag(QEventLoop::ExcludeUserInputEvents);
    }

    /// The application is about to go, and its platform with it.
    void close();

private:
    enum class State { Unknown, Absent, Present };

    bool processCompanion(QEventLoop::ProcessEventsFlags flags);
    void find();

    State m_state = State::Unknown;
    bool m_leftInput = false;
    std::unique_ptr<QAbstractEventDispatcher> m_companion;
};

#endif
