// SPDX-License-Identifier: MIT

#include "application.h"
#include "interop.h"

#include <QtCore/QPointer>

#include <array>
#include <atomic>

/// Dispatchers on contexts that the program chooses. Qt's GLib dispatcher has no public way to that.
class tst_OwnContext : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void ownedBeforeTheFirstLoop();
    void bothSidesAreServed_data();
    void bothSidesAreServed();
    void asyncCallsCompleteOnIt();
    void defaultContextIsLeftAlone();
    void workerWithAContext();
    void workerOnTheDefaultContext();
    void twoDispatchersAtOnce();
    void dispatcherGoesFirst();
    void contextGoesFirst();
    void neverStarted();
};

namespace {

class Context
{
public:
    Context() = default;
    ~Context() { g_main_context_unref(m_context); }
    Q_DISABLE_COPY_MOVE(Context)
    operator GMainContext *() const { return m_context; }

private:
    GMainContext *const m_context = g_main_context_new();
};

GLibEventDispatcher *ours()
{
    return static_cast<GLibEventDispatcher *>(dispatcher());
}

/// Whether @p context can be taken by another thread.
bool isFree(GMainContext *context)
{
    bool isTaken = false;
    std::thread([&] {
        isTaken = g_main_context_acquire(context);
        if (isTaken)
            g_main_context_release(context);
    }).join();
    return isTaken;
}

/// A thread with a dispatcher on @p context and an event loop, which calls functions.
class Worker
{
public:
    explicit Worker(GMainContext *context)
    {
        m_thread.setEventDispatcher(new GLibEventDispatcher(context));
        m_receiver.moveToThread(&m_thread);
        m_thread.start();
    }
    ~Worker()
    {
        m_thread.quit();
        ended(m_thread);
    }
    Q_DISABLE_COPY_MOVE(Worker)

    void call(const std::function<void()> &function)
    {
        ::call(&m_receiver, function);
    }
    QObject *receiver() { return &m_receiver; }

private:
    QThread m_thread;
    HandOverReceiver m_receiver;
};

}

void tst_OwnContext::ownedBeforeTheFirstLoop()
{
    const Context context;
    const Application application(context);
    QCOMPARE(ours()->context(), static_cast<GMainContext *>(context));
    QVERIFY(g_main_context_is_owner(context));
    QVERIFY(!isFree(context));
    QCOMPARE(g_main_context_get_thread_default(), static_cast<GMainContext *>(context));
}

void tst_OwnContext::bothSidesAreServed_data()
{
    QTest::addColumn<bool>("isGLibOutside");
    QTest::newRow("exec") << false;
    QTest::newRow("g_main_loop_run") << true;
}

void tst_OwnContext::bothSidesAreServed()
{
    QFETCH(bool, isGLibOutside);
    const Context context;
    const Application application(context);
    GMainLoop *mainLoop = g_main_loop_new(context, false);
    QEventLoop eventLoop;
    int posted = 0;
    int ticks = 0;
    int activations = 0;
    int glibTicks = 0;
    const auto check = [&] {
        if (std::min({ posted, ticks, activations, glibTicks }) < 10)
            return;
        g_main_loop_quit(mainLoop);
        eventLoop.quit();
    };
    const Channel channel;
    QSocketNotifier notifier(channel.writer, QSocketNotifier::Write);
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    QTimer timer;
    timer.callOnTimeout([&] {
        ++ticks;
        post(&timer, [&] { ++posted; });
        check();
    });
    timer.start(1);
    const GLibSource source(
        g_timeout_source_new(1), G_PRIORITY_DEFAULT,
        [&] {
            ++glibTicks;
            check();
            return true;
        },
        context);
    bool isLate = false;
    QTimer::singleShot(std::chrono::seconds(PatienceInSeconds), &timer, [&] {
        isLate = true;
        g_main_loop_quit(mainLoop);
        eventLoop.quit();
    });
    if (isGLibOutside)
        g_main_loop_run(mainLoop);
    else
        eventLoop.exec();
    g_main_loop_unref(mainLoop);
    QVERIFY(!isLate);
}

