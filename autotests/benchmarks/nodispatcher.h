// SPDX-License-Identifier: MIT

#ifndef NODISPATCHER_H
#define NODISPATCHER_H

#include "measure.h"

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QCoreApplication>

/// Does nothing, so that what is measured on it is Qt's own part of the work.
class NoDispatcher : public QAbstractEventDispatcher
{
public:
    bool processEvents(QEventLoop::ProcessEventsFlags) override { return false; }
    void registerSocketNotifier(QSocketNotifier *) override { }
    void unregisterSocketNotifier(QSocketNotifier *) override { }
    void registerTimer(int, qint64, Qt::TimerType, QObject *) override { }
    bool unregisterTimer(int) override { return true; }
    bool unregisterTimers(QObject *) override { return true; }
    QList<TimerInfo> registeredTimers(QObject *) const override { return {}; }
    int remainingTime(int) override { return -1; }
    void wakeUp() override { }
    void interrupt() override { }
};

/// What @p measure, which must not wait for anything, gives without a dispatcher.
template<Values (*measure)(const Task &)> Values withoutDispatcher(const Task &task)
{
    QCoreApplication::setEventDispatcher(new NoDispatcher);
    int argc = 1;
    char name[] = "dispatcherbench";
    char *argv[] = { name, nullptr };
    QCoreApplication application(argc, argv);
    return measure(task);
}

#endif
