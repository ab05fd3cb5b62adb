// SPDX-License-Identifier: MIT

#ifndef WORKER_H
#define WORKER_H

#include "dispatcherundertest.h"

#include <QtCore/QObject>
#include <QtCore/QThread>

#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>

/**
 * Calls functions in the thread that it lives in.
 *
 * It does what QMetaObject::invokeMethod() does, with locks that ThreadSanitizer sees; it sees none
 * of those inside of Qt, which is not built for it.
 */
class FunctionQueue : public QObject
{
public:
    FunctionQueue()
    {
        // What was done before is seen by whoever posts, though Qt or GLib brought him the pointer.
        const std::lock_guard<std::mutex> lock(m_mutex);
    }

    /// Has @p function called some time.
    void post(std::function<void()> function)
    {
        {
            const std::lock_guard<std::mutex> lock(m_mutex);
            m_functions.push_back(std::move(function));
        }
        QCoreApplication::postEvent(this, new QEvent(QEvent::User));
    }

    /// Has @p function called, from another thread, and returns after it has returned.
    void call(const std::function<void()> &function)
    {
        const auto returned = std::make_shared<std::promise<void>>();
        std::future<void> future = returned->get_future();
        post([&function, returned] {
            function();
            returned->set_value();
        });
        future.wait();
    }

protected:
    void customEvent(QEvent *) override
    {
        std::function<void()> function;
        {
            const std::lock_guard<std::mutex> lock(m_mutex);
            function = std::move(m_functions.front());
            m_functions.pop_front();
        }
        function();
    }

private:
    std::mutex m_mutex;
    std::deque<std::function<void()>> m_functions;
};

/// A thread with the dispatcher under test, in which functions are called.
class Worker
{
public:
    Worker()
    {
        DispatcherUnderTest::install(&m_thread);
        m_queue->moveToThread(&m_thread);
        QObject::connect(&m_thread, &QThread::finished, m_queue, &QObject::deleteLater);
        m_thread.start();
    }

    ~Worker()
    {
        m_thread.quit();
        m_thread.wait();
    }

    void post(std::function<void()> function) { m_queue->post(std::move(function)); }
    void call(const std::function<void()> &function) { m_queue->call(function); }

    QThread *thread() { return &m_thread; }

private:
    QThread m_thread;
    FunctionQueue *m_queue = new FunctionQueue;
};

#endif
