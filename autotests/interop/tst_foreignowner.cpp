// SPDX-License-Identifier: MIT

#include "application.h"
#include "interop.h"

#include <QtCore/QProcess>

#include <array>
#include <atomic>
#include <future>

/// Another thread owns the context of the dispatcher. Each of these runs in a process of its own,
/// because it is about the first moments of one.
class ForeignOwnerScenarios : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void ownedBeforeTheApplication();
    void takenBeforeTheFirstLoop();
    void takenAfterProcessEvents();
    void mainWaitsForAHelper();
    void warnedBeforeTheWait();
    void ownerIsNotDisturbed();
    void givenUpDuringAWait();
    void destroyedMeanwhile();
    void passedToAndFro();
    void contextOfAWorkerThread();
};

/// Runs them, each in a process of its own.
class tst_ForeignOwner : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void scenario_data();
    void scenario();
};

namespace {

/// What the dispatcher logs about who owns its context.
class Log
{
public:
    Log()
    {
        s_log = this;
        m_before = qInstallMessageHandler(&Log::handle);
    }
    ~Log() { qInstallMessageHandler(m_before); }
    Q_DISABLE_COPY_MOVE(Log)

    int warnings = 0;
    int infos = 0;
    std::function<void()> onWarning = [] { };

private:
    static void handle(QtMsgType type, const QMessageLogContext &context, const QString &text)
    {
        s_log->m_before(type, context, text);
        if (qstrcmp(context.category, "glib.eventdispatcher") != 0)
            return;
        if (type == QtWarningMsg && text.contains(QLatin1String("owned by another thread"))) {
            ++s_log->warnings;
            s_log->onWarning();
        } else if (type == QtInfoMsg && text.contains(QLatin1String("has become free"))) {
            ++s_log->infos;
        }
    }

    static inline Log *s_log = nullptr;
    QtMessageHandler m_before;
};

/// A thread that owns a context, the default one unless another is named, and runs it.
class Owner
{
public:
    explicit Owner(GMainContext *context = nullptr)
        : m_loop(g_main_loop_new(context, false))
    {
        std::promise<bool> owns;
        m_thread = std::thread([this, context, &owns] {
            // g_main_loop_run() alone would wait for its turn.
            if (!g_main_context_acquire(context)) {
                owns.set_value(false);
                return;
            }
            const GLibSource started(
                g_idle_source_new(), G_PRIORITY_DEFAULT,
                [&owns] {
                    owns.set_value(true);
                    return false;
                },
                context);
            g_main_loop_run(m_loop);
            g_main_context_release(context);
        });
        m_id = m_thread.get_id();
        m_owns = owns.get_future().get();
    }
    ~Owner()
    {
        giveUp();
        g_main_loop_unref(m_loop);
    }
    Q_DISABLE_COPY_MOVE(Owner)

    bool owns() const { return m_owns; }
    std::thread::id id() const { return m_id; }

    void giveUp()
    {
        if (!m_thread.joinable())
            return;
        g_main_loop_quit(m_loop);
        m_thread.join();
        m_owns = false;
    }

private:
    GMainLoop *const m_loop;
    std::thread m_thread;
    std::thread::id m_id;
    bool m_owns = false;
};

/// Work of Qt's of every kind in the thread that makes it, which is where it must be done.
class QtWork
{
public:
    QtWork()
    {
        m_channel.write();
        m_timer.callOnTimeout([this] { count(Timer); });
        m_timer.start(1);
        m_zeroTimer.callOnTimeout([this] { count(ZeroTimer); });
        m_zeroTimer.start(0);
        QObject::connect(&m_notifier, &QSocketNotifier::activated, &m_timer,
                         [this] { count(Notifier); });
        m_poster = std::thread([this] {
            while (!m_stop) {
                QCoreApplication::postEvent(&m_counter, new QEvent(QEvent::User));
                std::this_thread::sleep_for(1ms);
            }
        });
    }
    ~QtWork()
    {
        m_stop = true;
        m_poster.join();
    }
    Q_DISABLE_COPY_MOVE(QtWork)

