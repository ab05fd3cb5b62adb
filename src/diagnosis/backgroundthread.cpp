// SPDX-License-Identifier: MIT

#include "backgroundthread.h"

#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include <pthread.h>

int startBackgroundThread(const char *name, std::function<void()> run)
{
    sigset_t all;
    sigset_t previous;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous);
    int error = 0;
    try {
        std::thread thread(std::move(run));
#ifdef __linux__
        pthread_setname_np(thread.native_handle(), name);
#else
        static_cast<void>(name);
#endif
        thread.detach();
    } catch (const std::system_error &failure) {
        error = failure.code().value();
    }
    pthread_sigmask(SIG_SETMASK, &previous, nullptr);
    return error;
}
