// SPDX-License-Identifier: MIT

// Threads that start, talk to the main thread by the means of either side, and end.

#include "load.h"

#include "eventlooptest.h"

#include <gio/gio.h>

namespace {

constexpr auto Interval = 50ms;
constexpr int Rounds = 20;

/// A thread with a loop of its own. The main thread and it call each other in turns.
class Conversation : public QThread
{
public:
    Conversation()
    {
        DispatcherUnderTest::install(this);
        m_there.moveToThread(this);
    }

    void say()
    {
        if (m_rounds++ == Rounds)
            return quit();
        post(&m_there, [this] { post(&m_here, [this] { say(); }); });
    }

private:
    QObject m_here;
    QObject m_there;
    int m_rounds = 0;
};

class Threads : public Load
{
public:
    explicit Threads(Measured &measured)
        : m_measured(measured)
    {
        repeat(Interval, [this] { work(); });
    }

private:
    void work()
    {
        begin();
        switch (random(3)) {
        case 0:
            return converse();
        case 1:
            return call();
        default:
            return runTask();
        }
    }

    void converse()
    {
        auto *const conversation = new Conversation;
        connect(conversation, &QThread::finished, this, [this, conversation] {
            conversation->wait();
            delete conversation;
            end();
        });
        conversation->start();
        conversation->say();
    }

    /// What is to be timed comes after a pause, so that the main thread sleeps if it has nothing else to do.
    void call()
    {
        auto *const thread = QThread::create([this] {
            for (int i = 0; i < Rounds; ++i) {
                QThread::msleep(1);
                post(this, [this, posted = Clock::now()] { m_measured.posted.add(Clock::now() - posted); });
                QThread::msleep(1);
                invoke([this, invoked = Clock::now()] { m_measured.invoked.add(Clock::now() - invoked); });
            }
        });
        connect(thread, &QThread::finished, this, [this, thread] {
            thread->wait();
            delete thread;
            end();
        });
        thread->start();
    }

    static void invoke(std::function<void()> function)
    {
        g_main_context_invoke_full(
            nullptr, G_PRIORITY_DEFAULT,
            [](void *data) -> gboolean {
                (*static_cast<std::function<void()> *>(data))();
                return G_SOURCE_REMOVE;
            },
            new std::function<void()>(std::move(function)),
            [](void *data) { delete static_cast<std::function<void()> *>(data); });
    }

    void runTask()
    {
        GTask *const task = g_task_new(
            nullptr, nullptr, [](GObject *, GAsyncResult *, void *load) { static_cast<Threads *>(load)->end(); },
            this);
        g_task_run_in_thread(task, [](GTask *finished, void *, void *, GCancellable *) {
            g_task_return_boolean(finished, true);
        });
        g_object_unref(task);
    }

    Measured &m_measured;
};

}

std::unique_ptr<Load> makeThreads(Measured &measured)
{
    return std::make_unique<Threads>(measured);
}
