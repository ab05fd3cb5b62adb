// SPDX-License-Identifier: MIT

#ifndef INTEROP_H
#define INTEROP_H

#include "eventlooptest.h"

#include <gio/gio.h>
#include <glib-unix.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

/// How long a loop may run before it counts as stuck. Nothing here takes a second.
constexpr int PatienceInSeconds = 30;

/// What a source of GLib's calls, until it returns false.
using GLibFunction = std::function<bool()>;

inline gboolean callFunction(gpointer function)
{
    const HandOver handOver;
    return (*static_cast<GLibFunction *>(function))();
}

inline void setFunction(GSource *source, GSourceFunc call, GLibFunction function)
{
    auto *const data = new GLibFunction(std::move(function));
    HandOver::mark();
    g_source_set_callback(source, call, data, [](gpointer unused) {
        HandOver::mark();
        delete static_cast<GLibFunction *>(unused);
    });
}

/// Has @p source, which it does not take, call @p function: on the default context unless another
/// is named.
inline void attach(GSource *source, int priority, GLibFunction function,
                   GMainContext *context = nullptr)
{
    g_source_set_priority(source, priority);
    setFunction(source, callFunction, std::move(function));
    g_source_attach(source, context);
}

/// Has GLib call @p function once.
inline void callLater(std::function<void()> function, int priority = G_PRIORITY_DEFAULT,
                      GMainContext *context = nullptr)
{
    GSource *source = g_idle_source_new();
    attach(source, priority,
           [call = std::move(function)] {
               call();
               return false;
           },
           context);
    g_source_unref(source);
}

/// A source that is attached to the end of its scope.
class GLibSource
{
public:
    /// Takes @p source.
    GLibSource(GSource *source, int priority, GLibFunction function,
               GMainContext *context = nullptr)
        : m_source(source)
    {
        attach(source, priority, std::move(function), context);
    }
    /// Whenever @p fd is ready for @p condition.
    GLibSource(int fd, GIOCondition condition, int priority, GLibFunction function)
        : m_source(g_unix_fd_source_new(fd, condition))
    {
        // This kind calls with other parameters.
        const GUnixFDSourceFunc call = [](int, GIOCondition, gpointer data) -> gboolean {
            return callFunction(data);
        };
        g_source_set_priority(m_source, priority);
        setFunction(m_source, G_SOURCE_FUNC(call), std::move(function));
        g_source_attach(m_source, nullptr);
    }
    ~GLibSource()
    {
        g_source_destroy(m_source);
        g_source_unref(m_source);
    }
    Q_DISABLE_COPY_MOVE(GLibSource)

private:
    GSource *m_source;
};

/// A source of GLib's whose prepare() and check() call functions; neither ever makes it ready.
class ProbeSource
{
public:
    using Prepare = std::function<void(int *timeout)>;
    using Check = std::function<void()>;

    explicit ProbeSource(Prepare prepare, Check check = [] { }, int priority = G_PRIORITY_DEFAULT)
    {
        static GSourceFuncs functions
            = { &ProbeSource::prepare, &ProbeSource::check, &ProbeSource::dispatch,
                nullptr, nullptr, nullptr };
        m_source = g_source_new(&functions, sizeof(Source));
        reinterpret_cast<Source *>(m_source)->probe = this;
        m_prepare = std::move(prepare);
        m_check = std::move(check);
        HandOver::mark();
        g_source_set_priority(m_source, priority);
        g_source_attach(m_source, nullptr);
    }
    ~ProbeSource()
    {
        g_source_destroy(m_source);
        g_source_unref(m_source);
    }
    Q_DISABLE_COPY_MOVE(ProbeSource)

private:
    struct Source
    {
        GSource base;
        ProbeSource *probe;
    };

    static ProbeSource *from(GSource *source) { return reinterpret_cast<Source *>(source)->probe; }

