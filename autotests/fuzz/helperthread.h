// SPDX-License-Identifier: MIT

#ifndef HELPERTHREAD_H
#define HELPERTHREAD_H

#include "virtualtime.h"

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QThread>

#include <condition_variable>
#include <functional>
#include <mutex>

/// Another thread, which does what it is told while the one that tells it waits.
class HelperThread final : public QThread
{
public:
    /// Without a @p dispatcher it has one of Qt's.
    explicit HelperThread(QAbstractEventDispatcher *dispatcher)
    {
        if (dispatcher)
            setEventDispatcher(dispatcher);
        start();
    }
    ~HelperThread() override
    {
        call(nullptr);
        wait();
    }
    Q_DISABLE_COPY_MOVE(HelperThread)

    void call(std::function<void()> function)
    {
        std::unique_lock lock(m_mutex);
        m_function = std::move(function);
        m_isCalled = true;
        m_changed.notify_all();
        m_changed.wait(lock, [this] { return !m_isCalled; });
    }

private:
    void run() override
    {
        VirtualTime::setWorker();
        std::unique_lock lock(m_mutex);
        for (bool goesOn = true; goesOn;) {
            m_changed.wait(lock, [this] { return m_isCalled; });
            goesOn = bool(m_function);
            if (goesOn)
                m_function();
            m_isCalled = false;
            m_changed.notify_all();
        }
    }

    std::mutex m_mutex;
    std::condition_variable m_changed;
    std::function<void()> m_function;
    bool m_isCalled = false;
};

#endif