void tst_OwnContext::asyncCallsCompleteOnIt()
{
    struct Query
    {
        static void done(GObject *file, GAsyncResult *result, gpointer data)
        {
            auto self = static_cast<Query *>(data);
            g_autoptr(GFileInfo) info = g_file_query_info_finish(G_FILE(file), result, nullptr);
            self->hasSucceeded = info && self->thread == std::this_thread::get_id();
            self->isDone = true;
        }

        const std::thread::id thread = std::this_thread::get_id();
        bool hasSucceeded = false;
        bool isDone = false;
    } query;
    const Context context;
    const Application application(context);
    g_autoptr(GFile) file = g_file_new_for_path("/");
    g_file_query_info_async(file, G_FILE_ATTRIBUTE_STANDARD_NAME, G_FILE_QUERY_INFO_NONE,
                            G_PRIORITY_DEFAULT, nullptr, &Query::done, &query);
    QVERIFY(runUntil([&] { return query.isDone; }, QEventLoop::WaitForMoreEvents));
    QVERIFY(query.hasSucceeded);
}

void tst_OwnContext::defaultContextIsLeftAlone()
{
    const Context context;
    const Application application(context);
    int posted = 0;
    post([&] { ++posted; });
    QVERIFY(runUntil([&] { return posted == 1; }));
    QVERIFY(!g_main_context_is_owner(nullptr));

    // Another thread can have it all the time.
    std::atomic<int> calls = 0;
    std::atomic<int> elsewhere = 0;
    std::atomic<bool> stop = false;
    std::thread other([&] {
        const GLibSource source(g_idle_source_new(), G_PRIORITY_DEFAULT, [&] {
            ++calls;
            return true;
        });
        while (!stop)
            g_main_context_iteration(nullptr, true);
    });
    QTimer timer;
    timer.callOnTimeout([&] {
        elsewhere += QThread::currentThread() != thread();
        ++posted;
    });
    timer.start(1);
    const bool isDone = runUntil([&] { return calls >= 10 && posted >= 10; });
    stop = true;
    other.join();
    QVERIFY(isDone);
    QCOMPARE(elsewhere.load(), 0);
}

void tst_OwnContext::workerWithAContext()
{
    const Application application;
    const Context context;
    {
        Worker worker(context);
        bool isOwner = false;
        bool isThreadDefault = false;
        worker.call([&] {
            isOwner = g_main_context_is_owner(context);
            isThreadDefault = g_main_context_get_thread_default() == context;
        });
        QVERIFY(isOwner);
        QVERIFY(isThreadDefault);
        QVERIFY(!g_main_context_is_owner(context));

        std::atomic<bool> isCalled = false;
        QThread *calledIn = nullptr;
        callLater(
            [&, waiting = dispatcher()] {
                calledIn = QThread::currentThread();
                isCalled = true;
                waiting->wakeUp();
            },
            G_PRIORITY_DEFAULT, context);
        QVERIFY(runUntil([&] { return isCalled.load(); }));
        QCOMPARE(calledIn, worker.receiver()->thread());
    }
    QVERIFY(isFree(context));
}

void tst_OwnContext::workerOnTheDefaultContext()
{
    const Context context;
    const Application application(context);
    {
        Worker worker(g_main_context_default());
        bool isOwner = false;
        worker.call([&] { isOwner = g_main_context_is_owner(nullptr); });
        QVERIFY(isOwner);
        std::atomic<bool> isCalled = false;
        QThread *calledIn = nullptr;
        callLater([&, waiting = dispatcher()] {
            calledIn = QThread::currentThread();
            isCalled = true;
            waiting->wakeUp();
        });
        QVERIFY(runUntil([&] { return isCalled.load(); }));
        QCOMPARE(calledIn, worker.receiver()->thread());
    }
    QVERIFY(isFree(nullptr));
}

