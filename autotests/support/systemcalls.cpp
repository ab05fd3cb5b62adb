// SPDX-License-Identifier: MIT

#include "systemcalls.h"

#ifdef __linux__

#    include <algorithm>
#    include <array>
#    include <atomic>
#    include <cerrno>
#    include <csignal>
#    include <cstdarg>
#    include <cstdint>
#    include <cstdlib>
#    include <cstring>
#    include <new>

#    include <fcntl.h>
#    include <link.h>
#    include <poll.h>
#    include <sys/epoll.h>
#    include <sys/eventfd.h>
#    include <sys/stat.h>
#    include <sys/syscall.h>
#    include <termios.h>
#    include <unistd.h>

using SystemCalls::Function;

namespace {
std::atomic<int> controlCount{0};
std::atomic<int> pollCount{0};
std::atomic<int> additionError{0};
std::atomic<int> pollError{0};

std::array<std::atomic<int>, SystemCalls::FunctionCount> callCounts{};
std::atomic<int> failureCount{0};
SystemCalls::Fault fault{};

int failure(int error)
{
    errno = error;
    return -1;
}

/// Where the code of a library is in memory.
struct Code
{
    explicit Code(const char *libraryName)
        : name(libraryName)
    {
        dl_iterate_phdr(
            [](dl_phdr_info *object, std::size_t, void *data) {
                auto *code = static_cast<Code *>(data);
                if (!std::strstr(object->dlpi_name, code->name))
                    return 0;
                for (int i = 0; i < object->dlpi_phnum; ++i) {
                    const auto &segment = object->dlpi_phdr[i];
                    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X)) {
                        code->begin = object->dlpi_addr + segment.p_vaddr;
                        code->end = code->begin + segment.p_memsz;
                    }
                }
                return 1;
            },
            this);
    }
    bool contains(const void *address) const
    {
        const auto place = reinterpret_cast<std::uintptr_t>(address);
        return begin <= place && place < end;
    }

    const char *name;
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
};

/// Counts the call by the code at @p caller if it is the library's, and returns whether it has to fail. Only tests that call
/// fail() have this: the calls of others may come before the library's place can be asked for.
bool fails(Function function, const void *caller)
{
    if (fault.call == 0)
        return false;
    static const Code ours("libGLibEventDispatcher.so");
    static const Code glib("libglib-2.0.so");
    if (!(function == Function::Poll ? glib : ours).contains(caller))
        return false;
    const int call = ++callCounts[std::size_t(function)];
    if (fault.function != function || (fault.isForGood ? call < fault.call : call != fault.call))
        return false;
    ++failureCount;
    errno = fault.error;
    return true;
}

int pollNow(pollfd *fds, nfds_t count, const timespec *timeout, const sigset_t *signals)
{
    // The kernel writes the rest of the time there, and has its own size of a signal set.
    timespec rest{};
    if (timeout)
        rest = *timeout;
#    if defined(SYS_ppoll_time64)
    if (sizeof(time_t) > sizeof(long))
        return int(::syscall(SYS_ppoll_time64, fds, count, timeout ? &rest : nullptr, signals, _NSIG / 8));
#    endif
    return int(::syscall(SYS_ppoll, fds, count, timeout ? &rest : nullptr, signals, _NSIG / 8));
}

/// A poll that fails.
int pollInVain(pollfd *fds, nfds_t count, const timespec *timeout)
{
    if (fault.error != EINTR || !fault.isForGood)
        return failure(fault.error);
    // A signal ends only a poll that has found nothing.
    timespec limit{0, 1'000'000};
    if (timeout && timeout->tv_sec == 0)
        limit.tv_nsec = std::min(limit.tv_nsec, timeout->tv_nsec);
    const int found = pollNow(fds, count, &limit, nullptr);
    return found == 0 ? failure(EINTR) : found;
}
}

// A library's calls are bound to what the program exports, before what the C library does.
#    define EXPORTED __attribute__((visibility("default")))
#    define CALLER __builtin_return_address(0)

