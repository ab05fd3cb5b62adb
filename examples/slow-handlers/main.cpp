// SPDX-License-Identifier: MIT

/*
One slow handler of each kind, to see what a report of stalls looks like. This is its CMakeLists.txt elsewhere:

    cmake_minimum_required(VERSION 3.22)
    project(slow-handlers LANGUAGES CXX)
    find_package(GLibEventDispatcher REQUIRED)
    add_executable(slow-handlers main.cpp)
    target_link_libraries(slow-handlers PRIVATE GLibEventDispatcher::GLibEventDispatcher)
    set_target_properties(slow-handlers PROPERTIES ENABLE_EXPORTS ON)

ENABLE_EXPORTS lets the reports have the names of the program's own functions.

Its arguments are [MILLISECONDS [KIND...]]: each handler takes that long, 250 ms by default. The kinds are event, timer,
notifier, source, awake, block, nested, nestedglib, thread and outside. A kind that is named twice is slow twice; if
none is named, each is slow once.
*/

#include <GLibEventDispatcher>

#include <QtCore/QCoreApplication>
#include <QtCore/QSocketNotifier>
#include <QtCore/QStringList>
#include <QtCore/QThread>
#include <QtCore/QTimer>

#include <chrono>
#include <cstdio>
#include <utility>

#include <glib.h>
#include <unistd.h>

std::chrono::milliseconds duration(250);

/// Keeps the thread busy, as a long computation does. A function that is inlined has no name in a stack.
[[gnu::noinline]] void work()
{
    const auto end = std::chrono::steady_clock::now() + duration;
    while (std::chrono::steady_clock::now() < end) { }
}

gboolean slowCallback(gpointer loop)
{
    work();
    static_cast<QEventLoop *>(loop)->quit();
    return G_SOURCE_REMOVE;
}

class Receiver : public QObject
{
public:
    explicit Receiver(const char *name) { setObjectName(QString::fromLatin1(name)); }

    bool event(QEvent *event) override
    {
        if (event->type() != QEvent::User)
            return QObject::event(event);
        work();
        loop.quit();
        return true;
    }

    void timerEvent(QTimerEvent *event) override
    {
        killTimer(event->timerId());
        work();
        loop.quit();
    }

    QEventLoop loop;
};

void slowEvent()
{
    Receiver receiver("slow receiver");
    QCoreApplication::postEvent(&receiver, new QEvent(QEvent::User));
    receiver.loop.exec();
}

void slowTimer()
{
    Receiver receiver("slow timer");
    receiver.startTimer(10);
    receiver.loop.exec();
}

void slowNotifier()
{
    int ends[2];
    if (pipe(ends) != 0)
        return;
    QSocketNotifier notifier(ends[0], QSocketNotifier::Read);
    notifier.setObjectName(QStringLiteral("slow notifier"));
    QEventLoop loop;
    QObject::connect(&notifier, &QSocketNotifier::activated, &loop, [&] {
        notifier.setEnabled(false);
        work();
        loop.quit();
    });
    if (write(ends[1], "", 1) == 1)
        loop.exec();
    close(ends[0]);
    close(ends[1]);
}

void slowSource()
{
    QEventLoop loop;
    GSource *source = g_idle_source_new();
    g_source_set_name(source, "slow source");
    g_source_set_callback(source, slowCallback, &loop, nullptr);
    g_source_attach(source, nullptr);
    g_source_unref(source);
    loop.exec();
}

void slowSignal(void (QAbstractEventDispatcher::*signal)())
{
    QEventLoop loop;
    QObject context;
    bool wasSlow = false;
    QObject::connect(QAbstractEventDispatcher::instance(), signal, &context, [&] {
        if (wasSlow)
            return;
        wasSlow = true;
        work();
        loop.quit();
    });
    loop.exec();
}

void slowWhenAwake()
{
    slowSignal(&QAbstractEventDispatcher::awake);
}

