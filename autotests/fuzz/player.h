// SPDX-License-Identifier: MIT

#ifndef PLAYER_H
#define PLAYER_H

#include "channel.h"
#include "helperthread.h"
#include "program.h"
#include "virtualtime.h"
#include "windows.h"

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QEventLoop>
#include <QtCore/QPointer>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

typedef struct _GMainLoop GMainLoop;

/**
 * Performs a program in this process, writes down what happens, and checks the rules that hold for every
 * dispatcher. README.md has them.
 *
 * An operation that makes no sense where it is, or whose outcome Qt leaves open, is left out. That may depend only
 * on what is the same with all dispatchers.
 */
class Player final : public VirtualTime::Surroundings
{
public:
    enum class Outside { Qt, GLib }; ///< Whose loop is the outermost

    Player(const Program::Operations &operations, Program::Family family, Outside outside, HelperThread &helper);
    ~Player();
    Q_DISABLE_COPY_MOVE(Player)

    void play();

private:
    class Object;
    class Event;
    class QuitFilter;
    struct Source;
    struct Thrown { };

    /// A loop that is running, or a call of processEvents().
    struct Frame
    {
        Program::Kind kind;
        int flags = 0; // of the innermost loop of Qt's
        QEventLoop *loop = nullptr;
        GMainLoop *glibLoop = nullptr;
        bool isTold = false; // to exit
        bool isToldByAnotherThread = false;
        bool hadLoops = false; // in it
        bool mayLeaveWakeUp = false; // with one dispatcher and not with another, because of the window system
        bool isInInterruptedTurn = false; // of the loop outside
        int callbacks = 0; // of GLib's sources that it is in
    };

    struct Timer
    {
        int id = 0; // 0: not active
        int handler = 0;
        int type = Qt::PreciseTimer;
        int ticks = 0; // left
        VirtualTime::TimePoint interval{};
        VirtualTime::TimePoint due{};
        bool isMoved = false; // to the worker, or back and not running here yet
    };

    /// What a handler is for.
    enum class Cause { PostedEvent, WindowEvent, Notifier, Timer, ZeroTimer, Source };

    struct Running
    {
        Cause cause;
        int object; // -1: none; from ObjectCount on: windows
        std::size_t level;
    };

    // The programme, in player.cpp.
    using Operation = Program::Operation;
    void run(int performer, Cause cause, int object = -1);
    void perform(const Operation &operation);
    void performElsewhere(const Operation &operation);
    void loop(const Operation &operation);
    void noteInterrupt();
    int runLoop(Frame &frame);
    Frame *loopToExit(int distance);
    void exit(Frame &frame, int code);
    void quit(int code);
    bool noteQuit();
    void wakeUp();
    void remindOfDeletes();
    Object *object(int number);
    void post(const Operation &operation);
    void startTimer(const Operation &operation);
    void stopTimer(Timer &timer);

    // What makes sense, in allowed.cpp.
    bool mayThrow() const;
    bool isInPostedEvent() const;
    bool isAtWindowEvents() const;
    bool isBeforePoll() const;
    bool mayQueueWindowEvents() const;
    bool isHeldBack(const Operation &operation) const;
    bool mayStartUpdate() const;
    bool isRunning(int object) const;
    bool mayDeleteLater(int object, bool fromElsewhere) const;
    void stopZeroTimersBesideLateOnes();
    bool isLate(const Timer &timer) const;
    bool isAnyLate() const;
    bool mayStop(const Timer &timer) const;
    bool isReadyElsewhere(int channel) const;

    // What the dispatcher does, in deliveries.cpp.
    void onTimer(int object, int id);
    void onActivated(int channel, int type);
    void onAwake();
    void onAboutToBlock();
    void progress();
    void turn();

    // GLib's sources, in glibsources.cpp.
    void performGLib(const Operation &operation);
    void runGLibLoop(Frame &frame);
    bool onSource(Source &source);
    void removeSourcesOf(const Channel &channel);
    void checkSources(VirtualTime::TimePoint end) const;
    VirtualTime::TimePoint latestDue(const Source &source) const;
    bool hasReadySource() const;
    std::optional<VirtualTime::TimePoint> nextSource() const;