void tst_OwnContext::twoDispatchersAtOnce()
{
    // A token goes to and fro between two threads, by Qt's way and by GLib's in turn.
    constexpr int Rounds = 500;
    const std::array<Context, 2> contexts;
    const Application application(contexts[0]);
    Worker worker(contexts[1]);
    HandOverReceiver receiver;
    const std::array<QObject *, 2> receivers = { &receiver, worker.receiver() };
    int passed = 0;
    int inWrongThread = 0;
    std::atomic<bool> isDone = false;
    std::function<void(std::size_t)> pass = [&](std::size_t side) {
        inWrongThread += QThread::currentThread() != receivers[side]->thread()
            || !g_main_context_is_owner(contexts[side]) || g_main_context_is_owner(contexts[!side]);
        if (++passed == Rounds) {
            isDone = true;
            application.dispatcher()->wakeUp();
        } else if (passed / 2 % 2) {
            post(receivers[!side], [&, side] { pass(!side); });
        } else {
            callLater([&, side] { pass(!side); }, G_PRIORITY_DEFAULT, contexts[!side]);
        }
    };
    post(&receiver, [&] { pass(0); });
    QVERIFY(runUntil([&] { return isDone.load(); }));
    QCOMPARE(passed, Rounds);
    QCOMPARE(inWrongThread, 0);
}

void tst_OwnContext::dispatcherGoesFirst()
{
    const Context context;
    int calls = 0;
    const GLibSource source(
        g_idle_source_new(), G_PRIORITY_DEFAULT,
        [&] {
            ++calls;
            return true;
        },
        context);
    {
        const Application application(context);
        QTimer timer;
        timer.start(1);
        const Channel channel;
        QSocketNotifier notifier(channel.writer, QSocketNotifier::Write);
        QVERIFY(runUntil([&] { return calls >= 3; }));
    }
    // It is as if the dispatcher had never been there.
    QVERIFY(isFree(context));
    QVERIFY(!g_main_context_get_thread_default());
    calls = 0;
    for (int i = 1; i <= 10; ++i) {
        QVERIFY(g_main_context_iteration(context, false));
        QCOMPARE(calls, i);
    }
    QVERIFY(g_main_context_acquire(context));
    int priority = 0;
    int timeout = 0;
    g_main_context_prepare(context, &priority);
    const Context untouched;
    QVERIFY(g_main_context_acquire(untouched));
    g_main_context_prepare(untouched, &priority);
    QCOMPARE(g_main_context_query(context, G_PRIORITY_LOW, &timeout, nullptr, 0),
             g_main_context_query(untouched, G_PRIORITY_LOW, &timeout, nullptr, 0));
    g_main_context_release(untouched);
    g_main_context_release(context);
}

void tst_OwnContext::contextGoesFirst()
{
    struct Data
    {
        int calls = 0;
        bool isDestroyed = false;
    } data;
    {
        std::optional<Application> application;
        {
            const Context context;
            application.emplace(context);
        }
        // The dispatcher holds the last reference now.
        GSource *source = g_idle_source_new();
        g_source_set_callback(
            source,
            [](gpointer calls) -> gboolean {
                ++static_cast<Data *>(calls)->calls;
                return true;
            },
            &data, [](gpointer destroyed) { static_cast<Data *>(destroyed)->isDestroyed = true; });
        g_source_attach(source, ours()->context());
        g_source_unref(source);
        QVERIFY(runUntil([&] { return data.calls >= 3; }));
        QVERIFY(!data.isDestroyed);
    }
    // With the context, its sources go.
    QVERIFY(data.isDestroyed);
}

void tst_OwnContext::neverStarted()
{
    const Context context;
    {
        GLibEventDispatcher dispatcher(context);
        QCOMPARE(dispatcher.context(), static_cast<GMainContext *>(context));
        dispatcher.wakeUp();
    }
    // A QThread deletes its dispatcher when it finishes, so one that never ran leaves it.
    QPointer<GLibEventDispatcher> left = new GLibEventDispatcher(context);
    {
        QThread thread;
        thread.setEventDispatcher(left);
    }
    delete left;
    QVERIFY(isFree(context));
}

// Each test makes an application of its own.
int main(int argc, char **argv)
{
    tst_OwnContext test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_owncontext.moc"
