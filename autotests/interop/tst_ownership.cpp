// SPDX-License-Identifier: MIT

#include "interop.h"

#include <array>
#include <atomic>

/// Whose the contexts are. g_main_context_invoke() runs a function at once if the caller owns the
/// context or can take it, and leaves it to the owner otherwise.
class tst_Ownership : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    // The first two are about what is before the first loop of Qt's, so they come first.
    void beforeTheFirstLoop();
    void processEventsBorrows();
    void inHandlers_data();
    void inHandlers();
    void invokedWhileAHandlerRuns_data();
    void invokedWhileAHandlerRuns();
    void invokedDuringAWait();
    void invokedBetweenTwoLoops();
    void invokedByAWorkerThread();
    void workerOwnsItsContext();
    void invokedInABusyWorker();
    void asyncCallsOfAWorker();
};

namespace {

/// Calls g_main_context_invoke() in another thread.
class Invocation
{
public:
    explicit Invocation(GMainContext *context = nullptr)
    {
        std::thread([this, context] {
            HandOver::mark();
            g_main_context_invoke(
                context,
                [](gpointer data) -> gboolean {
                    const HandOver handOver;
                    auto self = static_cast<Invocation *>(data);
                    self->m_thread = std::this_thread::get_id();
                    self->m_isDone = true;
                    if (self->whenDone)
                        self->whenDone();
                    return G_SOURCE_REMOVE;
                },
                this);
        }).join();
    }
    Q_DISABLE_COPY_MOVE(Invocation)

    bool isDone() const { return m_isDone; }
    bool wasInThisThread() const { return m_isDone && m_thread == std::this_thread::get_id(); }

    std::function<void()> whenDone;

private:
    std::atomic<bool> m_isDone = false;
    std::thread::id m_thread;
};

/// Calls @p function in @p thread, which runs an event loop, and waits for it.
void callIn(QThread &thread, const std::function<void()> &function)
{
    HandOverReceiver receiver;
    receiver.moveToThread(&thread);
    call(&receiver, [&] {
        function();
        receiver.moveToThread(nullptr);
    });
}

}

void tst_Ownership::beforeTheFirstLoop()
{
    // The default context is nobody's yet, so that nobody has to wait for it; Qt's GLib dispatcher
    // has taken it.
    QCOMPARE(bool(g_main_context_is_owner(nullptr)), isQtGLib());
    Invocation invocation;
    QCOMPARE(invocation.isDone(), !isQtGLib());
    if (isQtGLib())
        QVERIFY(runUntil([&] { return invocation.isDone(); }, QEventLoop::AllEvents));
    QCOMPARE(invocation.wasInThisThread(), isQtGLib());
}

void tst_Ownership::processEventsBorrows()
{
    bool wasOwner = false;
    callLater([&] { wasOwner = g_main_context_is_owner(nullptr); });
    QVERIFY(runUntil([&] { return wasOwner; }, QEventLoop::AllEvents));
    QCOMPARE(bool(g_main_context_is_owner(nullptr)), isQtGLib());
}

void tst_Ownership::inHandlers_data()
{
    QTest::addColumn<Loop::Kind>("kind");
    QTest::newRow("exec") << Loop::Exec;
    QTest::newRow("g_main_loop_run") << Loop::MainLoop;
}

void tst_Ownership::inHandlers()
{
    QFETCH(Loop::Kind, kind);
    for (const Work work : AllWork) {
        Loop loop(kind);
        bool isOwner = false;
        bool isOtherOwner = true;
        const OneShot shot(work, [&] {
            isOwner = g_main_context_is_owner(nullptr);
            std::thread([&] { isOtherOwner = g_main_context_is_owner(nullptr); }).join();
            loop.quit();
        });
        QVERIFY2(loop.run(), name(work));
        QVERIFY2(isOwner, name(work));
        QVERIFY2(!isOtherOwner, name(work));
    }
}

void tst_Ownership::invokedWhileAHandlerRuns_data()
{
    inHandlers_data();
}

void tst_Ownership::invokedWhileAHandlerRuns()
{
    QFETCH(Loop::Kind, kind);
    for (const Work work : AllWork) {
        Loop loop(kind);
        bool wasDoneAtOnce = true;
        bool wasInThisThread = false;
        std::unique_ptr<Invocation> invocation;
        const OneShot shot(work, [&] {
            invocation = std::make_unique<Invocation>();
            wasDoneAtOnce = invocation->isDone();
            invocation->whenDone = [&] {
                wasInThisThread = invocation->wasInThisThread();
                loop.quit();
            };
        });
        QVERIFY2(loop.run(), name(work));
        QVERIFY2(!wasDoneAtOnce, name(work));
        QVERIFY2(wasInThisThread, name(work));
    }
}

