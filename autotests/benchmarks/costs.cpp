// SPDX-License-Identifier: MIT

// What a dispatcher costs by being there: idle, in memory, made and destroyed, when a program starts.

#include "measure.h"
#include "nodispatcher.h"

#include <dispatcherundertest.h>

#include <QtCore/QSocketNotifier>
#include <QtCore/QTimer>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <features.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__GLIBC__)
#  include <malloc.h>
#endif

using namespace Qt::StringLiterals;

namespace {

Usage usageOfOtherThread(pthread_t thread, const std::string &id)
{
    clockid_t clock;
    timespec cpu;
    pthread_getcpuclockid(thread, &clock);
    clock_gettime(clock, &cpu);
    Usage usage { static_cast<double>(cpu.tv_sec) * 1e9 + static_cast<double>(cpu.tv_nsec), 0, 0 };
    std::ifstream status("/proc/self/task/" + id + "/status");
    for (std::string key; status >> key;) {
        if (key == "voluntary_ctxt_switches:")
            status >> usage.waits;
    }
    return usage;
}

Values idle(const Task &task)
{
    Loop loop(task);
    SocketPair pair;
    QSocketNotifier notifier(pair[0], QSocketNotifier::Read);
    QTimer later;
    later.start(std::chrono::hours(1));

    // Watched by another thread, because whatever this one did at the end would be work for it.
    const double seconds = sized(task, 1.0, 0.05);
    Usage used {};
    const pthread_t self = pthread_self();
    const std::string id = std::to_string(gettid());
    std::thread watcher([&] {
        // Whatever is settled lazily is settled by then.
        std::this_thread::sleep_for(std::chrono::milliseconds(sized(task, 100, 20)));
        const Usage before = usageOfOtherThread(self, id);
        std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
        used = usageOfOtherThread(self, id) - before;
        QMetaObject::invokeMethod(&later, [&loop] { loop.quit(); }, Qt::QueuedConnection);
    });
    loop.run();
    watcher.join();
    return { used.waits / seconds, used.cpu / seconds };
}

/// Bytes on the heap.
double heap()
{
#if defined(__GLIBC__)
    const struct mallinfo2 info = mallinfo2();
    return static_cast<double>(info.uordblks) + static_cast<double>(info.hblkhd);
#else
    throw Unavailable("the C library does not tell how much memory is in use");
#endif
}

Values notifierMemory(const Task &task)
{
    const size_t size = static_cast<size_t>(task.size);
    std::vector<SocketPair> pairs(size / 2);
    std::vector<std::unique_ptr<QSocketNotifier>> notifiers;
    for (const SocketPair &pair : pairs) {
        for (const size_t end : { 0u, 1u }) {
            auto notifier = std::make_unique<QSocketNotifier>(pair[end], QSocketNotifier::Read);
            notifier->setEnabled(false);
            notifiers.push_back(std::move(notifier));
        }
    }
    QCoreApplication::processEvents();
    const double before = heap();
    for (const std::unique_ptr<QSocketNotifier> &notifier : notifiers)
        notifier->setEnabled(true);
    QCoreApplication::processEvents();
    return { (heap() - before) / task.size };
}

Values timerMemory(const Task &task)
{
    std::vector<std::unique_ptr<QTimer>> timers;
    for (int i = 0; i < task.size; ++i) {
        timers.push_back(std::make_unique<QTimer>());
        timers.back()->setInterval(100'000 + 10 * i);
    }
    QCoreApplication::processEvents();
    const double before = heap();
    for (const std::unique_ptr<QTimer> &timer : timers)
        timer->start();
    QCoreApplication::processEvents();
    return { (heap() - before) / task.size };
}

/// A thread that uses its dispatcher once.
class Thread : public QThread
{
protected:
    void run() override { QCoreApplication::processEvents(); }
};

Values lifetime(const Task &task, const std::function<void(QThread *)> &install)
{
    return perOperation(task, [&](qint64 count) -> Values {
        const qint64 start = now();
        for (qint64 i = 0; i < count; ++i) {
            Thread thread;
            install(&thread);
            thread.start();
            thread.wait();
        }
        return { static_cast<double>(now() - start) };
    });
}

/// A small program from its start to its end, by the launcher if the dispatcher is this one.
Values startUp(const Task &task)
{
    qunsetenv("QT_NO_GLIB");
    if (task.kind == Kind::QtUnix)
        qputenv("QT_NO_GLIB", "1");
    std::vector<const char *> command { LAUNCHER, STARTUP, nullptr };
    if (task.kind != Kind::Ours)
        command.erase(command.begin());
    return perOperation(task, [&](qint64 count) -> Values {
        const qint64 start = now();
        for (qint64 i = 0; i < count; ++i) {
            pid_t child = -1;
            int status = -1;
            const int error = posix_spawn(&child, command[0], nullptr, nullptr,
                                          const_cast<char **>(command.data()), environ);
            require(error == 0 && waitpid(child, &status, 0) == child && status == 0, "the program failed");
        }
        return { static_cast<double>(now() - start) };
    });
}

}

Family costFamily()
{
    Workload idling { u"idle"_s, u"idle"_s,
                      { { u"wake-ups"_s, Unit::PerSecond }, { u"CPU per second"_s } }, idle };
    idling.seconds = 1.15;
    idling.figures[0].bounds = { { 0, Bound::Nothing } };

    Workload notifiers { u"memory-notifier"_s, u"memory of a notifier, of 10000"_s,
                         { { u"dispatcher's share"_s, Unit::Bytes } }, notifierMemory };
    notifiers.size = 10000;
    notifiers.descriptors = 10000;
    notifiers.seconds = 0.1;

    Workload timers { u"memory-timer"_s, u"memory of a timer, of 10000"_s,
                      { { u"dispatcher's share"_s, Unit::Bytes } }, timerMemory };
    timers.size = 10000;
    timers.seconds = 0.1;

    const auto ofKind = [](QThread *thread) { DispatcherUnderTest::install(thread); };
    const auto ofNone = [](QThread *thread) { thread->setEventDispatcher(new NoDispatcher); };
    Workload threads { u"dispatcher-lifetime"_s, u"dispatcher made, used once and destroyed"_s,
                       { { u"with its thread"_s } },
                       [=](const Task &task) { return lifetime(task, ofKind); },
                       [=](const Task &task) { return lifetime(task, ofNone); },
                       u"thread without dispatcher"_s };
    threads.needsThread = true;

    Workload program { u"start-up"_s, u"small program, from its start to its end"_s,
                       { { u"with the launcher"_s } }, startUp };
    program.needsThread = true;

    return { u"Costs"_s, { idling, notifiers, timers, threads, program } };
}
