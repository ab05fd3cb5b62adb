// SPDX-License-Identifier: MIT

#include "systemcalls.h"

#ifdef __linux__

#    include <atomic>
#    include <cerrno>
#    include <csignal>

#    include <poll.h>
#    include <sys/epoll.h>
#    include <sys/syscall.h>
#    include <unistd.h>

namespace {
std::atomic<int> controlCount{0};
std::atomic<int> pollCount{0};
std::atomic<int> additionError{0};
std::atomic<int> pollError{0};

int failure(int error)
{
    errno = error;
    return -1;
}
}

// A library's calls are bound to what the program exports, before what the C library does.
extern "C" {

__attribute__((visibility("default"))) int epoll_ctl(int set, int operation, int fd,
                                                     epoll_event *event) noexcept
{
    ++controlCount;
    if (additionError && operation == EPOLL_CTL_ADD)
        return failure(additionError);
    return int(::syscall(SYS_epoll_ctl, set, operation, fd, event));
}

__attribute__((visibility("default"))) int ppoll(pollfd *fds, nfds_t count, const timespec *timeout,
                                                 const sigset_t *signals)
{
    ++pollCount;
    if (pollError)
        return failure(pollError);
    // The kernel writes the rest of the time there, and has its own size of a signal set.
    timespec rest{};
    if (timeout)
        rest = *timeout;
    return int(::syscall(SYS_ppoll, fds, count, timeout ? &rest : nullptr, signals, _NSIG / 8));
}

/// GLib's, too.
__attribute__((visibility("default"))) int poll(pollfd *fds, nfds_t count, int timeout)
{
    const timespec limit{timeout / 1000, timeout % 1000 * 1'000'000L};
    return ppoll(fds, count, timeout < 0 ? nullptr : &limit, nullptr);
}

}

#else

namespace {
int controlCount = 0;
int pollCount = 0;
int additionError = 0;
int pollError = 0;
}

#endif

int SystemCalls::controls()
{
    return controlCount;
}

int SystemCalls::polls()
{
    return pollCount;
}

SystemCalls::FailingAdditions::FailingAdditions(int error)
{
    additionError = error;
}

SystemCalls::FailingAdditions::~FailingAdditions()
{
    additionError = 0;
}

SystemCalls::FailingPolls::FailingPolls(int error)
{
    pollError = error;
}

SystemCalls::FailingPolls::~FailingPolls()
{
    pollError = 0;
}
