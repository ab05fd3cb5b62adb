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

}

#endif