void slowWhenAboutToBlock()
{
    slowSignal(&QAbstractEventDispatcher::aboutToBlock);
}

/// A loop in the handler of an event is no stall, but a slow handler in that loop is.
void slowInNestedLoop()
{
    QTimer::singleShot(0, [] { slowTimer(); });
    QEventLoop loop;
    QTimer::singleShot(0, &loop, &QEventLoop::quit);
    loop.exec();
}

/// The same, with GLib's loop inside.
void slowInNestedGLibLoop()
{
    Receiver receiver("around a GLib loop");
    QTimer::singleShot(0, &receiver, [&receiver] {
        GMainLoop *loop = g_main_loop_new(nullptr, false);
        QTimer::singleShot(0, &receiver, [loop] {
            work();
            g_main_loop_quit(loop);
        });
        g_main_loop_run(loop);
        g_main_loop_unref(loop);
        receiver.loop.quit();
    });
    receiver.loop.exec();
}

void slowThread()
{
    QThread thread;
    thread.setObjectName(QStringLiteral("slow thread"));
    thread.setEventDispatcher(new GLibEventDispatcher);
    Receiver receiver("in another thread");
    receiver.moveToThread(&thread);
    QMetaObject::invokeMethod(
        &receiver,
        [&thread] {
            work();
            thread.quit();
        },
        Qt::QueuedConnection);
    thread.start();
    thread.wait();
}

/// GLib's loop is the outer one, and a source of its is slow.
void slowWithGLibOutside()
{
    GMainLoop *loop = g_main_loop_new(nullptr, false);
    GSource *source = g_timeout_source_new(10);
    g_source_set_name(source, "slow source outside");
    g_source_set_callback(
        source,
        [](gpointer data) -> gboolean {
            // The loop goes on once more, so that the end is seen.
            static bool wasSlow = false;
            if (wasSlow)
                g_main_loop_quit(static_cast<GMainLoop *>(data));
            else
                work();
            wasSlow = true;
            return G_SOURCE_CONTINUE;
        },
        loop, nullptr);
    g_source_attach(source, nullptr);
    g_main_loop_run(loop);
    g_source_destroy(source);
    g_source_unref(source);
    g_main_loop_unref(loop);
}


int main(int argc, char **argv)
{
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    QCoreApplication app(argc, argv);
    if (qEnvironmentVariableIsEmpty("GLIBEVENTDISPATCHER_STALLS"))
        GLibEventDispatcher::setStallLimit(std::chrono::milliseconds(100));

    const std::pair<QString, void (*)()> kinds[] = {
        {QStringLiteral("event"), slowEvent},
        {QStringLiteral("timer"), slowTimer},
        {QStringLiteral("notifier"), slowNotifier},
        {QStringLiteral("source"), slowSource},
        {QStringLiteral("awake"), slowWhenAwake},
        {QStringLiteral("block"), slowWhenAboutToBlock},
        {QStringLiteral("nested"), slowInNestedLoop},
        {QStringLiteral("nestedglib"), slowInNestedGLibLoop},
        {QStringLiteral("thread"), slowThread},
        {QStringLiteral("outside"), slowWithGLibOutside},
    };
    const QStringList arguments = app.arguments();
    if (arguments.size() > 1)
        duration = std::chrono::milliseconds(arguments[1].toInt());
    for (const auto &[kind, run] : kinds) {
        for (qsizetype i = arguments.size() > 2 ? arguments.count(kind) : 1; i > 0; --i)
            run();
    }

    const auto *dispatcher = qobject_cast<GLibEventDispatcher *>(QAbstractEventDispatcher::instance());
    const GLibEventDispatcher::Statistics statistics = dispatcher->statistics();
    std::printf("end: %llu turns, %llu sleeps, longest turn %lld ms\n",
                static_cast<unsigned long long>(statistics.turns),
                static_cast<unsigned long long>(statistics.sleeps),
                static_cast<long long>(statistics.longestTurn.count() / 1000000));
}
