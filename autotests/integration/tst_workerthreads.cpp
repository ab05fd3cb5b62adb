// SPDX-License-Identifier: MIT

#include "countdown.h"
#include "dispatcherundertest.h"
#include "glibloop.h"
#include "worker.h"

#include <gio/gio.h>

#include <QtCore/QTemporaryDir>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include <sys/wait.h>

namespace {

/// Calls @p function in two threads at once, and runs this thread's event loop until both are done.
bool runInTwoThreads(const std::function<void(std::size_t)> &function)
{
    Countdown returned(2);
    FunctionQueue here;
    std::array<Worker, 2> workers;
    for (std::size_t i = 0; i < workers.size(); ++i) {
        workers[i].post([&, i] {
            function(i);
            here.post([&] { returned.step(); });
        });
    }
    return returned.wait();
}

struct SourceDeleter
{
    void operator()(GSource *source) const
    {
        g_source_destroy(source);
        g_source_unref(source);
    }
};
using Source = std::unique_ptr<GSource, SourceDeleter>;

/// Attaches @p source to the context of the thread that calls, until the result is destroyed.
[[nodiscard]] Source attach(GSource *source, GSourceFunc function, gpointer data)
{
    g_source_set_callback(source, function, data, nullptr);
    g_source_attach(source, g_main_context_get_thread_default());
    return Source(source);
}

}

class tst_WorkerThreads : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void contextIsOwnedAndThreadDefault();
    void contextIsLeftAsItWas();
    void timeoutsBesideTimers();
    void invokedFromAnotherThread();
    void childWatch();
    void asyncFileCalls();
    void tasksInTheThreadPool();
    void socketServices();
    void glibLoopInAWorker();
    void drivenByProcessEvents();
};

void tst_WorkerThreads::contextIsOwnedAndThreadDefault()
{
    std::array<Worker, 2> workers;
    std::array<GMainContext *, 2> contexts = {};
    for (std::size_t i = 0; i < workers.size(); ++i) {
        bool owner = false;
        workers[i].call([&] {
            contexts[i] = g_main_context_get_thread_default();
            owner = contexts[i] && g_main_context_is_owner(contexts[i]);
        });
        QVERIFY(contexts[i]);
        QVERIFY(owner);
        QVERIFY(contexts[i] != g_main_context_default());
        QVERIFY(!g_main_context_is_owner(contexts[i]));
    }
    QVERIFY(contexts[0] != contexts[1]);
}

void tst_WorkerThreads::contextIsLeftAsItWas()
{
    g_autoptr(GMainContext) context = nullptr;
    {
        Worker worker;
        worker.call([&] { context = g_main_context_ref_thread_default(); });
    }
    // Nobody owns it any more, and nothing of the dispatcher's is in it.
    QVERIFY(g_main_context_acquire(context));
    QVERIFY(!g_main_context_pending(context));
    g_main_context_release(context);
}

void tst_WorkerThreads::timeoutsBesideTimers()
{
    constexpr int each = 20;
    struct Counts
    {
        gboolean count(int *counter)
        {
            if (QThread::currentThread() != thread)
                ++inWrongThread;
            if (*counter == each)
                return G_SOURCE_REMOVE;
            ++*counter;
            left->step();
            return G_SOURCE_CONTINUE;
        }

        static gboolean onTimeout(gpointer data)
        {
            auto self = static_cast<Counts *>(data);
            return self->count(&self->timeouts);
        }

        static gboolean onIdle(gpointer data)
        {
            auto self = static_cast<Counts *>(data);
            return self->count(&self->idles);
        }

        QThread *thread = nullptr;
        Countdown *left = nullptr;
        int timeouts = 0;
        int idles = 0;
        int ticks = 0;
        int inWrongThread = 0;
        bool done = false;
    };
    std::array<Counts, 2> counts;
    QVERIFY(runInTwoThreads([&](std::size_t i) {
        Counts &own = counts[i];
        Countdown left(3 * each);
        own.thread = QThread::currentThread();
        own.left = &left;
        const Source timeout = attach(g_timeout_source_new(2), &Counts::onTimeout, &own);
        const Source idle = attach(g_idle_source_new(), &Counts::onIdle, &own);
        QTimer timer;
        timer.callOnTimeout([&] { own.count(&own.ticks); });
        timer.start(2);
        own.done = left.wait();
    }));
    for (const Counts &own : counts) {
        QVERIFY(own.done);
        QCOMPARE(own.timeouts, each);
        QCOMPARE(own.idles, each);
        QCOMPARE(own.ticks, each);
        QCOMPARE(own.inWrongThread, 0);
    }
}

