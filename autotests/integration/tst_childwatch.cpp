// SPDX-License-Identifier: MIT

#include "countdown.h"
#include "dispatcherundertest.h"

#include <QtCore/QProcess>

#include <glib-unix.h>
#include <glib.h>

#include <memory>
#include <vector>

#include <signal.h>
#include <sys/wait.h>

namespace {

/// A child that GLib starts, and the watch that waits for its exit status.
struct GLibChild
{
    ~GLibChild()
    {
        if (watch)
            g_source_remove(watch);
    }

    bool start(const QByteArray &script)
    {
        QByteArray text = script;
        char sh[] = "/bin/sh";
        char option[] = "-c";
        char *arguments[] = {sh, option, text.data(), nullptr};
        return g_spawn_async(nullptr, arguments, nullptr, G_SPAWN_DO_NOT_REAP_CHILD, nullptr,
                             nullptr, &pid, nullptr);
    }

    void addWatch(Countdown *countdown)
    {
        done = countdown;
        watch = g_child_watch_add(
            pid,
            [](GPid exitedPid, int exitStatus, gpointer data) {
                auto child = static_cast<GLibChild *>(data);
                child->watch = 0;
                child->pidMatches = exitedPid == child->pid;
                child->inOwnThread = QThread::currentThread() == qApp->thread();
                child->status = exitStatus;
                ++child->exits;
                g_spawn_close_pid(exitedPid);
                child->done->step();
            },
            this);
    }

    GPid pid = 0;
    guint watch = 0;
    Countdown *done = nullptr;
    int exits = 0;
    int status = -1;
    bool pidMatches = false;
    bool inOwnThread = false;
};

QStringList script(const QString &text)
{
    return {QStringLiteral("-c"), text};
}

}

class tst_ChildWatch : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void eachStatusGoesToItsOwner();
    void killedChildren();
    void exitedBeforeTheWatch();
    void startedByTheOther();
    void unixSignals();
    void unixSignalsBesideChildren();
};

void tst_ChildWatch::eachStatusGoesToItsOwner()
{
    constexpr int count = 30;
    Countdown exited(2 * count);
    std::vector<std::unique_ptr<GLibChild>> children;
    std::vector<std::unique_ptr<QProcess>> processes;
    std::vector<int> finished(count, 0);
    for (int i = 0; i < count; ++i) {
        children.push_back(std::make_unique<GLibChild>());
        QVERIFY(children.back()->start("exit " + QByteArray::number(i)));
        children.back()->addWatch(&exited);

        processes.push_back(std::make_unique<QProcess>());
        connect(processes.back().get(), &QProcess::finished, this, [&, i] {
            ++finished[std::size_t(i)];
            exited.step();
        });
        processes.back()->start(QStringLiteral("/bin/sh"),
                                script(QStringLiteral("exit %1").arg(100 + i)));
    }
    QVERIFY(exited.wait());
    QCOMPARE(finished, std::vector<int>(count, 1));
    for (int i = 0; i < count; ++i) {
        const GLibChild &child = *children[std::size_t(i)];
        QCOMPARE(child.exits, 1);
        QVERIFY(child.pidMatches);
        QVERIFY(child.inOwnThread);
        QVERIFY(WIFEXITED(child.status));
        QCOMPARE(WEXITSTATUS(child.status), i);

        const QProcess &process = *processes[std::size_t(i)];
        QCOMPARE(process.exitStatus(), QProcess::NormalExit);
        QCOMPARE(process.exitCode(), 100 + i);
    }
}

void tst_ChildWatch::killedChildren()
{
    Countdown exited(2);
    GLibChild child;
    QVERIFY(child.start("kill -KILL $$"));
    child.addWatch(&exited);
    QProcess process;
    connect(&process, &QProcess::finished, this, [&] { exited.step(); });
    process.start(QStringLiteral("/bin/sh"), script(QStringLiteral("kill -TERM $$")));
    QVERIFY(exited.wait());
    QVERIFY(WIFSIGNALED(child.status));
    QCOMPARE(WTERMSIG(child.status), SIGKILL);
    QCOMPARE(process.exitStatus(), QProcess::CrashExit);
}

