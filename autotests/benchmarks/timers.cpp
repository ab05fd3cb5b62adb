// SPDX-License-Identifier: MIT

// Timers: changing them beside many, and how much and how well they fire.

#include "measure.h"
#include "nodispatcher.h"

#include <QtCore/QSocketNotifier>
#include <QtCore/QTimer>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <time.h>

using namespace Qt::StringLiterals;

namespace {

using Timers = std::vector<std::unique_ptr<QTimer>>;

constexpr double nanosecondsPerMillisecond = 1e6;

/// So many timers that count into @p fired, by number, but are not started.
Timers makeTimers(int count, std::vector<int> &fired)
{
    fired.assign(static_cast<size_t>(count), 0);
    Timers timers;
    for (size_t i = 0; i < fired.size(); ++i) {
        timers.push_back(std::make_unique<QTimer>());
        QObject::connect(timers.back().get(), &QTimer::timeout, [&fired, i] { ++fired[i]; });
    }
    return timers;
}

/// Timers that do not fire during the measurement: 10 ms apart, from 100 s on.
class PresentTimers
{
public:
    explicit PresentTimers(int count) : m_timers(makeTimers(count, m_fired))
    {
        // In the order of their deadlines, or else Qt's sorted list takes minutes.
        for (int i = 0; i < count; ++i)
            m_timers[static_cast<size_t>(i)]->start(interval(i));
    }