void tst_WorkerThreads::invokedFromAnotherThread()
{
    constexpr int calls = 500;
    Worker worker;
    g_autoptr(GMainContext) context = nullptr;
    worker.call([&] { context = g_main_context_ref_thread_default(); });

    struct State
    {
        std::atomic<QThread *> thread;
        FunctionQueue caller;
        Countdown answered{calls};
        std::atomic<int> inWrongThread = 0;
    } state;
    state.thread = worker.thread();
    for (int i = 0; i < calls; ++i) {
        g_main_context_invoke(
            context,
            [](gpointer data) -> gboolean {
                auto self = static_cast<State *>(data);
                if (QThread::currentThread() != self->thread)
                    ++self->inWrongThread;
                self->caller.post([self] { self->answered.step(); });
                return G_SOURCE_REMOVE;
            },
            &state);
    }
    QVERIFY(state.answered.wait());
    QCOMPARE(state.inWrongThread.load(), 0);
}

void tst_WorkerThreads::childWatch()
{
    constexpr int count = 10;
    struct Children
    {
        static void onExit(GPid, int status, gpointer data)
        {
            auto self = static_cast<Children *>(data);
            self->inOwnThread &= QThread::currentThread() == self->thread;
            self->exitCodes << WEXITSTATUS(status);
            self->left->step();
        }

        QThread *thread = nullptr;
        Countdown *left = nullptr;
        QList<int> exitCodes;
        bool inOwnThread = true;
        bool done = false;
    };
    std::array<Children, 2> children;
    QVERIFY(runInTwoThreads([&](std::size_t i) {
        Children &own = children[i];
        Countdown left(count);
        own.thread = QThread::currentThread();
        own.left = &left;
        std::vector<Source> watches;
        for (int exitCode = 0; exitCode < count; ++exitCode) {
            QByteArray script = "exit " + QByteArray::number(exitCode);
            char sh[] = "/bin/sh";
            char option[] = "-c";
            char *arguments[] = {sh, option, script.data(), nullptr};
            GPid pid;
            if (!g_spawn_async(nullptr, arguments, nullptr, G_SPAWN_DO_NOT_REAP_CHILD, nullptr,
                               nullptr, &pid, nullptr))
                return;
            watches.push_back(attach(g_child_watch_source_new(pid),
                                     G_SOURCE_FUNC(&Children::onExit), &own));
        }
        own.done = left.wait();
    }));
    for (Children &own : children) {
        QVERIFY(own.done);
        QVERIFY(own.inOwnThread);
        std::sort(own.exitCodes.begin(), own.exitCodes.end());
        QCOMPARE(own.exitCodes, (QList<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    }
}

void tst_WorkerThreads::asyncFileCalls()
{
    constexpr int count = 20;
    QTemporaryDir directory;
    QVERIFY(directory.isValid());
    for (int i = 0; i < count; ++i) {
        QFile file(directory.filePath(QString::number(i)));
        QVERIFY(file.open(QIODevice::WriteOnly));
        QCOMPARE(file.write(QByteArray(i, 'x')), i);
    }

    struct Queries
    {
        static void onInfo(GObject *object, GAsyncResult *result, gpointer data)
        {
            auto self = static_cast<Queries *>(data);
            self->inOwnThread &= QThread::currentThread() == self->thread;
            g_autoptr(GFileInfo) info = g_file_query_info_finish(G_FILE(object), result, nullptr);
            if (info)
                self->totalSize += g_file_info_get_size(info);
            self->left->step();
        }

        static void onContents(GObject *object, GAsyncResult *result, gpointer data)
        {
            auto self = static_cast<Queries *>(data);
            self->inOwnThread &= QThread::currentThread() == self->thread;
            g_autofree char *contents = nullptr;
            gsize size = 0;
            if (g_file_load_contents_finish(G_FILE(object), result, &contents, &size, nullptr,
                                            nullptr))
                self->totalContents += gint64(size);
            self->left->step();
        }

        QThread *thread = nullptr;
        Countdown *left = nullptr;
        gint64 totalSize = 0;
        gint64 totalContents = 0;
        bool inOwnThread = true;
        bool done = false;
    };
    std::array<Queries, 2> queries;
    QVERIFY(runInTwoThreads([&](std::size_t i) {
        Queries &own = queries[i];
        Countdown left(2 * count);
        own.thread = QThread::currentThread();
        own.left = &left;
        for (int number = 0; number < count; ++number) {
            const QByteArray path = QFile::encodeName(directory.filePath(QString::number(number)));
            g_autoptr(GFile) file = g_file_new_for_path(path.constData());
            g_file_query_info_async(file, G_FILE_ATTRIBUTE_STANDARD_SIZE, G_FILE_QUERY_INFO_NONE,
                                    G_PRIORITY_DEFAULT, nullptr, &Queries::onInfo, &own);
            g_file_load_contents_async(file, nullptr, &Queries::onContents, &own);
        }
        own.done = left.wait();
    }));
    for (const Queries &own : queries) {
        QVERIFY(own.done);
        QVERIFY(own.inOwnThread);
        QCOMPARE(own.totalSize, count * (count - 1) / 2);
        QCOMPARE(own.totalContents, count * (count - 1) / 2);
    }
}

void tst_WorkerThreads::tasksInTheThreadPool()
{
    constexpr int count = 20;
    struct Tasks
    {
        static void work(GTask *task, gpointer, gpointer data, GCancellable *)
        {
            auto self = static_cast<Tasks *>(data);
            if (QThread::currentThread() != self->thread)
                ++self->elsewhere;
            g_task_return_int(task, 1);
        }

        static void onDone(GObject *, GAsyncResult *result, gpointer data)
        {
            auto self = static_cast<Tasks *>(data);
            self->inOwnThread &= QThread::currentThread() == self->thread;
            self->sum += g_task_propagate_int(G_TASK(result), nullptr);
            self->left->step();
        }

        std::atomic<QThread *> thread = nullptr;
        Countdown *left = nullptr;
        std::atomic<int> elsewhere = 0;
        gssize sum = 0;
        bool inOwnThread = true;
        bool done = false;
    };
    std::array<Tasks, 2> tasks;
    QVERIFY(runInTwoThreads([&](std::size_t i) {
        Tasks &own = tasks[i];
        Countdown left(count);
        own.thread = QThread::currentThread();
        own.left = &left;
        for (int number = 0; number < count; ++number) {
            g_autoptr(GTask) task = g_task_new(nullptr, nullptr, &Tasks::onDone, &own);
            g_task_set_task_data(task, &own, nullptr);
            g_task_run_in_thread(task, &Tasks::work);
        }
        own.done = left.wait();
    }));
    for (const Tasks &own : tasks) {
        QVERIFY(own.done);
        QVERIFY(own.inOwnThread);
        QCOMPARE(own.elsewhere.load(), count);
        QCOMPARE(own.sum, count);
    }
}

namespace {

/// Sends its data to an echo server with GIO's asynchronous calls, and reads until the end.
class EchoClient
{
public:
    EchoClient(guint16 port, const QByteArray &data, Countdown *done)
        : m_thread(QThread::currentThread()), m_data(data), m_buffer(2 * data.size(), '\0'),
          m_done(done)
    {
        g_autoptr(GSocketClient) client = g_socket_client_new();
        g_socket_client_set_enable_proxy(client, false);
        g_autoptr(GSocketAddress) address
            = g_inet_socket_address_new_from_string("127.0.0.1", port);
        g_socket_client_connect_async(client, G_SOCKET_CONNECTABLE(address), nullptr,
                                      &EchoClient::onConnected, this);
    }

    ~EchoClient() { g_clear_object(&m_connection); }

    bool succeeded() const { return m_inOwnThread && m_received == m_data; }

private:
    static EchoClient *self(gpointer data)
    {
        auto client = static_cast<EchoClient *>(data);
        client->m_inOwnThread &= QThread::currentThread() == client->m_thread;
        return client;
    }

    static void onConnected(GObject *object, GAsyncResult *result, gpointer data)
    {
        EchoClient *client = self(data);
        client->m_connection
            = g_socket_client_connect_finish(G_SOCKET_CLIENT(object), result, nullptr);
        if (!client->m_connection) {
            client->m_done->step();
            return;
        }
        const auto stream = G_IO_STREAM(client->m_connection);
        g_output_stream_write_all_async(g_io_stream_get_output_stream(stream),
                                        client->m_data.constData(), gsize(client->m_data.size()),
                                        G_PRIORITY_DEFAULT, nullptr, &EchoClient::onWritten,
                                        client);
        g_input_stream_read_all_async(g_io_stream_get_input_stream(stream),
                                      client->m_buffer.data(), gsize(client->m_buffer.size()),
                                      G_PRIORITY_DEFAULT, nullptr, &EchoClient::onRead, client);
    }

    static void onWritten(GObject *, GAsyncResult *, gpointer data)
    {
        g_socket_shutdown(g_socket_connection_get_socket(self(data)->m_connection), false, true,
                          nullptr);
    }

    static void onRead(GObject *object, GAsyncResult *result, gpointer data)
    {
        EchoClient *client = self(data);
        gsize size = 0;
        if (g_input_stream_read_all_finish(G_INPUT_STREAM(object), result, &size, nullptr))
            client->m_received = client->m_buffer.left(qsizetype(size));
        client->m_done->step();
    }

    QThread *m_thread;
    QByteArray m_data;
    QByteArray m_buffer;
    QByteArray m_received;
    Countdown *m_done;
    GSocketConnection *m_connection = nullptr;
    bool m_inOwnThread = true;
};

}

void tst_WorkerThreads::socketServices()
{
    constexpr int count = 20;
    struct Service
    {
        static gboolean onIncoming(GSocketService *, GSocketConnection *connection, GObject *,
                                   gpointer data)
        {
            auto self = static_cast<Service *>(data);
            ++self->served;
            // The connection has to live as long as its streams are used.
            g_object_set_data(G_OBJECT(connection), "service", self);
            g_output_stream_splice_async(
                g_io_stream_get_output_stream(G_IO_STREAM(connection)),
                g_io_stream_get_input_stream(G_IO_STREAM(connection)),
                G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, G_PRIORITY_DEFAULT, nullptr,
                &Service::onEcho, g_object_ref(connection));
            return true;
        }

        static void onEcho(GObject *, GAsyncResult *, gpointer connection)
        {
            auto self = static_cast<Service *>(g_object_get_data(G_OBJECT(connection), "service"));
            g_object_unref(connection);
            self->left->step();
        }

        Countdown *left = nullptr;
        int served = 0;
        int succeeded = 0;
        bool done = false;
    };
    std::array<Service, 2> services;
    QVERIFY(runInTwoThreads([&](std::size_t i) {
        Service &own = services[i];
        g_autoptr(GSocketService) service = g_socket_service_new();
        // The kernel tries connections beyond the backlog again, but only after a second.
        g_socket_listener_set_backlog(G_SOCKET_LISTENER(service), 2 * count);
        g_autoptr(GSocketAddress) any = g_inet_socket_address_new_from_string("127.0.0.1", 0);
        g_autoptr(GSocketAddress) address = nullptr;
        if (!g_socket_listener_add_address(G_SOCKET_LISTENER(service), any, G_SOCKET_TYPE_STREAM,
                                           G_SOCKET_PROTOCOL_TCP, nullptr, &address, nullptr))
            return;
        Countdown left(2 * count);
        own.left = &left;
        g_signal_connect(service, "incoming", G_CALLBACK(&Service::onIncoming), &own);
        const guint16 port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(address));
        std::vector<std::unique_ptr<EchoClient>> clients;
        for (int number = 0; number < count; ++number) {
            clients.push_back(
                std::make_unique<EchoClient>(port, QByteArray(1 + 5000 * number, 'x'), &left));
        }
        own.done = left.wait();
        for (const auto &client : clients)
            own.succeeded += client->succeeded();
        g_socket_service_stop(service);
        g_socket_listener_close(G_SOCKET_LISTENER(service));
    }));
    for (const Service &own : services) {
        QVERIFY(own.done);
        QCOMPARE(own.served, count);
        QCOMPARE(own.succeeded, count);
    }
}

void tst_WorkerThreads::glibLoopInAWorker()
{
    // A loop of GLib's on the thread's context serves Qt's timers and posted events.
    std::array<int, 2> ticks = {};
    std::array<int, 2> posted = {};
    std::array<bool, 2> ended = {};
    QVERIFY(runInTwoThreads([&](std::size_t i) {
        g_autoptr(GMainLoop) loop = g_main_loop_new(g_main_context_get_thread_default(), false);
        QObject receiver;
        QTimer timer;
        timer.callOnTimeout([&] {
            QMetaObject::invokeMethod(
                &receiver, [&] { ++posted[i]; }, Qt::QueuedConnection);
            if (++ticks[i] < 10)
                return;
            // A loop of GLib's ends with the turn that it is told to, in which the timer may be due.
            timer.stop();
            QMetaObject::invokeMethod(
                &receiver, [&] { g_main_loop_quit(loop); }, Qt::QueuedConnection);
        });
        timer.start(2);
        ended[i] = run(loop);
    }));
    for (std::size_t i = 0; i < ticks.size(); ++i) {
        QVERIFY(ended[i]);
        QCOMPARE(ticks[i], 10);
        QCOMPARE(posted[i], 10);
    }
}

void tst_WorkerThreads::drivenByProcessEvents()
{
    // A thread that never calls exec().
    struct Query
    {
        int answers = 0;
        bool inOwnThread = false;
        QThread *thread = nullptr;
    } query;
    std::unique_ptr<QThread> thread(QThread::create([&query] {
        query.thread = QThread::currentThread();
        g_autoptr(GFile) file = g_file_new_for_path("/");
        g_file_query_info_async(
            file, G_FILE_ATTRIBUTE_STANDARD_TYPE, G_FILE_QUERY_INFO_NONE, G_PRIORITY_DEFAULT,
            nullptr,
            [](GObject *object, GAsyncResult *result, gpointer data) {
                auto self = static_cast<Query *>(data);
                self->inOwnThread = QThread::currentThread() == self->thread;
                g_autoptr(GFileInfo) info
                    = g_file_query_info_finish(G_FILE(object), result, nullptr);
                self->answers += info != nullptr;
            },
            &query);
        QDeadlineTimer deadline(std::chrono::seconds(60));
        QTimer guard;
        guard.start(std::chrono::seconds(60));
        while (query.answers == 0 && !deadline.hasExpired())
            QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents);
    }));
    DispatcherUnderTest::install(thread.get());
    thread->start();
    QVERIFY(thread->wait());
    QCOMPARE(query.answers, 1);
    QVERIFY(query.inOwnThread);
}

DISPATCHER_TEST_MAIN(tst_WorkerThreads)
#include "tst_workerthreads.moc"
