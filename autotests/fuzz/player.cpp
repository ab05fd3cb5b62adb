// SPDX-License-Identifier: MIT

#include "player.h"

#include "log.h"
#include "player_p.h"

#include <QtCore/QCoreApplication>

#include <algorithm>
#include <cstdarg>

using namespace Program;
using namespace std::chrono_literals;
using VirtualTime::TimePoint;

namespace {

constexpr std::size_t MostLoops = 4;
constexpr int MostEndings = 2 * MostPerformed;

}

Player::Player(const Operations &operations, Family family, Outside outside, HelperThread &helper)
    : m_operations(operations)
    , m_windowsAreCompared(family == Family::QtWindows)
    , m_outside(outside)
    , m_dispatcher(QAbstractEventDispatcher::instance())
    , m_helper(helper)
    , m_windows([this](int window, Windows::Event event, int input) { onWindow(window, event, input); })
{
    m_updates.fill(Never);
    for (int number = 0; number < ChannelCount; ++number) {
        m_channels.push_back(std::make_unique<Channel>(
            number == FileChannel ? Channel::MountInfo : Channel::Sockets, [this, number](int type) { onActivated(number, type); }));
    }
    std::copy_if(operations.begin(), operations.end(), std::back_inserter(m_steps),
                 [](const Operation &operation) { return operation.performer == OtherThreads; });
    if (!m_steps.empty())
        m_nextStepTime = Unit / 2 + m_steps.front().delay * Unit;
}

Player::~Player()
{
    m_helper.call([this] { moveAllBack(); });
    for (const auto &source : m_sources) {
        if (!source->isRemoved)
            source->remove();
        g_source_unref(source->source);
    }
    for (const QPointer<QObject> &object : m_objects)
        delete object.data();
}

void Player::play()
{
    // The first turns are about what came before the program.
    const auto finishTurns = [] {
        while (QAbstractEventDispatcher::instance()->processEvents(QEventLoop::AllEvents)) { }
    };
    finishTurns();
    m_helper.call(finishTurns);
    VirtualTime::start(this);
    QObject context;
    QObject::connect(m_dispatcher, &QAbstractEventDispatcher::awake, &context, [this] { onAwake(); });
    QObject::connect(m_dispatcher, &QAbstractEventDispatcher::aboutToBlock, &context,
                     [this] { onAboutToBlock(); });
    QuitFilter quitFilter(this);
    QCoreApplication::instance()->installEventFilter(&quitFilter);

    for (const Operation &operation : m_operations) {
        if (operation.performer == Main)
            perform(operation);
    }
    // What is left over has to come yet.
    m_isIdleOutside = false;
    for (int times = 0; !m_isIdleOutside; ++times) {
        if (times == MostEndings)
            Log::wrong("the last loop ends again and again");
        loop({Main, Kind::Exec});
    }
    checkLostWindowEvents();
    m_helper.call([this] { workerTurn(); });
    if (!m_posted.empty())
        Log::wrong("event %d was never sent", m_posted.begin()->first);
    VirtualTime::stop();
}

void Player::note(const char *format, ...) const
{
    char text[256];
    std::va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    Log::line("%3d L%zu %s", logical(VirtualTime::now()), m_frames.size(), text);
}

void Player::run(int performer, Cause cause, int object)
{
    if (performer <= 0 || m_running.size() >= MostHandlers)
        return;
    struct Scope
    {
        Scope(std::vector<Running> &running, Running that)
            : stack(running)
        {
            stack.push_back(that);
        }
        ~Scope() { stack.pop_back(); }
        std::vector<Running> &stack;
    } scope(m_running, {cause, object, m_frames.size()});
    for (const Operation &operation : m_operations) {
        if (operation.performer == performer)
            perform(operation);
    }
}