extern "C" {

EXPORTED int epoll_create1(int flags) noexcept
{
    return fails(Function::EpollCreate, CALLER) ? -1 : int(::syscall(SYS_epoll_create1, flags));
}

EXPORTED int epoll_ctl(int set, int operation, int fd, epoll_event *event) noexcept
{
    ++controlCount;
    if (additionError && operation == EPOLL_CTL_ADD)
        return failure(additionError);
    if (fails(Function::EpollControl, CALLER))
        return -1;
    return int(::syscall(SYS_epoll_ctl, set, operation, fd, event));
}

EXPORTED int epoll_wait(int set, epoll_event *events, int count, int timeout)
{
    if (fails(Function::EpollWait, CALLER))
        return -1;
    return int(::syscall(SYS_epoll_pwait, set, events, count, timeout, nullptr, _NSIG / 8));
}

EXPORTED int ppoll(pollfd *fds, nfds_t count, const timespec *timeout, const sigset_t *signals)
{
    ++pollCount;
    if (pollError)
        return failure(pollError);
    // Newer versions of GLib call this one.
    return fails(Function::PPoll, CALLER) || fails(Function::Poll, CALLER)
        ? pollInVain(fds, count, timeout)
        : pollNow(fds, count, timeout, signals);
}

/// GLib's, too.
EXPORTED int poll(pollfd *fds, nfds_t count, int timeout)
{
    ++pollCount;
    if (pollError)
        return failure(pollError);
    const timespec limit{timeout / 1000, timeout % 1000 * 1'000'000L};
    const timespec *limitOrNone = timeout < 0 ? nullptr : &limit;
    return fails(Function::Poll, CALLER) ? pollInVain(fds, count, limitOrNone)
                                         : pollNow(fds, count, limitOrNone, nullptr);
}

EXPORTED int eventfd(unsigned value, int flags) noexcept
{
    return fails(Function::EventFd, CALLER) ? -1 : int(::syscall(SYS_eventfd2, value, flags));
}

EXPORTED ssize_t read(int fd, void *buffer, size_t size)
{
    if (!fails(Function::Read, CALLER))
        return ::syscall(SYS_read, fd, buffer, size);
    if (fault.error == EAGAIN)
        ::syscall(SYS_read, fd, buffer, size);
    return failure(fault.error);
}

EXPORTED ssize_t write(int fd, const void *buffer, size_t size)
{
    if (!fails(Function::Write, CALLER))
        return ::syscall(SYS_write, fd, buffer, size);
    if (fault.error == EAGAIN)
        ::syscall(SYS_write, fd, buffer, size);
    return failure(fault.error);
}

EXPORTED int fcntl(int fd, int command, ...)
{
    if (fails(Function::Control, CALLER))
        return -1;
    std::va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
#    ifdef SYS_fcntl64
    return int(::syscall(SYS_fcntl64, fd, command, argument));
#    else
    return int(::syscall(SYS_fcntl, fd, command, argument));
#    endif
}

EXPORTED int fstat(int fd, struct stat *status) noexcept
{
    return fails(Function::Status, CALLER) ? -1 : ::fstatat(fd, "", status, AT_EMPTY_PATH);
}

EXPORTED int isatty(int fd) noexcept
{
    termios settings{};
    return !fails(Function::IsTerminal, CALLER) && ::tcgetattr(fd, &settings) == 0;
}

EXPORTED ssize_t readlink(const char *path, char *target, size_t size) noexcept
{
    return fails(Function::ReadLink, CALLER) ? -1
                                             : ::syscall(SYS_readlinkat, AT_FDCWD, path, target, size);
}

EXPORTED int close(int fd)
{
    if (!fails(Function::Close, CALLER))
        return int(::syscall(SYS_close, fd));
    if (fault.error != EBADF)
        ::syscall(SYS_close, fd);
    return failure(fault.error);
}

}

EXPORTED void *operator new(std::size_t size)
{
    if (!fails(Function::New, CALLER)) {
        if (void *memory = std::malloc(std::max<std::size_t>(size, 1)))
            return memory;
    }
    throw std::bad_alloc();
}

EXPORTED void operator delete(void *memory) noexcept
{
    std::free(memory);
}

EXPORTED void operator delete(void *memory, std::size_t) noexcept
{
    std::free(memory);
}

#else

#    include <array>

namespace {
int controlCount = 0;
int pollCount = 0;
int additionError = 0;
int pollError = 0;
int failureCount = 0;
std::array<int, SystemCalls::FunctionCount> callCounts{};
SystemCalls::Fault fault{};
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

const char *SystemCalls::name(Function function)
{
    static constexpr const char *Names[]
        = {"epoll_create1", "epoll_ctl", "epoll_wait", "ppoll", "poll", "eventfd", "read", "write", "fcntl",
           "fstat", "isatty", "readlink", "close", "new"};
    static_assert(sizeof Names / sizeof *Names == FunctionCount);
    return Names[int(function)];
}

void SystemCalls::fail(const Fault &toCome)
{
    fault = toCome;
}

int SystemCalls::calls(Function function)
{
    return callCounts[std::size_t(function)];
}

int SystemCalls::calls()
{
    int sum = 0;
    for (const auto &count : callCounts)
        sum += count;
    return sum;
}

int SystemCalls::failures()
{
    return failureCount;
}
