// SPDX-License-Identifier: MIT

#include "stallsampler.h"

#include <cerrno>
#include <chrono>
#include <ctime>

using namespace std::chrono_literals;

namespace {

/// How long a thread may take to run a signal handler.
constexpr auto SignalLimit = 1s;

int theSignal = 0;
std::atomic<StallSampler *> theSampler{nullptr};

/// A real-time signal that nobody handles; 0 if there is none.
int unusedSignal()
{
#ifdef SIGRTMAX
    for (int number = SIGRTMAX - 1; number > SIGRTMIN; --number) {
        struct sigaction action;
        if (sigaction(number, nullptr, &action) == 0 && !(action.sa_flags & SA_SIGINFO)
            && action.sa_handler == SIG_DFL)
            return number;
    }
#endif
    return 0;
}

bool waitFor(sem_t *semaphore, std::chrono::nanoseconds duration)
{
    timespec end;
    clock_gettime(CLOCK_REALTIME, &end); // the only clock of sem_timedwait()
    const auto total = std::chrono::nanoseconds(end.tv_nsec) + duration;
    end.tv_sec += time_t(total / 1s);
    end.tv_nsec = long((total % 1s).count());
    int result;
    do {
        result = sem_timedwait(semaphore, &end);
    } while (result < 0 && errno == EINTR);
    return result == 0;
}

}

StallSampler::StallSampler()
{
    sem_init(&m_isTaken, 0, 0);
}

bool StallSampler::prepare()
{
    theSignal = unusedSignal();
    if (!theSignal)
        return false;
    StallSample::prepare();
    struct sigaction action = {};
    action.sa_sigaction = handleSignal;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    return sigaction(theSignal, &action, nullptr) == 0;
}

bool StallSampler::take(Activity *activity, pthread_t thread)
{
    theSampler.store(this, std::memory_order_relaxed);
    m_wanted.store(activity, std::memory_order_release);
    if (pthread_kill(thread, theSignal) == 0 && waitFor(&m_isTaken, SignalLimit))
        return true;
    if (m_wanted.exchange(nullptr, std::memory_order_acq_rel))
        return false;
    while (sem_wait(&m_isTaken) < 0) { } // the handler has come late, and is at it
    return true;
}

void StallSampler::handleSignal(int, siginfo_t *, void *context)
{
    const int error = errno;
    StallSampler *const sampler = theSampler.load(std::memory_order_relaxed);
    Activity *const here = Activity::current();
    Activity *wanted = here;
    if (sampler && here && sampler->m_wanted.compare_exchange_strong(wanted, nullptr, std::memory_order_acq_rel)) {
        sampler->m_sample.take(*here, context);
        sem_post(&sampler->m_isTaken);
    }
    errno = error;
}
