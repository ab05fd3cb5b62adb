// SPDX-License-Identifier: MIT

#include "mixedprogram.h"

#include "transfer.h"
#include "deliveries.h"
#include "systemcalls.h"

#include <GLibEventDispatcher>

#include <QtCore/QCoreApplication>
#include <QtCore/QEventLoop>
#include <QtCore/QSocketNotifier>
#include <QtCore/QThread>
#include <QtCore/QTimer>

#include <glib-unix.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include <sys/eventfd.h>

namespace {

using MixedProgram::Loop;
using MixedProgram::Options;
using MixedProgram::Step;

constexpr unsigned SecondsAtMost = 20;
constexpr int QuietTime = 60; // ms
/// Two dispatchers poll, with a signal in each millisecond; and look now and then whether closed descriptors are in the set. A
/// busy loop makes ten thousands.
constexpr int MostCallsInQuietTime = 400;
/// More turns than it takes until idle descriptors are in the epoll set, if they are not too few.
constexpr int ManyTurns = 70;
constexpr int IdleDescriptors = 6;

struct Application
{
    explicit Application(GLibEventDispatcher *dispatcher)
    {
        QCoreApplication::setEventDispatcher(dispatcher);
        app.emplace(argc, argv);
    }
    int argc = 1;
    char name[6] = "mixed";
    char *argv[2] = {name, nullptr};
    std::optional<QCoreApplication> app;
};

class Program : public QObject
{
public:
    explicit Program(const Options &options)
        : m_options(options)
    {
        if (::grantpt(m_terminal) != 0 || ::unlockpt(m_terminal) != 0)
            qFatal("terminal: %s", std::strerror(errno));
        for (int i = 0; i < IdleDescriptors; ++i)
            m_idle.push_back(m_silent.reader.duplicate());
        m_terminalUser.emplace(::open(::ptsname(m_terminal), O_RDWR | O_NOCTTY | O_CLOEXEC));
    }

    int run();
    GLibEventDispatcher *dispatcher() const { return m_dispatcher; }
    void removeAll();

private:
    /// A thread with a dispatcher, a timer and a socket.
    class Worker : public QThread
    {
    public:
        explicit Worker(Program *program)
            : m_program(program)
        {
            setEventDispatcher(new GLibEventDispatcher);
            here.moveToThread(this);
        }
        QObject here;

    protected:
        void run() override;

    private:
        Program *const m_program;
    };

    void step(Step step);
    void deliver(Kind kind);
    QSocketNotifier *notify(int fd, Kind kind, std::size_t size = 1,
                            QSocketNotifier::Type type = QSocketNotifier::Read);
    void addNotifiers();
    void addTimers();
    void addSources();
    void startWorker();
    void ask();
    void runLoop();
    void becomeQuiet();

