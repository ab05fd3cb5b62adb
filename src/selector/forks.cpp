// SPDX-License-Identifier: MIT

#include "forks.h"

#include <atomic>

#include <pthread.h>

namespace {

std::atomic<unsigned> forks{0};
std::atomic<bool> isParent{false};

// From the start, so that no fork() is missed. getpid() would be a system call in every turn of the loop.
[[maybe_unused]] const int registered = pthread_atfork(
    nullptr, [] { isParent.store(true, std::memory_order_relaxed); },
    [] { forks.fetch_add(1, std::memory_order_relaxed); });

}

unsigned forkCount()
{
    return forks.load(std::memory_order_relaxed);
}

bool hasForked()
{
    return forkCount() > 0 || isParent.load(std::memory_order_relaxed);
}
