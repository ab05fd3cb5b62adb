// SPDX-License-Identifier: MIT

#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <QtCore/QList>
#include <QtCore/QString>

#include <functional>
#include <memory>

class QCoreApplication;

/// Who may run a workload: a dispatcher, or the calls below it that are the limit.
enum class Kind { Ours, QtUnix, QtGLib, Preloaded, Limit };

/// What the child process that measures was told.
struct Task
{
    Kind kind = Kind::Ours;
    int size = 0; ///< Workload::size, less in a quick run.
    bool guest = false; ///< The outer loop is GLib's.
    bool quick = false; ///< Only see that it works; the figures are worth nothing.
    int round = 0; ///< So that each round has other random numbers, and all contenders the same.
};

enum class Unit { Nanoseconds, Bytes, Percent, PerSecond, Times };

/// A ratio, or with Against::Nothing a figure, that must not be exceeded.
struct Bound
{
    enum Against { Limit, QtUnix, BetterOfQt, Nothing };
    double atMost;
    Against against;
};

/// One number that a workload gives. Of all figures less is better.
struct Figure
{
    QString title;
    Unit unit = Unit::Nanoseconds;
    QList<Bound> bounds = {};
};

/// The figures of one measurement, in the order of Workload::figures. NaN stands for none, as where
/// a limit has no counterpart, and infinity for work that was never done.
using Values = QList<double>;

struct Workload
{
    QString name; ///< What --filter matches: "socket-pingpong/1000".
    QString title;
    QList<Figure> figures; ///< The first one is the one in the chart.
    std::function<Values(const Task &)> measure;
    std::function<Values(const Task &)> measureLimit = {}; ///< Empty if nothing is the limit.
    QString limit = {}; ///< What the limit is: "bare epoll".
    /// The application, whatever the dispatcher. Empty for a plain QCoreApplication.
    std::function<std::unique_ptr<QCoreApplication>(int &argc, char **argv)> makeApplication = {};
    int size = 0;
    bool guest = false;
    bool needsGLib = false; ///< Has GLib sources, which Qt's UNIX dispatcher never dispatches.
    bool needsThread = false; ///< Is about other threads' dispatchers, not the preloaded one.
    bool isPinned = false; ///< The process begins on one processor, another one in each round; see useProcessor().
    double seconds = 0.35; ///< About how long one measurement takes.
    int descriptors = 0; ///< About how many files it opens.

    bool runsOn(Kind kind) const;
};

struct Family
{
    QString title;
    QList<Workload> workloads;
};

/// All families in the order of the report.
QList<Family> families();

Family eventFamily();
Family socketFamily();
Family timerFamily();
Family glibFamily();
Family delayFamily();
Family networkFamily();
Family dbusFamily();
Family quickFamily();
Family streamFamily();
Family costFamily();

/// Some of @p all once more, in programs with a window.
Family windowFamily(const QList<Family> &all);

/// What has "GLib outside" in the report: the same work with g_main_loop_run() as the outer loop.
Workload guestOf(Workload workload);

#endif
