// SPDX-License-Identifier: MIT

#ifndef SYSTEMCALLS_H
#define SYSTEMCALLS_H

/**
 * System calls that the library makes, counted, and made to fail.
 *
 * For tests that are built with systemcalls.cpp: what it defines takes the place of the C library's functions in
 * the whole process. On systems without epoll, nothing is ever counted.
 */
namespace SystemCalls {

/// So many times were epoll_ctl() and poll() or ppoll() called.
int controls();
int polls();

/// To the end of its scope, every epoll_ctl() that adds a descriptor fails with @p error.
class FailingAdditions
{
public:
    explicit FailingAdditions(int error);
    ~FailingAdditions();
    FailingAdditions(const FailingAdditions &) = delete;
    FailingAdditions &operator=(const FailingAdditions &) = delete;
};

/// To the end of its scope, every ppoll() fails with @p error.
class FailingPolls
{
public:
    explicit FailingPolls(int error);
    ~FailingPolls();
    FailingPolls(const FailingPolls &) = delete;
    FailingPolls &operator=(const FailingPolls &) = delete;
};

/// What the library calls. g_poll() calls poll() for it, so that one is GLib's, whoever needs it.
enum class Function {
    EpollCreate,
    EpollControl,
    EpollWait,
    PPoll,
    Poll,
    EventFd,
    Read,
    Write,
    Control,
    Status,
    IsTerminal,
    ReadLink,
    Close,
    New, ///< C++'s, which throws.
};
constexpr int FunctionCount = int(Function::New) + 1;

/// Its name in C.
const char *name(Function function);

/**
 * The @p call th call of a function by the library fails, counted from 1, and all that follow if it is for good.
 *
 * What the kernel would never do is not done: a wake-up's descriptor that reads or writes EAGAIN has been read or written
 * by somebody else; EINTR for good is a signal in each millisecond; a descriptor that could not be closed is closed,
 * unless the error is EBADF.
 */
struct Fault
{
    Function function;
    int call;
    int error;
    bool isForGood;
};

/// For the rest of the process. To be called before it has threads.
void fail(const Fault &fault);

/// So many times has the library called it, or all of the functions; and so many of the calls have failed by fail().
int calls(Function function);
int calls();
int failures();

}

#endif