    /// Runs Qt's loop until each has been done a few times more.
    bool runUntilDone()
    {
        m_counts = {};
        return runUntil([this] {
            return *std::min_element(m_counts.begin(), m_counts.end()) >= 5;
        });
    }

    bool isDoneInThisThread() const { return m_elsewhere == 0; }

private:
    enum Kind { Timer, ZeroTimer, Notifier, PostedEvent, KindCount };

    class Counter : public HandOverReceiver
    {
    public:
        explicit Counter(QtWork *work)
            : m_work(work)
        {
        }

    protected:
        void customEvent(QEvent *) override { m_work->count(PostedEvent); }

    private:
        QtWork *const m_work;
    };

    void count(Kind kind)
    {
        ++m_counts[kind];
        m_elsewhere += std::this_thread::get_id() != m_thread;
    }

    const std::thread::id m_thread = std::this_thread::get_id();
    std::array<int, KindCount> m_counts = {};
    int m_elsewhere = 0;
    const Channel m_channel;
    Counter m_counter{ this };
    QTimer m_timer;
    QTimer m_zeroTimer;
    QSocketNotifier m_notifier{ m_channel.reader, QSocketNotifier::Read };
    std::atomic<bool> m_stop = false;
    std::thread m_poster;
};

/// A callback of a new GLib source tells which thread calls it.
class GLibCallback
{
public:
    void make()
    {
        callLater([this, waiting = m_dispatcher] {
            m_thread = std::this_thread::get_id();
            m_isCalled = true; // after this, this object may be gone
            waiting->wakeUp();
        });
    }

    /// Runs Qt's loop until it is called.
    std::thread::id thread()
    {
        runUntil([this] { return m_isCalled.load(); });
        return m_thread;
    }

private:
    QAbstractEventDispatcher *const m_dispatcher = dispatcher();
    std::atomic<bool> m_isCalled = false;
    std::thread::id m_thread;
};

std::thread::id threadOfAGLibCallback()
{
    GLibCallback callback;
    callback.make();
    return callback.thread();
}

}

void ForeignOwnerScenarios::ownedBeforeTheApplication()
{
    Owner owner;
    QVERIFY(owner.owns());
    Log log;
    const Application application;
    QtWork work;
    QVERIFY(work.runUntilDone());
    QVERIFY(work.isDoneInThisThread());
    QVERIFY(!g_main_context_is_owner(nullptr));
    QCOMPARE(threadOfAGLibCallback(), owner.id());
    QVERIFY(work.runUntilDone());
    QCOMPARE(log.warnings, 1);
    QCOMPARE(log.infos, 0);

    owner.giveUp();
    QVERIFY(runUntil([&] { return log.infos > 0; }));
    QVERIFY(g_main_context_is_owner(nullptr));
    QCOMPARE(threadOfAGLibCallback(), std::this_thread::get_id());
    QVERIFY(work.runUntilDone());
    QVERIFY(work.isDoneInThisThread());
    QCOMPARE(log.warnings, 1);
    QCOMPARE(log.infos, 1);
}

void ForeignOwnerScenarios::takenBeforeTheFirstLoop()
{
    Log log;
    const Application application;
    QtWork work; // which posts events and starts timers already
    Owner owner;
    QVERIFY(owner.owns());
    QVERIFY(work.runUntilDone());
    QVERIFY(work.isDoneInThisThread());
    QCOMPARE(threadOfAGLibCallback(), owner.id());
    QCOMPARE(log.warnings, 1);

    owner.giveUp();
    QCOMPARE(threadOfAGLibCallback(), std::this_thread::get_id());
    QVERIFY(work.runUntilDone());
    QCOMPARE(log.warnings, 1);
    QCOMPARE(log.infos, 1);
}

void ForeignOwnerScenarios::takenAfterProcessEvents()
{
    Log log;
    const Application application;
    QtWork work;
    QVERIFY(runUntil([] { return true; }));
    for (int i = 0; i < 10; ++i)
        QCoreApplication::processEvents();
    QCOMPARE(log.warnings, 0);

    Owner owner;
    QVERIFY(owner.owns());
    for (int i = 0; i < 10; ++i)
        QCoreApplication::processEvents();
    QCOMPARE(log.warnings, 1);
    QVERIFY(work.runUntilDone());
    QVERIFY(work.isDoneInThisThread());
    QCOMPARE(log.warnings, 1);
    QCOMPARE(log.infos, 0);
}