void tst_ChildWatch::exitedBeforeTheWatch()
{
    Countdown exited(1);
    GLibChild child;
    QVERIFY(child.start("exit 5"));
    siginfo_t info;
    QCOMPARE(waitid(P_PID, id_t(child.pid), &info, WEXITED | WNOWAIT), 0);
    child.addWatch(&exited);
    QVERIFY(exited.wait());
    QCOMPARE(WEXITSTATUS(child.status), 5);
}

void tst_ChildWatch::startedByTheOther()
{
    // GLib's callback starts a QProcess, whose slot starts a child of GLib's, and so on.
    struct Chain
    {
        void next()
        {
            if (--left < 0) {
                done.step();
                return;
            }
            if (left % 2) {
                child = std::make_unique<GLibChild>();
                if (!child->start("exit " + QByteArray::number(left)))
                    qFatal("cannot start a child");
                g_child_watch_add(
                    child->pid,
                    [](GPid, int status, gpointer data) {
                        auto self = static_cast<Chain *>(data);
                        self->exitCodes << WEXITSTATUS(status);
                        self->next();
                    },
                    this);
            } else {
                process = std::make_unique<QProcess>();
                QObject::connect(process.get(), &QProcess::finished, process.get(),
                                 [this](int exitCode) {
                                     exitCodes << exitCode;
                                     process.release()->deleteLater();
                                     next();
                                 });
                process->start(QStringLiteral("/bin/sh"),
                               script(QStringLiteral("exit %1").arg(left)));
            }
        }

        int left = 12;
        QList<int> exitCodes;
        std::unique_ptr<GLibChild> child;
        std::unique_ptr<QProcess> process;
        Countdown done{1};
    } chain;
    chain.next();
    QVERIFY(chain.done.wait());
    QCOMPARE(chain.exitCodes, (QList<int>{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}));
}

void tst_ChildWatch::unixSignals()
{
    // A second signal before the first is handled would be merged with it.
    struct State
    {
        Countdown done{50};
        int received = 0;
    } state;
    const guint source = g_unix_signal_add(
        SIGUSR1,
        [](gpointer data) -> gboolean {
            auto self = static_cast<State *>(data);
            if (++self->received < 50)
                raise(SIGUSR1);
            self->done.step();
            return G_SOURCE_CONTINUE;
        },
        &state);
    raise(SIGUSR1);
    QVERIFY(state.done.wait());
    QCOMPARE(state.received, 50);
    g_source_remove(source);
}

void tst_ChildWatch::unixSignalsBesideChildren()
{
    constexpr int count = 10;
    struct State
    {
        Countdown signalled{1};
        int received = 0;
    } state;
    const guint source = g_unix_signal_add(
        SIGUSR2,
        [](gpointer data) -> gboolean {
            auto self = static_cast<State *>(data);
            if (++self->received == 1)
                self->signalled.step();
            return G_SOURCE_CONTINUE;
        },
        &state);
    Countdown exited(2 * count);
    std::vector<std::unique_ptr<GLibChild>> children;
    std::vector<std::unique_ptr<QProcess>> processes;
    for (int i = 0; i < count; ++i) {
        children.push_back(std::make_unique<GLibChild>());
        QVERIFY(children.back()->start("kill -USR2 $PPID; exit 1"));
        children.back()->addWatch(&exited);
        processes.push_back(std::make_unique<QProcess>());
        connect(processes.back().get(), &QProcess::finished, this, [&](int exitCode) {
            QCOMPARE(exitCode, 2);
            exited.step();
        });
        processes.back()->start(QStringLiteral("/bin/sh"),
                                script(QStringLiteral("kill -USR2 $PPID; exit 2")));
    }
    QVERIFY(exited.wait());
    QVERIFY(state.signalled.wait());
    QVERIFY2(state.received <= 2 * count, qPrintable(QString::number(state.received)));
    for (const auto &child : children)
        QCOMPARE(WEXITSTATUS(child->status), 1);
    g_source_remove(source);
}

DISPATCHER_TEST_MAIN(tst_ChildWatch)
#include "tst_childwatch.moc"
