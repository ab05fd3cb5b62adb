// SPDX-License-Identifier: MIT

#ifndef EVENTLOOPTEST_H
#define EVENTLOOPTEST_H

#include "dispatcherundertest.h"
#include "filedescriptor.h"
#include "handover.h"

#include <QtCore/QSocketNotifier>
#include <QtCore/QTimer>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace std::chrono_literals;

/// The dispatcher of the calling thread.
inline QAbstractEventDispatcher *dispatcher()
{
    return QAbstractEventDispatcher::instance();
}

/// Where Qt's two dispatchers differ, its UNIX one is the reference, and this one is excepted.
inline bool isQtGLib()
{
    return DispatcherUnderTest::kind() == DispatcherUnderTest::Kind::QtGLib;
}

/// What QEventLoop::exec() asks of the dispatcher again and again.
constexpr QEventLoop::ProcessEventsFlags RunningLoop(QEventLoop::WaitForMoreEvents
                                                     | QEventLoop::EventLoopExec);

/// One turn of the loop.
inline bool turn(QEventLoop::ProcessEventsFlags flags = QEventLoop::AllEvents)
{
    return dispatcher()->processEvents(flags);
}

/// Takes turns until nothing is left to do, so that a test does not see what came before it.
inline void settle()
{
    while (turn()) { }
}

/**
 * Wakes the dispatcher up when a test has waited too long. It is a thread because a timer in the
 * loop would change how the loop waits, and could not help if timers were what is broken.
 */
class Watchdog
{
public:
    explicit Watchdog(std::chrono::seconds limit = 30s)
        : m_thread([this, limit, guarded = dispatcher()] {
            std::unique_lock lock(m_mutex);
            if (m_condition.wait_for(lock, limit, [this] { return m_done; }))
                return;
            m_expired = true;
            guarded->wakeUp();
        })
    {
    }

    ~Watchdog()
    {
        {
            const std::lock_guard lock(m_mutex);
            m_done = true;
        }
        m_condition.notify_one();
        m_thread.join();
    }

    bool expired()
    {
        const std::lock_guard lock(m_mutex);
        return m_expired;
    }

private:
    std::mutex m_mutex;
    std::condition_variable m_condition;
    bool m_done = false;
    bool m_expired = false;
    std::thread m_thread;
};

/// Runs the loop until @p condition holds; false if that never comes to be. The loop really
/// blocks in between, as the loop of an idle application does.
template<typename Condition>
bool runUntil(Condition condition, QEventLoop::ProcessEventsFlags flags = RunningLoop)
{
    Watchdog watchdog;
    QObject context;
    // Qt's UNIX dispatcher may send posted events and wait after that, all in the same turn. What
    // saves a QEventLoop from that wait is the interrupt() in QEventLoop::exit().
    QObject::connect(dispatcher(), &QAbstractEventDispatcher::aboutToBlock, &context, [&] {
        if (condition())
            dispatcher()->interrupt();
    });
    while (!condition() && !watchdog.expired())
        turn(flags);
    return !watchdog.expired();
}

/// Calls @p function from the event loop of @p receiver's thread.
template<typename Function>
void post(QObject *receiver, Function function)
{
    QMetaObject::invokeMethod(receiver, HandedOver(std::move(function)), Qt::QueuedConnection);
}

/// ... and of the main thread.
template<typename Function>
void post(Function function)
{
    post(qApp, std::move(function));
}

/// Calls @p function from the event loop of the thread of @p receiver, which is another, and waits for it.
template<typename Function>
void call(HandOverReceiver *receiver, Function function)
{
    QMetaObject::invokeMethod(receiver, HandedOver(std::move(function)), Qt::BlockingQueuedConnection);
    HandOver::mark();
}

/// Calls a function in another thread as soon as this thread's dispatcher is about to block. No
/// more can be known of a wait from outside; so this comes in its first moments.
class WhenAboutToBlock
{
public:
    explicit WhenAboutToBlock(std::function<void()> function)
        : m_thread([this, call = std::move(function)] {
            m_aboutToBlock.acquire();
            call();
        })
    {
        QObject::connect(dispatcher(), &QAbstractEventDispatcher::aboutToBlock, &m_context,
                         [this] { m_aboutToBlock.release(); });
    }

    ~WhenAboutToBlock()
    {
        m_aboutToBlock.release();
        m_thread.join();
    }

private:
    QObject m_context;
    Semaphore m_aboutToBlock;
    std::thread m_thread;
};

/// Remembers which of its timers fired, in order, and then does what it was told.
class TimerObject : public HandOverReceiver
{
public:
    QList<int> fired;
    std::function<void(int timerId)> onTimer;

protected:
    void timerEvent(QTimerEvent *event) override
    {
        fired.append(event->timerId());
        if (const auto call = onTimer)
            call(event->timerId());
    }
};

/// Two descriptors: what is written to one makes the other readable. Neither ever blocks.
class Channel
{
public:
    enum Kind { Pipe, SocketPair };

    explicit Channel(Kind kind = SocketPair)
        : Channel(open(kind))
    {
    }

    void write() const
    {
        if (::write(writer, "x", 1) != 1)
            qFatal("write: %s", std::strerror(errno));
    }

    void drain() const
    {
        char buffer[64];
        while (::read(reader, buffer, sizeof(buffer)) > 0) { }
    }

    FileDescriptor reader;
    FileDescriptor writer;

private:
    explicit Channel(std::pair<int, int> fds)
        : reader(fds.first)
        , writer(fds.second)
    {
    }

    static std::pair<int, int> open(Kind kind)
    {
        int fds[2] = { -1, -1 };
        if (kind == Pipe ? ::pipe(fds) : ::socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
            qFatal("no channel: %s", std::strerror(errno));
        for (const int fd : fds) {
            ::fcntl(fd, F_SETFD, FD_CLOEXEC);
            ::fcntl(fd, F_SETFL, O_NONBLOCK);
        }
        return { fds[0], fds[1] };
    }
};

/// Waits for the end of @p thread; false if that takes too long.
inline bool ended(QThread &thread)
{
    const bool isAtEnd = thread.wait(QDeadlineTimer(30s));
    HandOver::mark();
    return isAtEnd;
}

/// A thread that runs an event loop on the dispatcher under test to the end of its scope.
class LoopThread : public QThread
{
public:
    LoopThread()
    {
        DispatcherUnderTest::install(this);
        start();
    }

    ~LoopThread() override
    {
        quit();
        ended(*this);
    }
    Q_DISABLE_COPY_MOVE(LoopThread)

protected:
    void run() override
    {
        exec();
        HandOver::mark();
    }
};

#endif