    const Options m_options;
    GLibEventDispatcher *m_dispatcher = nullptr;
    int m_stepsInLoop = 0;
    const Channel m_busy;
    const Channel m_late;
    const Channel m_glibs;
    const Channel m_workers;
    const Channel m_silent;
    std::vector<FileDescriptor> m_idle;
    const FileDescriptor m_terminal{::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    std::optional<FileDescriptor> m_terminalUser;
    const FileDescriptor m_event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::vector<std::unique_ptr<QSocketNotifier>> m_notifiers;
    std::vector<guint> m_sources;
    std::unique_ptr<Worker> m_worker;
    GMainLoop *m_glibLoop = nullptr;
    QTimer m_quiet;
    int m_callsBefore = 0;
    bool m_isQuiet = false;
    bool m_wasBusy = false;
};

Program *program = nullptr;

void Program::step(Step step)
{
    if (m_options.atStep)
        m_options.atStep(step);
    // A child that is forked in a program with threads may find locks that nobody unlocks.
    if (step >= Step::InHandler && ++m_stepsInLoop == 2)
        startWorker();
}

void Program::deliver(Kind kind)
{
    ++delivery(kind).count;
    if (areComplete(m_options.hasDescriptors))
        post(this, [this] { becomeQuiet(); });
}

/// All is done: a busy loop would go on.
void Program::becomeQuiet()
{
    if (std::exchange(m_isQuiet, true))
        return;
    m_quiet.setSingleShot(true);
    connect(&m_quiet, &QTimer::timeout, this, [this] {
        const int calls = SystemCalls::calls() - m_callsBefore;
        m_wasBusy = calls > MostCallsInQuietTime;
        if (m_wasBusy)
            std::printf("%d system calls in %d ms without work\n", calls, QuietTime);
        if (m_glibLoop)
            g_main_loop_quit(m_glibLoop);
        else
            QCoreApplication::quit();
    });
    m_callsBefore = SystemCalls::calls();
    m_quiet.start(QuietTime);
}

QSocketNotifier *Program::notify(int fd, Kind kind, std::size_t size, QSocketNotifier::Type type)
{
    m_notifiers.push_back(std::make_unique<QSocketNotifier>(fd, type));
    QSocketNotifier *notifier = m_notifiers.back().get();
    connect(notifier, &QSocketNotifier::activated, this, [this, fd, kind, size, notifier] {
        if (notifier->type() == QSocketNotifier::Read)
            read(fd, size);
        else
            notifier->setEnabled(false);
        deliver(kind);
    });
    return notifier;
}

void Program::addNotifiers()
{
    connect(notify(m_busy.reader, Kind::BusySocket), &QSocketNotifier::activated, this, [this] {
        if (delivery(Kind::BusySocket).count < 6)
            write(m_busy.writer);
    });
    write(m_busy.writer);
    notify(m_late.reader, Kind::LateSocket);
    notify(m_terminal, Kind::Terminal);
    notify(m_event, Kind::EventFd, sizeof(std::uint64_t));
    notify(m_late.writer, Kind::Writable, 0, QSocketNotifier::Write);
    for (const FileDescriptor &fd : m_idle)
        m_notifiers.push_back(std::make_unique<QSocketNotifier>(fd, QSocketNotifier::Read));
}

void Program::addTimers()
{
    auto *repeated = new QTimer(this);
    connect(repeated, &QTimer::timeout, this, [this, repeated] {
        deliver(Kind::RepeatedTimer);
        const int count = delivery(Kind::RepeatedTimer).count;
        if (count == 1)
            step(Step::InHandler);
        if (count <= 2)
            write(m_late.writer);
        if (count == 3)
            write(m_glibs.writer);
        if (count == 4)
            repeated->stop();
    });
    repeated->setTimerType(Qt::PreciseTimer);
    repeated->start(7);
    auto *single = new QTimer(this);
    connect(single, &QTimer::timeout, this, [this] {
        g_main_context_iteration(nullptr, false);
        deliver(Kind::SingleShot);
    });
    single->setSingleShot(true);
    single->start(15);
    auto *zero = new QTimer(this);
    connect(zero, &QTimer::timeout, this, [this, zero] {
        deliver(Kind::ZeroTimer);
        if (delivery(Kind::ZeroTimer).count == 5)
            zero->stop();
    });
    zero->start(0);
}

void Program::addSources()
{
    m_sources.push_back(g_timeout_add(6, [](void *) -> gboolean {
        program->deliver(Kind::Timeout);
        const int count = delivery(Kind::Timeout).count;
        const std::uint64_t one = 1;
        if (count == 2) {
            program->step(Step::InGLibCallback);
            write(program->m_glibs.writer);
            write(*program->m_terminalUser, "x");
        }
        if (count == 1 && ::write(program->m_event, &one, sizeof one) < 0)
            qFatal("write: %s", std::strerror(errno));
        return count < 4;
    }, nullptr));
    m_sources.push_back(g_idle_add([](void *) -> gboolean {
        program->deliver(Kind::Idle);
        return delivery(Kind::Idle).count < 3;
    }, nullptr));
    m_sources.push_back(g_unix_fd_add(m_glibs.reader, G_IO_IN, [](int fd, GIOCondition, void *) -> gboolean {
        read(fd);
        program->deliver(Kind::GLibDescriptor);
        return delivery(Kind::GLibDescriptor).count < 2;
    }, nullptr));
}

void Program::startWorker()
{
    m_worker = std::make_unique<Worker>(this);
    m_worker->start();
    ask();
}

/// One question at a time: each finds the worker asleep.
void Program::ask()
{
    post(&m_worker->here, [this] {
        post(this, [this] {
            deliver(Kind::Replied);
            if (delivery(Kind::Replied).count < 3)
                ask();
        });
    });
}

void Program::Worker::run()
{
    const Channel &channel = m_program->m_workers;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, &notifier, [&] {
        read(channel.reader);
        post(m_program, [program = m_program] { program->deliver(Kind::WorkerSocket); });
    });
    QTimer timer;
    int ticks = 0;
    connect(&timer, &QTimer::timeout, &timer, [&] {
        if (++ticks == 1)
            write(channel.writer);
        post(m_program, [program = m_program] { program->deliver(Kind::WorkerTimer); });
        if (ticks == 3)
            timer.stop();
    });
    timer.start(5);
    for (int i = 0; i < 4; ++i) {
        post(m_program, [program = m_program] { program->deliver(Kind::PostedByWorker); });
        msleep(2);
    }
    exec();
}

int Program::run()
{
    program = this;
    step(Step::Begin);
    m_dispatcher = new GLibEventDispatcher;
    step(Step::DispatcherMade);
    {
        const Application application(m_dispatcher);
        step(Step::ApplicationMade);
        addNotifiers();
        addTimers();
        addSources();
        step(Step::NotifiersAdded);
        if (m_options.outside == Loop::Qt) {
            for (int i = 0; i < ManyTurns; ++i)
                QCoreApplication::processEvents();
        }
        step(Step::FirstTurnsMade);
        for (int i = 0; i < 5; ++i)
            post(this, [this] { deliver(Kind::Posted); });
        runLoop();
        if (m_worker) {
            m_worker->quit();
            m_worker->wait();
        }
        m_worker.reset();
        m_notifiers.clear();
    }
    return report(m_options.hasDescriptors) && !m_wasBusy ? 0 : 1;
}

void Program::runLoop()
{
    if (m_options.outside == Loop::Qt) {
        QCoreApplication::exec();
        return;
    }
    m_glibLoop = g_main_loop_new(nullptr, false);
    g_main_loop_run(m_glibLoop);
    g_main_loop_unref(m_glibLoop);
}

void Program::removeAll()
{
    for (const auto &notifier : m_notifiers)
        notifier->setEnabled(false);
    for (QTimer *timer : findChildren<QTimer *>())
        timer->stop();
    for (const guint id : m_sources) {
        if (GSource *source = g_main_context_find_source_by_id(nullptr, id))
            g_source_destroy(source);
    }
}

}

int MixedProgram::run(const Options &options)
{
    std::signal(SIGALRM, [](int) {
        report(true); // the program does nothing any more
        std::printf("it hangs\n");
        std::fflush(stdout);
        ::_exit(2);
    });
    ::alarm(SecondsAtMost);
    return Program(options).run();
}

void MixedProgram::useInChild()
{
    std::optional<Application> application;
    if (QCoreApplication::instance())
        program->removeAll();
    else
        application.emplace(program->dispatcher() ? program->dispatcher() : new GLibEventDispatcher);
    QEventLoop loop;
    const Channel channel;
    int left = 3;
    const auto one = [&] {
        if (--left == 0)
            loop.quit();
    };
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    QObject::connect(&notifier, &QSocketNotifier::activated, &loop, [&] {
        read(channel.reader);
        one();
    });
    write(channel.writer);
    QTimer::singleShot(20, &loop, one);
    post(&loop, one);
    loop.exec();
    ::_exit(left == 0 ? 0 : 1);
}