    static gboolean prepare(GSource *source, int *timeout)
    {
        const HandOver handOver;
        *timeout = -1;
        from(source)->m_prepare(timeout);
        return false;
    }

    static gboolean check(GSource *source)
    {
        const HandOver handOver;
        from(source)->m_check();
        return false;
    }

    static gboolean dispatch(GSource *, GSourceFunc, gpointer) { return true; }

    GSource *m_source;
    Prepare m_prepare;
    Check m_check;
};

/// The loops that run a thread, Qt's and GLib's. All are ended by quit() in the loop's thread.
class Loop
{
public:
    enum Kind {
        Exec, ///< QEventLoop::exec()
        Dialog, ///< the same, as QDialog::exec() calls it
        ByHand, ///< processEvents(), again and again
        ByHandWaiting, ///< the same, waiting for events
        MainLoop, ///< g_main_loop_run()
        Application, ///< g_application_run()
        Iterations, ///< g_main_context_iteration(), again and again
    };

    explicit Loop(Kind kind)
        : m_kind(kind)
    {
        // It cannot be made without an application.
        if (kind == Exec || kind == Dialog)
            m_eventLoop.emplace();
    }
    ~Loop() { g_main_loop_unref(m_mainLoop); }
    Q_DISABLE_COPY_MOVE(Loop)

    /// Returns false if it had to be ended because nobody else did.
    bool run()
    {
        bool isLate = false;
        const GLibSource guard(g_timeout_source_new_seconds(PatienceInSeconds), G_PRIORITY_HIGH,
                               [&] {
                                   isLate = true;
                                   quit();
                                   return false;
                               });
        m_ended = false;
        switch (m_kind) {
        case Exec:
            m_eventLoop->exec();
            break;
        case Dialog:
            m_eventLoop->exec(QEventLoop::DialogExec);
            break;
        case ByHand:
            while (!m_ended)
                QCoreApplication::processEvents();
            break;
        case ByHandWaiting:
            while (!m_ended)
                QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents);
            break;
        case MainLoop:
            g_main_loop_run(m_mainLoop);
            break;
        case Application:
            runApplication();
            break;
        case Iterations:
            while (!m_ended)
                g_main_context_iteration(nullptr, true);
            break;
        }
        if (isLate)
            qWarning("a loop had to be ended");
        return !isLate;
    }

    void quit()
    {
        m_ended = true;
        if (m_eventLoop)
            m_eventLoop->quit();
        g_main_loop_quit(m_mainLoop);
        if (m_application)
            g_application_quit(m_application);
    }

    /// Whether Qt's work is served by its own loop.
    static bool isQts(Kind kind) { return kind < MainLoop; }

private:
    void runApplication()
    {
        m_application = g_application_new(nullptr, G_APPLICATION_NON_UNIQUE);
        g_signal_connect(m_application, "activate", G_CALLBACK(g_application_hold), nullptr);
        g_application_run(m_application, 0, nullptr);
        g_clear_object(&m_application);
    }

    const Kind m_kind;
    bool m_ended = false;
    std::optional<QEventLoop> m_eventLoop;
    GMainLoop *m_mainLoop = g_main_loop_new(nullptr, false);
    GApplication *m_application = nullptr;
};

/// What GLib and Qt call handlers for.
enum class Work { PostedEvent, Timer, ZeroTimer, Notifier, GLibIdle, GLibTimeout, GLibFd };

constexpr Work AllWork[] = { Work::PostedEvent, Work::Timer, Work::ZeroTimer, Work::Notifier,
                             Work::GLibIdle, Work::GLibTimeout, Work::GLibFd };

inline const char *name(Work work)
{
    switch (work) {
    case Work::PostedEvent:
        return "posted event";
    case Work::Timer:
        return "timer";
    case Work::ZeroTimer:
        return "zero timer";
    case Work::Notifier:
        return "notifier";
    case Work::GLibIdle:
        return "GLib idle source";
    case Work::GLibTimeout:
        return "GLib timeout";
    case Work::GLibFd:
        return "GLib fd source";
    }
    Q_UNREACHABLE();
}

