// SPDX-License-Identifier: MIT

#ifndef MEASURE_H
#define MEASURE_H

#include "workload.h"

#include <QtCore/QEventLoop>

#include <glib.h>

#include <array>
#include <memory>
#include <stdexcept>

/// The work was not done as it should be: events lost, doubled or invented.
class Failure : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

/// The work cannot be done here, through no fault of the dispatcher.
class Unavailable : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

/// Throws Failure. Not for handlers: exceptions must not pass through Qt's and GLib's code.
void require(bool condition, const char *what);

/// Nanoseconds of the steady clock.
qint64 now();

struct Usage
{
    double cpu; ///< Nanoseconds of user and system time.
    double waits; ///< How often the kernel was asked to wait, and did.
    double delayed; ///< Nanoseconds that others had the processor meanwhile, if the kernel tells.
};
Usage usageOfThread();
Usage usageOfProcess();
Usage operator-(const Usage &left, const Usage &right);

/// Keeps the calling thread, and those that it makes, on one processor. Else the figures depend on where the system puts a thread:
/// the processors of a virtual machine differ in speed, and two threads on one are faster than on two, or slower.
void useProcessor(int number);

/// The outer loop of the measurement: Qt's, or GLib's for a guest and for a limit.
class Loop
{
public:
    explicit Loop(const Task &task);

    void run();
    void quit();

private:
    struct Unref
    {
        void operator()(GMainLoop *loop) const { g_main_loop_unref(loop); }
    };
    std::unique_ptr<QEventLoop> m_qt;
    std::unique_ptr<GMainLoop, Unref> m_glib;
};

/// Does an operation that many times and says how many nanoseconds that took, for each figure.
using Batch = std::function<Values(qint64 count)>;

/// Finds out how many operations are a fair batch, and gives the median of several, per operation.
Values perOperation(const Task &task, const Batch &batch);

/// @p full, but @p quick in a quick run.
template<typename T> T sized(const Task &task, T full, T quick)
{
    return task.quick ? quick : full;
}

/// The same sequence for all contenders in a round.
class Random
{
public:
    explicit Random(const Task &task);

    /// From 0 to @p bound - 1.
    int below(int bound);

private:
    quint64 m_state;
};

double median(QList<double> values);

/// Two connected, non-blocking stream sockets.
class SocketPair
{
public:
    SocketPair();
    ~SocketPair();
    SocketPair(SocketPair &&other) noexcept;
    SocketPair(const SocketPair &) = delete;
    SocketPair &operator=(const SocketPair &) = delete;

    int operator[](size_t end) const { return m_ends[end]; }

private:
    std::array<int, 2> m_ends;
};

/// Reads or writes one byte; whether that worked.
bool readByte(int fd);
bool writeByte(int fd);

#endif
