// SPDX-License-Identifier: MIT

#include <eventlooptest.h>

#include <GLibEventDispatcher>

#include <QtCore/QDir>
#include <QtCore/QFile>
#include <QtCore/QTimer>

#include <csignal>
#include <vector>

#include <glib.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

/// On a busy machine a thread may have to wait for a processor for a while, which is none of these stalls.
constexpr auto Limit = 200ms;

/// What was said in the category of the reports.
class Reports
{
public:
    static void listen() { qInstallMessageHandler(note); }

    static std::vector<QByteArray> all()
    {
        const std::lock_guard lock(s_mutex);
        return s_messages;
    }
    static void clear()
    {
        const std::lock_guard lock(s_mutex);
        s_messages.clear();
    }
    /// The first one of a stall that lasts.
    static QByteArray first()
    {
        for (const QByteArray &message : all()) {
            if (message.contains(" has been kept for "))
                return message;
        }
        return "no report";
    }
    static int count(const char *words)
    {
        int number = 0;
        for (const QByteArray &message : all())
            number += message.contains(words);
        return number;
    }

private:
    static void note(QtMsgType, const QMessageLogContext &context, const QString &message)
    {
        if (qstrcmp(context.category, "glib.eventdispatcher.stalls") != 0) {
            std::fprintf(stderr, "%s\n", qPrintable(message));
            return;
        }
        const std::lock_guard lock(s_mutex);
        s_messages.push_back(message.toUtf8());
    }

    static inline std::mutex s_mutex;
    static inline std::vector<QByteArray> s_messages;
};

void limit(std::chrono::milliseconds time)
{
    GLibEventDispatcher::setStallLimit(time);
}

/// Keeps the thread until there is a report with these @p words, and says whether there was one.
bool keepUntilReported(const char *words = " has been kept for ")
{
    const QDeadlineTimer end(30s);
    while (Reports::count(words) == 0 && !end.hasExpired())
        std::this_thread::sleep_for(1ms);
    return !end.hasExpired();
}

bool watcherIsThere()
{
    const QDir tasks(QStringLiteral("/proc/self/task"));
    for (const QString &task : tasks.entryList(QDir::Dirs | QDir::NoDotAndDotDot)) {
        QFile name(tasks.filePath(task + QStringLiteral("/comm")));
        if (name.open(QIODevice::ReadOnly) && name.readAll().startsWith("stall watcher"))
            return true;
    }
    return false;
}

int handledRealTimeSignals()
{
    int handled = 0;
    for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) {
        struct sigaction action;
        handled += sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_DFL;
    }
    return handled;
}

class SelfDeleting : public QObject
{
public:
    explicit SelfDeleting(bool *reported)
        : m_reported(reported)
    {
        setObjectName(QStringLiteral("gone meanwhile"));
    }

    bool event(QEvent *) override
    {
        bool *const reported = m_reported;
        delete this;
        *reported = keepUntilReported();
        return true;
    }

private:
    bool *const m_reported;
};

}

/// Whether stalls are found, and only those.
class tst_StallWatch : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init();
    void startsNothingUnlessAsked(); // the first one
    void reportsWhileItLasts();
    void reportsThreads();
    void reportsAfterFork();
    void outlivesTheReceiver();
    void findsASleepInAGLibCallback();
    void findsTheEndOfASource();
    void doesNotBlameManyShortSources();
    void doesNotBlameWhatIsAroundALoop();
    void doesNotBlameWhatFollowsAGLibLoop();
    void endsWhenToldTo();
    void findsADeepLoop();
};

void tst_StallWatch::initTestCase()
{
    Reports::listen();
}

void tst_StallWatch::init()
{
    settle();
    Reports::clear();
}

void tst_StallWatch::startsNothingUnlessAsked()
{
    const int handled = handledRealTimeSignals();
    bool isDone = false;
    post([&] { isDone = true; });
    QVERIFY(runUntil([&] { return isDone; }));
    QVERIFY(!watcherIsThere());
    limit(Limit);
    QTRY_VERIFY(watcherIsThere());
    QCOMPARE(handledRealTimeSignals(), handled + 1);
}

void tst_StallWatch::reportsWhileItLasts()
{
    limit(Limit);
    bool isReported = false;
    bool isDone = false;
    post(this, [&] {
        isReported = keepUntilReported();
        isDone = true;
    });
    QVERIFY(runUntil([&] { return isDone; }));
    QVERIFY(isReported);
    QTRY_COMPARE(Reports::count(" goes on after about "), 1);
    QVERIFY2(Reports::first().contains("by posted event QEvent::MetaCall to tst_StallWatch\n"), Reports::first());
}

void tst_StallWatch::reportsThreads()
{
    limit(Limit);
    bool isReported = false;
    {
        LoopThread thread;
        HandOverReceiver receiver;
        receiver.moveToThread(&thread);
        call(&receiver, [&] { isReported = keepUntilReported(" by posted event QEvent::MetaCall to HandOverReceiver"); });
    }
    QVERIFY(isReported);
    QTRY_COMPARE(Reports::count(" goes on after about "), 1);
}