void ForeignOwnerScenarios::mainWaitsForAHelper()
{
    const Application application;
    const QtWork work;
    for (int i = 0; i < 10; ++i)
        QCoreApplication::processEvents();
    for (int round = 0; round < 10; ++round) {
        Owner helper; // returns when the helper runs the context
        QVERIFY(helper.owns());
    }
}

void ForeignOwnerScenarios::warnedBeforeTheWait()
{
    Log log;
    const Application application;
    settle();
    Owner owner;
    QVERIFY(owner.owns());
    // Nothing of Qt's is there that would end the wait.
    QEventLoop loop;
    bool isLate = false;
    log.onWarning = [&] { loop.quit(); };
    QTimer::singleShot(std::chrono::seconds(PatienceInSeconds), &loop, [&] {
        isLate = true;
        loop.quit();
    });
    loop.exec();
    QVERIFY(!isLate);
    QCOMPARE(log.warnings, 1);
}

void ForeignOwnerScenarios::ownerIsNotDisturbed()
{
    const Application application;
    const Channel channel;
    int activations = 0;
    QSocketNotifier notifier(channel.writer, QSocketNotifier::Write);
    Loop loop(Loop::MainLoop);
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        if (++activations == 100)
            loop.quit();
    });
    // GLib polls for Qt here, which must not go on in the other thread.
    QVERIFY(loop.run());
    std::atomic<int> looks = 0;
    Owner owner;
    QVERIFY(owner.owns());
    {
        const ProbeSource probe([&](int *) { ++looks; });
        QtWork work;
        QVERIFY(runUntil([&] { return activations >= 10'000; }));
        QVERIFY(work.runUntilDone());
        QVERIFY(work.isDoneInThisThread());
        owner.giveUp();
    }
    QVERIFY2(looks < 20, QByteArray::number(looks));
}

void ForeignOwnerScenarios::givenUpDuringAWait()
{
    Log log;
    const Application application;
    Owner owner;
    QVERIFY(owner.owns());
    settle();
    GLibCallback callback;
    const WhenAboutToBlock helper([&] {
        owner.giveUp();
        // The wait itself may have taken the context in the meantime, so something has to end it.
        callback.make();
    });
    QCOMPARE(callback.thread(), std::this_thread::get_id());
    QCOMPARE(log.warnings, 1);
    QCOMPARE(log.infos, 1);
    QVERIFY(g_main_context_is_owner(nullptr));
}

void ForeignOwnerScenarios::destroyedMeanwhile()
{
    Owner owner;
    QVERIFY(owner.owns());
    for (int round = 0; round < 5; ++round) {
        const Application application;
        QtWork work;
        QVERIFY(work.runUntilDone());
        QVERIFY(work.isDoneInThisThread());
    }
    std::promise<std::thread::id> id;
    callLater([&] { id.set_value(std::this_thread::get_id()); });
    QCOMPARE(id.get_future().get(), owner.id());
    owner.giveUp();

    const Application application;
    QtWork work;
    QVERIFY(work.runUntilDone());
    QCOMPARE(threadOfAGLibCallback(), std::this_thread::get_id());
}

void ForeignOwnerScenarios::passedToAndFro()
{
    Log log;
    const Application application;
    QtWork work;
    std::atomic<bool> stop = false;
    std::thread other([&] {
        while (!stop) {
            if (!g_main_context_acquire(nullptr))
                continue;
            for (int i = 0; i < 10; ++i)
                g_main_context_iteration(nullptr, false);
            g_main_context_release(nullptr);
        }
    });
    // Without waiting, the context is only borrowed.
    for (int i = 0; i < 5000; ++i)
        QCoreApplication::processEvents();
    stop = true;
    other.join();
    QVERIFY(work.runUntilDone());
    QVERIFY(work.isDoneInThisThread());
    QCOMPARE(log.infos, log.warnings);
    QVERIFY(g_main_context_is_owner(nullptr));
}

void ForeignOwnerScenarios::contextOfAWorkerThread()
{
    Log log;
    const Application application;
    g_autoptr(GMainContext) context = g_main_context_new();
    Owner owner(context);
    QVERIFY(owner.owns());

    QThread thread;
    thread.setEventDispatcher(new GLibEventDispatcher(context));
    HandOverReceiver receiver;
    receiver.moveToThread(&thread);
    thread.start();
    bool isDone = false;
    bool isOwned = false;
    const auto doWork = [&] {
        QtWork work;
        isDone = work.runUntilDone() && work.isDoneInThisThread();
        isOwned = g_main_context_is_owner(context)
            && g_main_context_get_thread_default() == context;
    };
    call(&receiver, doWork);
    QVERIFY(isDone);
    QVERIFY(!isOwned);
    QCOMPARE(log.warnings, 1);

    owner.giveUp();
    call(&receiver, [&] { runUntil([&] { return log.infos == 1; }); });
    call(&receiver, doWork);
    QVERIFY(isDone);
    QVERIFY(isOwned);
    QCOMPARE(log.warnings, 1);
    QCOMPARE(log.infos, 1);
    thread.quit();
    QVERIFY(ended(thread));
    QVERIFY(g_main_context_acquire(context));
    g_main_context_release(context);
}

void tst_ForeignOwner::scenario_data()
{
    QTest::addColumn<QByteArray>("name");
    QTest::addColumn<QByteArray>("failureOfQtGLib");
    // It takes the context when it is constructed, and nobody else gets it any more.
    const QByteArray cannotBeOwned = "owns()' returned FALSE";
    // If it cannot have it, it goes on all the same: its handlers are called in the wrong thread,
    // which crashes sooner or later, or the main thread waits for ever.
    const QByteArray cannotOwn = "assertion 'acquired_context' failed";
    const auto add = [](const char *name, const QByteArray &failureOfQtGLib) {
        QTest::newRow(name) << QByteArray(name) << failureOfQtGLib;
    };
    add("ownedBeforeTheApplication", cannotOwn);
    add("takenBeforeTheFirstLoop", cannotBeOwned);
    add("takenAfterProcessEvents", cannotBeOwned);
    add("mainWaitsForAHelper", cannotBeOwned);
    add("warnedBeforeTheWait", cannotBeOwned);
    add("ownerIsNotDisturbed", cannotBeOwned);
    add("givenUpDuringAWait", cannotBeOwned);
    add("destroyedMeanwhile", cannotOwn);
    add("passedToAndFro", {});
    // Qt's cannot be given a context.
    if (!isQtGLib())
        add("contextOfAWorkerThread", {});
}

void tst_ForeignOwner::scenario()
{
    QFETCH(QByteArray, name);
    QFETCH(QByteArray, failureOfQtGLib);
    QProcess process;
    process.setProcessChannelMode(QProcess::MergedChannels);
    if (isQtGLib()) {
        // What comes after it is a matter of luck.
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        environment.insert(QStringLiteral("G_DEBUG"), QStringLiteral("fatal-criticals"));
        environment.insert(QStringLiteral("QTEST_DISABLE_STACK_DUMP"), QStringLiteral("1"));
        process.setProcessEnvironment(environment);
    }
    process.start(QCoreApplication::applicationFilePath(),
                  { QStringLiteral("--scenario"), QString::fromLatin1(name) });
    QVERIFY(process.waitForFinished(2000 * PatienceInSeconds));
    const QByteArray output = process.readAll();
    const bool passed
        = process.exitStatus() == QProcess::NormalExit && process.exitCode() == 0;
    if (isQtGLib() && !failureOfQtGLib.isEmpty()) {
        QVERIFY2(!passed, output);
        QVERIFY2(output.contains(failureOfQtGLib), output);
    } else {
        QVERIFY2(passed, output);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && qstrcmp(argv[1], "--scenario") == 0) {
        ForeignOwnerScenarios scenarios;
        argv[1] = argv[2];
        return QTest::qExec(&scenarios, 2, argv);
    }
    QCoreApplication app(argc, argv);
    tst_ForeignOwner test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_foreignowner.moc"
