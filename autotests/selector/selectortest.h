// SPDX-License-Identifier: MIT

#ifndef SELECTORTEST_H
#define SELECTORTEST_H

#include "filedescriptor.h"

#include <GLibSelector>

#include <QtTest/QTest>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace Qt::StringLiterals;

using Clock = std::chrono::steady_clock;
using Duration = GLibSelector::Duration;

/// For waits that should end at once: so long that only a missed event can exceed it.
constexpr Duration Long = 20s;

inline void writeTo(int fd)
{
    if (::write(fd, "x", 1) != 1)
        qFatal("write: %s", std::strerror(errno));
}

inline void drain(int fd)
{
    char buffer[256];
    while (::read(fd, buffer, sizeof buffer) > 0) { }
}

/// Two connected descriptors, which never block. What is written to `there` can be read from
/// `here`.
struct Channel
{
    FileDescriptor here;
    FileDescriptor there;

    explicit Channel(std::pair<int, int> fds)
        : here(fds.first)
        , there(fds.second)
    {
        for (const int fd : {fds.first, fds.second}) {
            ::fcntl(fd, F_SETFD, FD_CLOEXEC);
            ::fcntl(fd, F_SETFL, O_NONBLOCK);
        }
    }

    static Channel socketPair()
    {
        int fds[2] = {-1, -1};
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
            qFatal("socketpair: %s", std::strerror(errno));
        return Channel({fds[0], fds[1]});
    }

    static Channel pipe()
    {
        int fds[2] = {-1, -1};
        if (::pipe(fds) != 0)
            qFatal("pipe: %s", std::strerror(errno));
        return Channel({fds[0], fds[1]});
    }

    void write() const { writeTo(there); }
};

/// Makes @p number stand for the file of @p fd, as if it had been closed and opened again.
inline void reuse(int number, int fd)
{
    ::close(number);
    if (::dup2(fd, number) != number)
        qFatal("dup2: %s", std::strerror(errno));
    ::fcntl(number, F_SETFD, FD_CLOEXEC);
}

/// The results of a select(), by descriptor.
using Ready = std::map<int, GLibSelector::Events>;

inline Ready takeAll(GLibSelector &selector)
{
    Ready ready;
    while (const auto result = selector.takeReady())
        ready.emplace(result->fd, result->events);
    return ready;
}

inline Ready select(GLibSelector &selector, std::optional<Duration> timeout)
{
    if (const std::error_code error = selector.select(timeout))
        qFatal("select: %s", error.message().c_str());
    return takeAll(selector);
}

/// The results of a wait that ought to end at once; none if nothing but the time ended it.
inline Ready select(GLibSelector &selector)
{
    const auto start = Clock::now();
    Ready ready = select(selector, Long);
    return Clock::now() - start < Long ? ready : Ready();
}

namespace QTest {
template<>
inline char *toString(const Ready &ready)
{
    return qstrdup(qPrintable(QDebug::toString(ready)));
}
}

/// Descriptors that are never ready: enough of them for idle descriptors to be moved to an epoll set.
class IdleDescriptors
{
public:
    static constexpr std::size_t Count = 10;

    explicit IdleDescriptors(GLibSelector &selector)
    {
        for (std::size_t i = 0; i < Count; ++i) {
            m_channels.push_back(Channel::socketPair());
            if (selector.add(m_channels.back().here, GLibSelector::Read))
                qFatal("a descriptor cannot be added");
        }
    }

private:
    std::vector<Channel> m_channels;
};

/// Processor time that this thread has used.
inline Duration processorTime()
{
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

/**
 * Waits a while on a selector for which nothing should be ready, and answers what was wrong: a
 * result, an early return, or a busy loop. A waiting thread uses microseconds of processor time,
 * one that spins its whole share of a processor.
 */
inline QString disturbance(GLibSelector &selector)
{
    constexpr auto Wait = 50ms;
    constexpr auto MostProcessorTime = 8ms;
    // A virtual machine that has to wait for the real one is charged for it now and then.
    constexpr int Attempts = 3;
    Duration used{};
    for (int attempt = 0; attempt < Attempts; ++attempt) {
        const auto usedBefore = processorTime();
        const auto start = Clock::now();
        const Ready ready = select(selector, Wait);
        const auto elapsed = Clock::now() - start;
        used = processorTime() - usedBefore;
        if (!ready.empty())
            return u"ready: "_s + QDebug::toString(ready);
        if (elapsed < Wait)
            return u"returned after %1 ns"_s.arg(elapsed.count());
        if (used <= MostProcessorTime)
            return {};
    }
    return u"used %1 ns of processor time"_s.arg(used.count());
}

/// A thread that is joined at the end of its scope.
class Thread
{
public:
    template<typename Function>
    explicit Thread(Function function)
        : m_thread(std::move(function))
    {
    }
    ~Thread() { m_thread.join(); }
    Q_DISABLE_COPY_MOVE(Thread)

private:
    std::thread m_thread;
};

/// Calls @p function in another thread, and returns when it has.
template<typename Function>
void inAnotherThread(Function function)
{
    const Thread thread(std::move(function));
}

#endif
