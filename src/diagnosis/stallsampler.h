// SPDX-License-Identifier: MIT

#ifndef STALLSAMPLER_H
#define STALLSAMPLER_H

#include "stallsample.h"

#include <csignal>

#include <pthread.h>
#include <semaphore.h>

/// Has a thread take a StallSample of itself, by a signal. One at a time, from one other thread.
class StallSampler
{
public:
    StallSampler();

    /// Chooses a signal and installs its handler. Returns false if all real-time signals are in use.
    static bool prepare();

    /// Has @p thread, whose activity it is, take the sample(). Returns false if it does not take signals.
    bool take(Activity *activity, pthread_t thread);
    const StallSample &sample() const { return m_sample; }

private:
    static void handleSignal(int number, siginfo_t *info, void *context);

    std::atomic<Activity *> m_wanted{nullptr}; // whose thread is to take the sample, until it begins
    sem_t m_isTaken;
    StallSample m_sample;
};

#endif
