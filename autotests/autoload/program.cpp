// SPDX-License-Identifier: MIT

// A Qt program that has never heard of GLibEventDispatcher. It says which dispatcher it has got,
// and when a GLib source was dispatched.

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QCoreApplication>
#include <QtCore/QDeadlineTimer>
#include <QtCore/QTimer>

#ifdef SETS_THE_DISPATCHER
#    include <GLibEventDispatcher>
#endif

#include <dlfcn.h>
#include <glib.h>

#include <cstdio>
#include <fstream>
#include <iostream>

namespace {

class OwnDispatcher : public QAbstractEventDispatcher
{
    Q_OBJECT

public:
    bool processEvents(QEventLoop::ProcessEventsFlags) override { return false; }
    void registerSocketNotifier(QSocketNotifier *) override { }
    void unregisterSocketNotifier(QSocketNotifier *) override { }
    void registerTimer(int, qint64, Qt::TimerType, QObject *) override { }
    bool unregisterTimer(int) override { return false; }
    bool unregisterTimers(QObject *) override { return false; }
    QList<TimerInfo> registeredTimers(QObject *) const override { return {}; }
    int remainingTime(int) override { return -1; }
    void wakeUp() override { }
    void interrupt() override { }
};

/// As programs often do it; the constructor it calls is the one for bases.
class Application : public QCoreApplication
{
    Q_OBJECT

public:
    using QCoreApplication::QCoreApplication;
};

void printDispatcher()
{
    const QAbstractEventDispatcher *dispatcher = QAbstractEventDispatcher::instance();
    std::printf("dispatcher %s\n", dispatcher ? dispatcher->metaObject()->className() : "none");
    std::fflush(stdout);
}

template <typename Application> int run(int argc, char **argv)
{
    Application app(argc, argv);
    printDispatcher();

    g_timeout_add(
        10,
        [](void *) {
            std::printf("glib\n");
            std::fflush(stdout);
            QCoreApplication::quit();
            return gboolean(G_SOURCE_REMOVE);
        },
        nullptr);
    QTimer::singleShot(30000, &app, [] { QCoreApplication::exit(1); });
    return QCoreApplication::exec();
}

}

int main(int argc, char **argv)
{
    const QByteArray task(argc > 1 ? argv[1] : "");
#ifdef SETS_THE_DISPATCHER
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
#endif
    if (task == "own-dispatcher") {
        QCoreApplication::setEventDispatcher(new OwnDispatcher);
        QCoreApplication app(argc, argv);
        printDispatcher();
        return 0;
    }
    if (task == "derived")
        return run<Application>(argc, argv);
    if (task == "twice")
        return run<QCoreApplication>(argc, argv) + run<QCoreApplication>(argc, argv);
    if (task == "status") {
        QCoreApplication app(argc, argv);
        QTimer::singleShot(0, &app, [] { QCoreApplication::exit(42); });
        return QCoreApplication::exec();
    }
    if (task == "slow") {
        QCoreApplication app(argc, argv);
        QTimer::singleShot(0, &app, [] {
            const QDeadlineTimer end(500);
            while (!end.hasExpired()) { }
            QCoreApplication::quit();
        });
        return QCoreApplication::exec();
    }
    if (task == "dispatcher") {
        QCoreApplication app(argc, argv);
        printDispatcher();
        return 0;
    }
    if (task == "load-late") {
        QCoreApplication app(argc, argv);
        if (!dlopen(argv[2], RTLD_NOW))
            std::printf("%s\n", dlerror());
        printDispatcher();
        return 0;
    }
    if (task == "no-application") {
        std::ifstream maps("/proc/self/maps");
        std::cout << maps.rdbuf();
        return 0;
    }
    return run<QCoreApplication>(argc, argv);
}

#include "program.moc"