void Player::perform(const Operation &operation)
{
    if (++m_performed > MostPerformed || isHeldBack(operation))
        return;
    switch (operation.kind) {
    case Kind::Exec:
        if (m_frames.empty())
            loop(operation);
        break;
    case Kind::Nest:
    case Kind::ProcessEvents:
    case Kind::NestGLib:
        loop(operation);
        break;
    case Kind::Exit:
        if (Frame *frame = loopToExit(operation.target))
            exit(*frame, operation.value);
        break;
    case Kind::Quit:
        quit(operation.value);
        break;
    case Kind::Interrupt:
        m_isWoken = true;
        noteInterrupt();
        m_dispatcher->interrupt();
        break;
    case Kind::WakeUp:
        wakeUp();
        break;
    case Kind::Throw:
        if (mayThrow())
            throw Thrown();
        break;
    case Kind::Post:
        post(operation);
        break;
    case Kind::SendPosted:
        if (m_running.size() < MostHandlers) {
            QCoreApplication::sendPostedEvents();
            remindOfDeletes();
        }
        break;
    case Kind::RemovePosted:
        QCoreApplication::removePostedEvents(m_objects[std::size_t(operation.target)], QEvent::User);
        break;
    case Kind::DeleteLater:
        if (mayDeleteLater(operation.target, false)) {
            m_deletedLater.insert(operation.target);
            object(operation.target)->deleteLater();
        }
        break;
    case Kind::Delete:
        if (!isRunning(operation.target) && !isInWorker(operation.target))
            delete m_objects[std::size_t(operation.target)];
        break;
    case Kind::Move:
        move(operation);
        break;
    case Kind::WorkerTurn:
        workerTurn();
        break;
    case Kind::StartTimer:
        startTimer(operation);
        break;
    case Kind::StopTimer:
        if (mayStop(m_timers[std::size_t(operation.target)]))
            stopTimer(m_timers[std::size_t(operation.target)]);
        break;
    case Kind::Enable:
        if (!isReadyElsewhere(operation.target)
            && !m_channels[std::size_t(operation.target)]->isMoved(operation.value)) {
            Channel &channel = *m_channels[std::size_t(operation.target)];
            channel.handlers[operation.value] = operation.handler;
            channel.counts[operation.value] = operation.count;
            channel.enable(operation.value);
        }
        break;
    case Kind::Disable:
        m_channels[std::size_t(operation.target)]->disable(operation.value);
        break;
    case Kind::Write:
        if (!isReadyElsewhere(operation.target))
            m_channels[std::size_t(operation.target)]->write();
        break;
    case Kind::Drain:
        m_channels[std::size_t(operation.target)]->drain();
        break;
    case Kind::HangUp:
        if (!isReadyElsewhere(operation.target))
            m_channels[std::size_t(operation.target)]->hangUp();
        break;
    case Kind::Reopen:
        if (m_channels[std::size_t(operation.target)]->hasMoved())
            break;
        removeSourcesOf(*m_channels[std::size_t(operation.target)]);
        m_channels[std::size_t(operation.target)]->reopen(operation.option);
        break;
    case Kind::AddIdle:
    case Kind::AddTimeout:
    case Kind::AddFd:
    case Kind::RemoveSource:
        performGLib(operation);
        break;
    case Kind::ShowWindow:
    case Kind::HideWindow:
    case Kind::CloseWindow:
    case Kind::DestroyWindow:
    case Kind::RequestUpdate:
    case Kind::Input:
        performWindow(operation);
        break;
    }
    if (m_windowsAreCompared && !m_frames.empty() && QThread::currentThread() == m_dispatcher->thread()
        && hasWindowEvents() && isBeforePoll() && !isQuietBehindPoll())
        endTurnWithWindows();
}

void Player::performElsewhere(const Operation &operation)
{
    if (operation.kind == Kind::DeleteLater && !mayDeleteLater(operation.target, true))
        return;
    if ((operation.kind == Kind::Post || operation.kind == Kind::DeleteLater)
        && !m_objects[std::size_t(operation.target)])
        return; // it would live in the wrong thread
    m_helper.call([&] { perform(operation); });
}

