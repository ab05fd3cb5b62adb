// SPDX-License-Identifier: MIT

#include "log.h"
#include "player_p.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QThread>

#include <algorithm>

using namespace Program;
using namespace std::chrono_literals;

void Player::performWindow(const Operation &operation)
{
    const int window = operation.target;
    const bool isElsewhere = QThread::currentThread() != m_dispatcher->thread();
    // Qt serves the window system at the end of a turn, and this dispatcher behind the posted events of the next.
    if (m_windowsAreCompared && !isElsewhere && operation.kind != Kind::RequestUpdate
        && !(operation.kind == Kind::CloseWindow ? isBeforePoll() : mayQueueWindowEvents()))
        return;
    const int queuedBefore = Windows::queued(true);
    const auto setHandler = [&](Windows::Event event) {
        m_windowHandlers[std::size_t(window)][event] = operation.handler;
    };
    switch (operation.kind) {
    case Kind::ShowWindow:
        setHandler(Windows::Exposed);
        m_windows.show(window);
        break;
    case Kind::HideWindow:
        forgetInput(window);
        m_windows.hide(window);
        break;
    case Kind::CloseWindow:
        setHandler(Windows::Closed);
        forgetInput(window);
        if (m_running.size() < MostHandlers && m_windows.isShown(window)) {
            m_windows.close(window);
            m_quitIsPosted = m_quitIsPosted || isQuitDue();
        }
        break;
    case Kind::DestroyWindow:
        if (isRunning(ObjectCount + window))
            break;
        forgetInput(window);
        m_updates[std::size_t(window)] = Never;
        m_windows.destroy(window);
        break;
    case Kind::RequestUpdate:
        setHandler(Windows::Update);
        if (mayStartUpdate() && m_windows.requestUpdate(window))
            m_updates[std::size_t(window)] = VirtualTime::now() + Windows::updateDelay();
        break;
    default:
        if (!m_windows.isShown(window))
            break;
        m_inputs[++m_lastInput] = {window, operation.handler, false};
        m_windows.queueInput(window, m_lastInput, operation.option);
        break;
    }
    if (Windows::queued(true) <= queuedBefore)
        return;
    m_isWoken = true; // Qt wakes the main thread up when it queues something
    if (!m_frames.empty())
        m_frames.back()->mayLeaveWakeUp |= m_windowsAreCompared;
}

/**
 * Lets nothing come between the posted events of this turn and those of the window system.
 *
 * Qt serves the latter at the end of a turn, behind notifiers and timers, and this dispatcher in front of them.
 */
void Player::endTurnWithWindows()
{
    m_isWoken = true;
    m_isInterrupted = true;
    m_dispatcher->interrupt();
}

/// Qt's dispatchers forget input that was excluded in a loop inside, or before, until something else wakes them up.
void Player::remindOfInput()
{
    if (m_windowsAreCompared && !m_frames.empty() && hasWindowEvents())
        wakeUp();
}

/// The first turn of a loop, or of a call, may find events of the window system.
void Player::enterWithWindowEvents(Frame &frame)
{
    if (!m_windowsAreCompared || !hasWindowEvents())
        return;
    frame.mayLeaveWakeUp = true;
    if (frame.kind != Kind::ProcessEvents || (frame.flags & QEventLoop::WaitForMoreEvents))
        remindOfInput();
    if (!isQuietBehindPoll())
        QMetaObject::invokeMethod(QCoreApplication::instance(), [this] { endTurnWithWindows(); }, Qt::QueuedConnection);
}

/// Qt posts an event to quit when the last window was closed, if it runs QCoreApplication::exec().
bool Player::isQuitDue() const
{
    for (int window = 0; window < WindowCount; ++window) {
        if (m_windows.isShown(window))
            return false;
    }
    return std::any_of(m_frames.begin(), m_frames.end(), [](const Frame *frame) { return frame->kind == Kind::Exec; });
}

/// Qt closes all windows, and then tells the loops to exit.
void Player::onQuit()
{
    progress();
    note("quit");
    m_quitIsPosted = false;
    for (int window = 0; window < WindowCount; ++window)
        forgetInput(window);
    noteQuit();
}

/// What Qt does with input for a window that is hidden meanwhile is its own affair.
void Player::forgetInput(int window)
{
    for (auto &[number, input] : m_inputs)
        input.mayBeDropped = input.mayBeDropped || input.window == window;
}

void Player::onWindow(int window, Windows::Event event, int number)
{
    progress();
    int handler = m_windowHandlers[std::size_t(window)][event];
    if (event == Windows::Input) {
        note("input %d to window %d", number, window);
        if (flags() & QEventLoop::ExcludeUserInputEvents)
            Log::wrong("input %d comes though it is excluded", number);
        const auto found = m_inputs.find(number);
        if (found == m_inputs.end()) {
            Log::wrong("input %d comes twice, or after later input", number);
            return;
        }
        handler = found->second.handler;
        if (const auto missing = missingInput(); missing && *missing < number)
            Log::wrong("input %d comes before input %d", number, *missing);
        m_inputs.erase(m_inputs.begin(), std::next(found));
    } else {
        constexpr const char *Names[] = {"input", "exposed", "updated", "closed"};
        note("window %d is %s", window, Names[event]);
        if (event == Windows::Update && (flags() & QEventLoop::X11ExcludeTimers))
            Log::wrong("window %d is updated though timers are excluded", window);
        if (event != Windows::Exposed)
            m_updates[std::size_t(window)] = Never;
    }
    const bool isInTurn = event == Windows::Input || event == Windows::Exposed;
    const bool wasInterrupted = m_isInterrupted;
    run(handler, event == Windows::Update ? Cause::Timer : Cause::WindowEvent, ObjectCount + window);
    // With Qt's UNIX dispatcher, a processEvents() in the handler has made the turn forget that it was interrupted.
    if (m_windowsAreCompared && isInTurn && (wasInterrupted || !isQuietBehindPoll()))
        endTurnWithWindows();
}

/// The first input that has to come yet.
std::optional<int> Player::missingInput() const
{
    const auto found = std::find_if(m_inputs.begin(), m_inputs.end(),
                                    [](const auto &input) { return !input.second.mayBeDropped; });
    return found == m_inputs.end() ? std::nullopt : std::optional(found->first);
}

/// Whether the loop has events of the window system to serve.
bool Player::hasWindowEvents() const
{
    return Windows::queued(!(flags() & QEventLoop::ExcludeUserInputEvents)) > 0;
}

/// The window system's part of the rules for a sleep.
void Player::checkWindows() const
{
    if (hasWindowEvents())
        Log::wrong("sleeps, and events of the window system are queued");
    if (flags() & QEventLoop::X11ExcludeTimers)
        return;
    for (int window = 0; window < WindowCount; ++window) {
        if (m_updates[std::size_t(window)] < VirtualTime::now() - VirtualTime::Tolerance)
            Log::wrong("sleeps, and window %d is to be updated", window);
    }
}

/// At the end of the program.
void Player::checkLostWindowEvents() const
{
    if (const auto missing = missingInput())
        Log::wrong("input %d was never delivered", *missing);
    for (int window = 0; window < WindowCount; ++window) {
        if (m_windows.isShown(window) && !m_windows.isExposed(window))
            Log::wrong("window %d was never exposed", window);
        if (m_updates[std::size_t(window)] != Never)
            Log::wrong("window %d was never updated", window);
    }
}