    static int interval(int i) { return 100'000 + 10 * i; }
    QTimer &operator[](int i) { return *m_timers[static_cast<size_t>(i)]; }
    int firings(int i) const { return m_fired[static_cast<size_t>(i)]; }
    bool none() const
    {
        return std::all_of(m_fired.begin(), m_fired.end(), [](int fired) { return fired == 0; });
    }

private:
    std::vector<int> m_fired;
    Timers m_timers;
};

/// Runs the loop until all of them have fired. One that never does hangs, and is found out by that.
void waitForAll(const Task &task, const Timers &timers, const std::vector<int> &fired)
{
    Loop loop(task);
    const auto firedAll = [&fired] {
        return std::all_of(fired.begin(), fired.end(), [](int count) { return count > 0; });
    };
    QObject context; // The connections end with it.
    for (const std::unique_ptr<QTimer> &timer : timers) {
        QObject::connect(timer.get(), &QTimer::timeout, &context, [&] {
            if (firedAll())
                loop.quit();
        });
    }
    if (!firedAll())
        loop.run();
}

constexpr int changes = 50;

Values addRemove(const Task &task)
{
    PresentTimers present(task.size);
    std::vector<int> fired;
    const Timers added = makeTimers(changes, fired);
    Random random(task);
    const Values values = perOperation(task, [&](qint64 count) -> Values {
        qint64 adding = 0;
        qint64 removing = 0;
        std::array<int, changes> intervals;
        for (qint64 i = 0; i < count; ++i) {
            for (int &interval : intervals)
                interval = PresentTimers::interval(random.below(task.size));
            const qint64 start = now();
            for (size_t j = 0; j < changes; ++j)
                added[j]->start(intervals[j]);
            const qint64 allAdded = now();
            for (const std::unique_ptr<QTimer> &timer : added)
                timer->stop();
            adding += allAdded - start;
            removing += now() - allAdded;
        }
        const double both = static_cast<double>(adding + removing);
        return { both / changes, static_cast<double>(adding) / changes,
                 static_cast<double>(removing) / changes };
    });
    if (task.kind == Kind::Limit)
        return values;
    for (const std::unique_ptr<QTimer> &timer : added)
        timer->start(1);
    waitForAll(task, added, fired);
    require(present.none(), "a timer fired much too early");
    return values;
}

Values restart(const Task &task)
{
    PresentTimers present(task.size);
    std::vector<int> fired;
    const Timers markers = makeTimers(1, fired);
    Random random(task);
    const Values values = perOperation(task, [&](qint64 count) -> Values {
        qint64 total = 0;
        for (qint64 i = 0; i < count; ++i) {
            std::array<std::pair<QTimer *, int>, changes> starts;
            for (auto &[timer, interval] : starts) {
                timer = &present[random.below(task.size)];
                interval = PresentTimers::interval(random.below(task.size));
            }
            const qint64 start = now();
            for (const auto &[timer, interval] : starts)
                timer->start(interval);
            total += now() - start;
        }
        return { static_cast<double>(total) / changes };
    });

    if (task.kind == Kind::Limit)
        return values;
    // Those that are restarted once more are the only ones to fire.
    const int last = std::min(task.size, changes);
    for (int i = 0; i < last; ++i) {
        present[i].setSingleShot(true);
        present[i].start(1);
    }
    markers[0]->start(30);
    waitForAll(task, markers, fired);
    for (int i = 0; i < task.size; ++i)
        require(present.firings(i) == int(i < last), "a restarted timer did not fire as it should");
    return values;
}

struct Run
{
    double nanoseconds;
    Usage used;
    double firings;
};

/// Runs the loop for a time with timers that were started and, so that a dropped one hangs, until
/// each of them has fired.
Run runTimers(const Task &task, const Timers &timers, std::vector<int> &fired,
              std::chrono::milliseconds length)
{
    Loop loop(task);
    const auto sum = [&fired] { return std::accumulate(fired.begin(), fired.end(), 0.); };
    const double firedBefore = sum();
    QTimer::singleShot(length, Qt::PreciseTimer, [&loop] { loop.quit(); });
    const qint64 start = now();
    const Usage before = usageOfProcess();
    loop.run();
    const Run run { static_cast<double>(now() - start), usageOfProcess() - before,
                    sum() - firedBefore };
    waitForAll(task, timers, fired);
    return run;
}

/// So many intervals from @p least up to just below @p least + @p range.
std::vector<int> makeIntervals(Random &random, int count, int least, int range)
{
    std::vector<int> intervals(static_cast<size_t>(count));
    for (int &interval : intervals)
        interval = least + random.below(range);
    return intervals;
}

/// How many firings there should be of timers with @p intervals.
double expectedFirings(const std::vector<int> &intervals, double nanoseconds)
{
    double firings = 0;
    for (const int interval : intervals)
        firings += nanoseconds / nanosecondsPerMillisecond / interval;
    return firings;
}

Values cpuPerFiring(const Task &task)
{
    std::vector<int> fired;
    const Timers timers = makeTimers(task.size, fired);
    Random random(task);
    const std::vector<int> intervals = makeIntervals(random, task.size, 20, 200);
    for (size_t i = 0; i < timers.size(); ++i)
        timers[i]->start(intervals[i]);
    const std::chrono::milliseconds length(sized(task, 1000, 50));
    const Run run = runTimers(task, timers, fired, length);

    // All start at once, so half an interval of each is unfinished at the end.
    const double expected = expectedFirings(intervals, run.nanoseconds) - task.size / 2.;
    const double lost = std::max(0., 1 - run.firings / expected);
    // Without any time left the processor is the limit, and the cost says all.
    const bool saturated = run.used.cpu + run.used.delayed > 0.9 * run.nanoseconds;
    require(lost < 0.1 || saturated || task.quick, "more than a tenth of the firings were lost");
    return { run.used.cpu / run.firings, 100 * lost };
}

/// The figures of ticks that were seen at @p times and should have been @p interval apart.
Values phase(const std::vector<qint64> &times, qint64 start, int interval)
{
    const double period = interval * nanosecondsPerMillisecond;
    QList<double> errors;
    for (const qint64 time : times) {
        const double since = static_cast<double>(time - start);
        errors.append(std::abs(since - period * std::round(since / period)));
    }
    const double due = std::round(static_cast<double>(times.back() - start) / period);
    const double lost = 1 - static_cast<double>(times.size()) / due;
    require(lost > -0.1, "there were more ticks than there should be");
    return { median(errors), 100 * std::max(0., lost) };
}

int tickCount(const Task &task)
{
    return sized(task, task.size == 1 ? 1000 : 200, 20);
}

Values precise(const Task &task)
{
    const int ticks = tickCount(task);
    Loop loop(task);
    std::vector<qint64> times;
    times.reserve(static_cast<size_t>(ticks));
    QTimer timer;
    timer.setTimerType(Qt::PreciseTimer);
    qint64 start = 0;
    QObject::connect(&timer, &QTimer::timeout, [&] {
        times.push_back(now());
        // Half a period before the last one is due, in case it comes early.
        if (static_cast<double>(times.back() - start)
            > (ticks - 0.5) * task.size * nanosecondsPerMillisecond) {
            loop.quit();
        }
    });
    start = now();
    timer.start(task.size);
    loop.run();
    return phase(times, start, task.size);
}

Values preciseLimit(const Task &task)
{
    const int ticks = tickCount(task);
    std::vector<qint64> times;
    const qint64 start = now();
    for (int tick = 1; tick <= ticks; ++tick) {
        const qint64 due = start + tick * task.size * qint64(nanosecondsPerMillisecond);
        timespec until;
        until.tv_sec = static_cast<time_t>(due / 1'000'000'000);
        until.tv_nsec = static_cast<long>(due % 1'000'000'000);
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
        times.push_back(now());
    }
    return phase(times, start, task.size);
}

Values coarseWakeups(const Task &task)
{
    SocketPair pair;
    QSocketNotifier notifier(pair[0], QSocketNotifier::Read);
    notifier.setEnabled(task.size > 0);

    constexpr int count = 100;
    std::vector<int> fired;
    const Timers timers = makeTimers(count, fired);
    Random random(task);
    const std::vector<int> intervals = makeIntervals(random, count, sized(task, 100, 10),
                                                     sized(task, 900, 90));
    // One after the other, as in a program; timers started at once would fire together for long.
    for (size_t i = 0; i < timers.size(); ++i) {
        timers[i]->start(intervals[i]);
        Loop loop(task);
        QTimer::singleShot(random.below(sized(task, 20, 2)), Qt::PreciseTimer,
                           [&loop] { loop.quit(); });
        loop.run();
    }
    const std::chrono::milliseconds length(sized(task, 3000, 100));
    const std::vector<int> firedBefore = fired;
    const Run run = runTimers(task, timers, fired, length);
    if (!task.quick) {
        for (size_t i = 0; i < timers.size(); ++i) {
            const double expected = run.nanoseconds / nanosecondsPerMillisecond / intervals[i];
            require(std::abs(fired[i] - firedBefore[i] - expected) < 2,
                    "a timer fired too often or too seldom");
        }
    }
    return { run.used.waits / (run.nanoseconds * 1e-9) };
}

}

Family timerFamily()
{
    Family family { u"Timers"_s, {} };
    const QString limit = u"a dispatcher that does nothing"_s;

    for (const int size : { 10, 1000, 20000, 100000 }) {
        Workload workload { u"timer-add-remove/%1"_s.arg(size),
                            u"timer added and removed, %1 present"_s.arg(size),
                            { { u"both"_s }, { u"add"_s }, { u"remove"_s } }, addRemove,
                            withoutDispatcher<addRemove>, limit };
        workload.size = size;
        if (size == 20000)
            workload.figures[0].bounds = { { 0.1, Bound::QtUnix } };
        family.workloads.append(workload);
    }

    for (const int size : { 10, 1000, 20000, 100000 }) {
        Workload workload { u"timer-restart/%1"_s.arg(size),
                            u"timer restarted, %1 present"_s.arg(size),
                            { { u"per restart"_s } }, restart, withoutDispatcher<restart>, limit };
        workload.size = size;
        if (size == 10)
            workload.figures[0].bounds = { { 1.3, Bound::QtUnix } };
        if (size == 20000)
            workload.figures[0].bounds = { { 0.02, Bound::BetterOfQt } };
        family.workloads.append(workload);
    }

    for (const int size : { 100, 10000 }) {
        Workload workload { u"timer-cpu/%1"_s.arg(size),
                            u"%1 timers of 20 to 219 ms"_s.arg(size),
                            { { u"CPU per firing"_s }, { u"lost firings"_s, Unit::Percent } },
                            cpuPerFiring };
        workload.size = size;
        workload.seconds = 1.4;
        if (size == 10000)
            workload.figures[0].bounds = { { 0.3, Bound::BetterOfQt } };
        family.workloads.append(workload);
    }

    for (const int interval : { 1, 10 }) {
        Workload workload { u"timer-precise/%1"_s.arg(interval),
                            u"precise timer of %1 ms"_s.arg(interval),
                            { { u"median distance from the grid"_s },
                              { u"lost ticks"_s, Unit::Percent } },
                            precise, preciseLimit, u"clock_nanosleep"_s };
        workload.size = interval;
        workload.seconds = interval == 1 ? 1.05 : 2.05;
        workload.figures[0].bounds = { { 1.5, Bound::Limit } };
        workload.figures[1].bounds = { { 0.5, Bound::Nothing } };
        family.workloads.append(workload);
    }

    for (const int notifiers : { 0, 1 }) {
        Workload workload { u"timer-coarse/%1"_s.arg(notifiers),
                            u"100 coarse timers of 100 to 999 ms"_s
                                + (notifiers ? u", beside an idle notifier"_s : QString()),
                            { { u"wake-ups"_s, Unit::PerSecond } }, coarseWakeups };
        workload.size = notifiers;
        workload.seconds = 4;
        workload.figures[0].bounds = { { 0.78, Bound::BetterOfQt } };
        family.workloads.append(workload);
    }

    for (Workload &workload : family.workloads)
        workload.isPinned = true;
    return family;
}