    // Windows, in windowevents.cpp.
    void performWindow(const Operation &operation);
    void forgetInput(int window);
    void onWindow(int window, Windows::Event event, int input);
    std::optional<int> missingInput() const;
    bool hasWindowEvents() const;
    void checkWindows() const;
    void checkLostWindowEvents() const;
    void endTurnWithWindows();
    bool isQuitDue() const;
    void onQuit();
    void remindOfInput();
    void enterWithWindowEvents(Frame &frame);

    // What is in the worker, in worker.cpp.
    bool isInWorker(int object) const;
    bool isInWorker(const Timer &timer) const { return timer.isMoved && isInWorker(objectOf(timer)); }
    int objectOf(const Timer &timer) const { return int(&timer - m_timers.data()) % Program::ObjectCount; }
    void move(const Operation &operation);
    void moveBack(int object);
    void moveAllBack();
    void onTimersMoved(int object);
    void workerTurn();
    void onWorkerTimer(int object, int id);
    void onWorkerActivated(int channel, int type);
    void workerSleeping() override;

    // VirtualTime::Surroundings, in surroundings.cpp.
    void polling() override;
    void sleptUntilReady() override;
    void sleeping(VirtualTime::TimePoint end) override;
    std::optional<VirtualTime::TimePoint> nextStep() const override;
    void step() override;
    std::optional<VirtualTime::TimePoint> nextTimer() const override;
    void idle() override;
    bool isQuiet() const;
    bool isQuietBehindPoll() const;
    /// An event that the main thread has to send.
    std::optional<int> unsentEvent() const;

    int flags() const { return m_frames.empty() ? 0 : m_frames.back()->flags; }
    [[gnu::format(printf, 2, 3)]] void note(const char *format, ...) const;

    const Program::Operations m_operations;
    const bool m_windowsAreCompared; // with Qt's UNIX dispatcher
    const Outside m_outside;
    QAbstractEventDispatcher *const m_dispatcher;
    HelperThread &m_helper; // all the other threads, and the worker

    std::vector<Frame *> m_frames;
    std::vector<Running> m_running;
    std::array<QPointer<QObject>, Program::ObjectCount> m_objects;
    std::array<Timer, Program::TimerCount> m_timers;
    std::vector<std::unique_ptr<Channel>> m_channels;
    std::vector<std::unique_ptr<Source>> m_sources;
    std::map<int, int> m_posted; // the objects of events that are neither sent nor removed, by number
    int m_lastPosted = 0;
    std::set<int> m_deletedLater; // objects that will be

    std::vector<Operation> m_steps; // of other threads
    std::size_t m_nextStep = 0;
    VirtualTime::TimePoint m_nextStepTime{};

    std::set<std::pair<int, int>> m_servedInWorker; // by its current turn: timers (-1, number), channels and types

    struct Input
    {
        int window;
        int handler;
        bool mayBeDropped; // by Qt, since the window was hidden meanwhile
    };
    Windows m_windows;
    std::map<int, Input> m_inputs; // that are queued, by number
    int m_lastInput = 0;
    std::array<std::array<int, Windows::EventCount>, Program::WindowCount> m_windowHandlers{};
    std::array<VirtualTime::TimePoint, Program::WindowCount> m_updates; // when they are due

    int m_performed = 0;
    int m_rescues = 0;
    bool m_isIdleOutside = false; // the outermost loop has nothing left
    int m_turns = 0; // since something happened
    bool m_isWoken = false; // by a wakeUp() that no turn has followed yet
    bool m_isInterrupted = false; // the turn
    bool m_quitIsPosted = false; // by Qt, since the last window was closed
    bool m_isAwake = true; // since the last aboutToBlock()
    bool m_blockIsAnnounced = false; // and nothing has happened since
    std::chrono::nanoseconds m_timeInAboutToBlock{}; // if a GLib loop has had it emitted
};

#endif