void Player::loop(const Operation &operation)
{
    if (m_frames.size() >= MostLoops || m_running.size() >= MostHandlers)
        return;
    // In Qt's UNIX dispatcher it makes the loop forget that it was interrupted.
    if (operation.kind == Kind::ProcessEvents
        && std::any_of(m_frames.begin(), m_frames.end(), [](const Frame *f) { return f->isTold; }))
        return;
    // ... and that the turn was, by a loop in it.
    if (operation.kind == Kind::ProcessEvents && m_isInterrupted && !m_frames.empty() && !isAtWindowEvents())
        return;
    // Input that it leaves comes at the end of the turn outside with Qt, and with this dispatcher in the next one.
    if (m_windowsAreCompared && (operation.option & QEventLoop::ExcludeUserInputEvents) && !isBeforePoll())
        return;
    // A wake-up that the turn outside has seen, but not its poll() yet, ends the wait with one of Qt's dispatchers
    // and not with the other.
    if (operation.kind == Kind::ProcessEvents
        && (isInPostedEvent() || (m_windowsAreCompared && isAtWindowEvents())))
        wakeUp();
    Frame frame{operation.kind, operation.option};
    if (frame.kind == Kind::Exec && m_outside == Outside::GLib)
        frame.kind = Kind::NestGLib;
    if (frame.kind == Kind::NestGLib)
        frame.flags = flags();
    stopZeroTimersBesideLateOnes();
    frame.isInInterruptedTurn = m_isInterrupted && !m_frames.empty();
    m_frames.push_back(&frame);
    note("enter %d, flags %d", int(frame.kind), frame.flags);
    enterWithWindowEvents(frame);
    try {
        const int result = runLoop(frame);
        if (frame.kind != Kind::ProcessEvents)
            note("the loop returns %d", result);
        else if (frame.hadLoops)
            note("processEvents() returns"); // true if it polled a wake-up that no loop inside has
        else
            note("processEvents() returns %d", result);
    } catch (const Thrown &) {
        note("caught");
    }
    m_frames.pop_back();
    VirtualTime::advance(VirtualTime::TurnCost);
    m_isAwake = true; // the turn that it was in is
    m_isWoken = false; // the loop inside may have polled it
    if (frame.kind != Kind::ProcessEvents)
        noteInterrupt();
    // Whether there is one left decides what the next call returns.
    if ((frame.kind == Kind::ProcessEvents && (frame.hadLoops || frame.mayLeaveWakeUp)) || frame.isToldByAnotherThread)
        wakeUp();
    if (!m_frames.empty()) {
        m_frames.back()->hadLoops = true;
        // The same wake-up decides whether the call outside waits.
        if (m_frames.back()->kind == Kind::ProcessEvents)
            wakeUp();
    }
    remindOfDeletes();
    remindOfInput();
    stopZeroTimersBesideLateOnes();
}

void Player::noteInterrupt()
{
    m_isInterrupted = true;
    for (std::size_t i = 1; i < m_frames.size(); ++i)
        m_frames[i]->isInInterruptedTurn = true;
}

int Player::runLoop(Frame &frame)
{
    const auto flags = QEventLoop::ProcessEventsFlags(frame.flags);
    switch (frame.kind) {
    case Kind::Exec:
        return QCoreApplication::exec();
    case Kind::ProcessEvents:
        return m_dispatcher->processEvents(flags);
    case Kind::NestGLib:
        runGLibLoop(frame);
        return 0;
    default:
        QEventLoop loop;
        frame.loop = &loop;
        return loop.exec(flags);
    }
}

/// The loop that is @p distance loops out of the innermost.
Player::Frame *Player::loopToExit(int distance)
{
    for (auto frame = m_frames.rbegin(); frame != m_frames.rend(); ++frame) {
        if ((*frame)->kind != Kind::ProcessEvents && distance-- == 0)
            return *frame;
    }
    return nullptr;
}

void Player::exit(Frame &frame, int code)
{
    frame.isTold = true;
    frame.isToldByAnotherThread |= QThread::currentThread() != m_dispatcher->thread();
    if (frame.glibLoop) {
        g_main_loop_quit(frame.glibLoop);
        return;
    }
    m_isWoken = true;
    if (frame.loop)
        frame.loop->exit(code);
    else
        QCoreApplication::exit(code);
}

void Player::wakeUp()
{
    m_isWoken = true;
    m_dispatcher->wakeUp();
}

/// Qt's dispatchers forget deferred deletes that were not sent in a loop inside until something else wakes them up.
void Player::remindOfDeletes()
{
    if (!m_deletedLater.empty())
        wakeUp();
}

/// Returns whether a loop is running that is to exit.
bool Player::noteQuit()
{
    bool isRunning = false;
    for (Frame *frame : m_frames) {
        if (frame->loop || frame->kind == Kind::Exec)
            isRunning = frame->isTold = true;
    }
    m_isWoken = m_isWoken || isRunning;
    return isRunning;
}

void Player::quit(int code)
{
    if (noteQuit())
        QCoreApplication::exit(code);
}
