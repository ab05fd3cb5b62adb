// SPDX-License-Identifier: MIT

#ifndef HELPERTHREAD_H
#define HELPERTHREAD_H

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

/// Another thread, which does what it is told while the one that tells it waits.
class HelperThread
{
public:
    HelperThread()
        : m_thread([this] { loop(); })
    {
    }
    ~HelperThread()
    {
        call(nullptr);
        m_thread.join();
    }
    HelperThread(const HelperThread &) = delete;
    HelperThread &operator=(const HelperThread &) = delete;

    void call(std::function<void()> function)
    {
        std::unique_lock lock(m_mutex);
        m_function = std::move(function);
        m_isCalled = true;
        m_changed.notify_all();
        m_changed.wait(lock, [this] { return !m_isCalled; });
    }

private:
    void loop()
    {
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
    std::thread m_thread; // last, since it uses the others
};

#endif