void tst_StallWatch::reportsAfterFork()
{
#ifdef __SANITIZE_THREAD__
    QSKIP("ThreadSanitizer ends a forked child that starts a thread");
#endif
    limit(Limit);
    const pid_t child = fork();
    if (child == 0) {
        const bool wasThere = watcherIsThere();
        bool isReported = false;
        bool isDone = false;
        QTimer::singleShot(0, this, [&] {
            isReported = keepUntilReported();
            isDone = true;
        });
        runUntil([&] { return isDone; });
        _exit(wasThere ? 2 : isReported ? 0 : 1);
    }
    QVERIFY(child > 0);
    int status = 0;
    QCOMPARE(waitpid(child, &status, 0), child); // its wait has a limit
    QVERIFY(WIFEXITED(status));
    QCOMPARE(WEXITSTATUS(status), 0);
    // The parent's is still there.
    reportsWhileItLasts();
}

void tst_StallWatch::outlivesTheReceiver()
{
    limit(Limit);
    bool isReported = false;
    QCoreApplication::postEvent(new SelfDeleting(&isReported), new QEvent(QEvent::User));
    QVERIFY(runUntil([&] { return isReported; }));
    QVERIFY2(Reports::first().contains("SelfDeleting \"gone meanwhile\""), Reports::first());
}

/// Somebody's poll() or nanosleep() does not go on after a signal, so there is none before the limit is over.
void tst_StallWatch::findsASleepInAGLibCallback()
{
    limit(100ms);
    std::chrono::nanoseconds slept{0};
    // The watcher may look between the callback's begin and its sleep.
    for (int i = 0; i < 5 && slept < 90ms; ++i) {
        Reports::clear();
        slept = 0ns;
        g_idle_add(
            [](gpointer duration) -> gboolean {
                const auto begin = std::chrono::steady_clock::now();
                const timespec second{1, 0};
                nanosleep(&second, nullptr);
                *static_cast<std::chrono::nanoseconds *>(duration) = std::chrono::steady_clock::now() - begin;
                return G_SOURCE_REMOVE;
            },
            &slept);
        QVERIFY(runUntil([&] { return slept > 0ns; }));
    }
    QVERIFY(slept >= 90ms);
    QTRY_VERIFY2(Reports::first().contains("by GLib source "), Reports::first());
}

/// The sources of one step are told apart.
void tst_StallWatch::findsTheEndOfASource()
{
    limit(Limit);
    struct
    {
        bool isReported = false;
        bool isOver = false;
    } found;
    g_idle_add(
        [](gpointer data) -> gboolean {
            static_cast<decltype(found) *>(data)->isReported = keepUntilReported();
            return G_SOURCE_REMOVE;
        },
        &found);
    g_idle_add(
        [](gpointer data) -> gboolean {
            static_cast<decltype(found) *>(data)->isOver = keepUntilReported(" goes on after ");
            return G_SOURCE_REMOVE;
        },
        &found);
    QVERIFY(runUntil([&] { return found.isOver; }));
    QVERIFY(found.isReported);
}

void tst_StallWatch::doesNotBlameManyShortSources()
{
    limit(1500ms);
    int left = 8;
    for (int i = 0; i < 8; ++i) {
        g_idle_add(
            [](gpointer count) -> gboolean {
                const QDeadlineTimer end(300ms);
                while (!end.hasExpired()) { }
                --*static_cast<int *>(count);
                return G_SOURCE_REMOVE;
            },
            &left);
    }
    QVERIFY(runUntil([&] { return left == 0; }));
    QCOMPARE(Reports::first(), QByteArray("no report"));
}

void tst_StallWatch::doesNotBlameWhatIsAroundALoop()
{
    limit(1000ms);
    bool isDone = false;
    post([&] {
        QEventLoop loop;
        QTimer ticks;
        ticks.start(50);
        QTimer::singleShot(2500, &loop, &QEventLoop::quit);
        loop.exec();
        isDone = true;
    });
    QVERIFY(runUntil([&] { return isDone; }));
    QCOMPARE(Reports::first(), QByteArray("no report"));
}

/// Nobody tells when a GLib loop is over.
void tst_StallWatch::doesNotBlameWhatFollowsAGLibLoop()
{
    limit(Limit);
    GMainLoop *loop = g_main_loop_new(nullptr, false);
    g_idle_add(
        [](gpointer quits) -> gboolean {
            g_main_loop_quit(static_cast<GMainLoop *>(quits));
            return G_SOURCE_REMOVE;
        },
        loop);
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    const QDeadlineTimer end(3 * Limit);
    while (!end.hasExpired()) { }
    QCOMPARE(Reports::first(), QByteArray("no report"));
    reportsWhileItLasts();
}

void tst_StallWatch::endsWhenToldTo()
{
    limit(Limit);
    limit(0ms);
    bool isDone = false;
    post([&] {
        std::this_thread::sleep_for(3 * Limit);
        isDone = true;
    });
    QVERIFY(runUntil([&] { return isDone; }));
    QCOMPARE(Reports::first(), QByteArray("no report"));
    reportsWhileItLasts(); // and begins anew
}

/// There are more levels than there is room for.
void tst_StallWatch::findsADeepLoop()
{
    limit(Limit);
    bool isReported = false;
    std::function<void(int)> nest = [&](int depth) {
        if (depth == 0) {
            isReported = keepUntilReported();
            return;
        }
        post(this, [&, depth] { nest(depth - 1); });
        turn();
    };
    nest(50);
    QVERIFY(isReported);
    QVERIFY2(Reports::first().count("\n  in a Qt loop: ") > 30, Reports::first());
    settle();
}

DISPATCHER_TEST_MAIN(tst_StallWatch)

#include "tst_stallwatch.moc"