void tst_Ownership::invokedDuringAWait()
{
    for (int round = 0; round < 100; ++round) {
        std::unique_ptr<Invocation> invocation;
        std::atomic<bool> isInvoked = false;
        const WhenAboutToBlock helper([&, waiting = dispatcher()] {
            invocation = std::make_unique<Invocation>();
            isInvoked = true;
            waiting->wakeUp();
        });
        QVERIFY(runUntil([&] { return isInvoked && invocation->isDone(); },
                         QEventLoop::WaitForMoreEvents));
        QVERIFY(invocation->wasInThisThread());
    }
}

void tst_Ownership::invokedBetweenTwoLoops()
{
    for (int round = 0; round < 20; ++round) {
        Loop first(Loop::Exec);
        post(this, [&] { first.quit(); });
        QVERIFY(first.run());

        QVERIFY(g_main_context_is_owner(nullptr));
        Invocation invocation;
        QVERIFY(!invocation.isDone());

        Loop second(Loop::Exec);
        invocation.whenDone = [&] { second.quit(); };
        QVERIFY(second.run());
        QVERIFY(invocation.wasInThisThread());
    }
}

void tst_Ownership::invokedByAWorkerThread()
{
    // It has a loop and a context of its own.
    LoopThread thread;
    Loop loop(Loop::Exec);
    std::unique_ptr<Invocation> invocation;
    callIn(thread, [&] { invocation = std::make_unique<Invocation>(); });
    QVERIFY(!invocation->isDone());
    invocation->whenDone = [&] { loop.quit(); };
    QVERIFY(loop.run());
    QVERIFY(invocation->wasInThisThread());
}

void tst_Ownership::workerOwnsItsContext()
{
    std::array<LoopThread, 2> threads;
    std::array<GMainContext *, 2> contexts = {};
    std::array<bool, 2> owns = {};
    for (std::size_t i = 0; i < threads.size(); ++i) {
        callIn(threads[i], [&] {
            contexts[i] = g_main_context_get_thread_default();
            owns[i] = g_main_context_is_owner(contexts[i]);
        });
        QVERIFY(contexts[i]);
        QVERIFY(contexts[i] != g_main_context_default());
        QVERIFY(owns[i]);
        QVERIFY(!g_main_context_is_owner(contexts[i]));
        QVERIFY(!g_main_context_acquire(contexts[i]));
    }
    QVERIFY(contexts[0] != contexts[1]);
}

void tst_Ownership::invokedInABusyWorker()
{
    LoopThread thread;
    bool wasDoneAtOnce = true;
    std::unique_ptr<Invocation> invocation;
    callIn(thread, [&] {
        invocation = std::make_unique<Invocation>(g_main_context_get_thread_default());
        wasDoneAtOnce = invocation->isDone();
    });
    QVERIFY(!wasDoneAtOnce);
    QTRY_VERIFY(invocation->isDone());
    bool wasInWorker = false;
    callIn(thread, [&] { wasInWorker = invocation->wasInThisThread(); });
    QVERIFY(wasInWorker);
}

void tst_Ownership::asyncCallsOfAWorker()
{
    struct Query
    {
        static void done(GObject *file, GAsyncResult *result, gpointer data)
        {
            auto self = static_cast<Query *>(data);
            g_autoptr(GFileInfo) info = g_file_query_info_finish(G_FILE(file), result, nullptr);
            self->hasSucceeded = info && self->thread == QThread::currentThread();
            self->isDone = true;
        }

        QThread *thread = nullptr;
        bool hasSucceeded = false;
        std::atomic<bool> isDone = false;
    };
    std::array<LoopThread, 2> threads;
    std::array<Query, 2> queries;
    for (std::size_t i = 0; i < threads.size(); ++i) {
        queries[i].thread = &threads[i];
        callIn(threads[i], [&] {
            g_autoptr(GFile) file = g_file_new_for_path("/");
            g_file_query_info_async(file, G_FILE_ATTRIBUTE_STANDARD_NAME, G_FILE_QUERY_INFO_NONE,
                                    G_PRIORITY_DEFAULT, nullptr, &Query::done, &queries[i]);
        });
    }
    for (const Query &query : queries) {
        QTRY_VERIFY(query.isDone);
        QVERIFY(query.hasSucceeded);
    }
}

DISPATCHER_TEST_MAIN(tst_Ownership)

#include "tst_ownership.moc"