/// Work of one kind that is there once, and calls a handler then.
class OneShot
{
public:
    OneShot(Work work, std::function<void()> handler)
        : m_handler(std::move(handler))
    {
        const auto handleOnce = [this] {
            m_handler();
            return false;
        };
        switch (work) {
        case Work::PostedEvent:
            post(&m_timer, m_handler);
            break;
        case Work::Timer:
        case Work::ZeroTimer:
            m_timer.setSingleShot(true);
            m_timer.callOnTimeout(m_handler);
            m_timer.start(work == Work::Timer ? 1 : 0);
            break;
        case Work::Notifier:
            m_channel = std::make_unique<Channel>();
            m_channel->write();
            m_notifier
                = std::make_unique<QSocketNotifier>(m_channel->reader, QSocketNotifier::Read);
            QObject::connect(m_notifier.get(), &QSocketNotifier::activated, &m_timer, [this] {
                m_notifier->setEnabled(false);
                m_handler();
            });
            break;
        case Work::GLibIdle:
            m_source = std::make_unique<GLibSource>(g_idle_source_new(), G_PRIORITY_DEFAULT_IDLE,
                                                    handleOnce);
            break;
        case Work::GLibTimeout:
            m_source = std::make_unique<GLibSource>(g_timeout_source_new(1), G_PRIORITY_DEFAULT,
                                                    handleOnce);
            break;
        case Work::GLibFd:
            m_channel = std::make_unique<Channel>();
            m_channel->write();
            m_source = std::make_unique<GLibSource>(m_channel->reader, G_IO_IN, G_PRIORITY_DEFAULT,
                                                    handleOnce);
            break;
        }
    }
    Q_DISABLE_COPY_MOVE(OneShot)

private:
    const std::function<void()> m_handler;
    QTimer m_timer; // also stands for whoever a posted event is for
    std::unique_ptr<Channel> m_channel;
    std::unique_ptr<QSocketNotifier> m_notifier;
    std::unique_ptr<GLibSource> m_source;
};

/// Work of every kind, all at once.
class AllShots
{
public:
    explicit AllShots(std::function<void()> whenDone)
        : m_left(std::size(AllWork))
    {
        for (const Work work : AllWork) {
            m_shots.push_back(std::make_unique<OneShot>(work, [this, work, whenDone] {
                m_done.append(int(work));
                if (--m_left == 0)
                    whenDone();
            }));
        }
    }

    bool areDone() const { return m_left == 0; }

    QByteArray missing() const
    {
        QByteArray names;
        for (const Work work : AllWork) {
            if (!m_done.contains(int(work)))
                names.append(name(work)).append(", ");
        }
        return names;
    }

private:
    std::size_t m_left;
    QList<int> m_done;
    std::vector<std::unique_ptr<OneShot>> m_shots;
};

/// Runs a loop of @p kind until it has done work of every kind.
inline bool runAllWork(Loop::Kind kind)
{
    Loop loop(kind);
    const AllShots shots([&] { loop.quit(); });
    return loop.run() && shots.areDone();
}

/// Whether each post by another thread ends the sleep of a loop of @p kind that it meets.
inline bool isWokenUp(Loop::Kind kind)
{
    constexpr int Rounds = 500;
    Loop loop(kind);
    QObject receiver;
    Semaphore isIdle;
    int woken = 0;
    std::thread poster([&] {
        for (int i = 0; i < Rounds && isIdle.acquire(); ++i) {
            // It takes a moment from the last callback to the sleep.
            std::this_thread::sleep_for(50us);
            post(&receiver, [&] {
                if (++woken == Rounds)
                    return loop.quit();
                isIdle.release();
            });
        }
    });
    isIdle.release();
    const bool ended = loop.run();
    isIdle.release(Rounds);
    poster.join();
    return ended && woken == Rounds;
}

#endif
