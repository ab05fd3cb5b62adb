// SPDX-License-Identifier: MIT

#include "interop.h"

#include <csignal>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/// Programs that fork, where parent and child go on with GLib's loop. Both have the context's descriptor for wake-ups
/// then, and what one of them reads from it is gone for the other.
class tst_ForkedPrograms : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void parentOfUnnoticedChildIsWokenUpAgain(); // before forks that are noticed
    void childIsWokenUp();
    void parentIsWokenUp();
};

namespace {

/// Iterates the context without a sleep, so that nobody is faster to read what wakes it up.
void iterate()
{
    for (int i = 0; i < 1000; ++i)
        g_main_context_iteration(nullptr, false);
}

}

/// If the library was loaded after the fork, it does not know that there is a child that takes wake-ups. Qt's GLib
/// dispatcher loses some then, too, until the next one.
void tst_ForkedPrograms::parentOfUnnoticedChildIsWokenUpAgain()
{
    // This is what fork() does, but no handlers of pthread_atfork() are called.
    const auto child = pid_t(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
    QVERIFY(child >= 0);
    if (child == 0) {
        ::alarm(2 * PatienceInSeconds);
        for (;;)
            g_main_context_iteration(nullptr, true);
    }
    constexpr int Enough = 500;
    Loop loop(Loop::MainLoop);
    QObject receiver;
    std::atomic<int> received{0};
    std::atomic<bool> isOver{false};
    std::thread poster([&] {
        while (!isOver) {
            std::this_thread::sleep_for(200us);
            post(&receiver, [&] {
                if (++received == Enough)
                    loop.quit();
            });
        }
    });
    const bool ended = loop.run();
    isOver = true;
    poster.join();
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    QVERIFY(ended);
    QVERIFY(received >= Enough);
}

void tst_ForkedPrograms::childIsWokenUp()
{
    QVERIFY(isWokenUp(Loop::MainLoop));
    const pid_t child = ::fork();
    QVERIFY(child >= 0);
    if (child == 0) {
        ::alarm(2 * PatienceInSeconds);
        ::_exit(isWokenUp(Loop::MainLoop) ? 0 : 1);
    }
    int status = -1;
    while (::waitpid(child, &status, WNOHANG) == 0)
        iterate();
    QCOMPARE(status, 0);
}

void tst_ForkedPrograms::parentIsWokenUp()
{
    const pid_t child = ::fork();
    QVERIFY(child >= 0);
    if (child == 0) {
        ::alarm(2 * PatienceInSeconds);
        for (;;)
            iterate();
    }
    const bool woken = isWokenUp(Loop::MainLoop);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    QVERIFY(woken);
}

DISPATCHER_TEST_MAIN(tst_ForkedPrograms)

#include "tst_forkedprograms.moc"
