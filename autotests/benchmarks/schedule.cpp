// SPDX-License-Identifier: MIT

#include "schedule.h"

#include "child.h"
#include "measure.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <unistd.h>

using namespace Qt::StringLiterals;

namespace {

// What the start of a process and the making of thousands of files or timers add.
constexpr double secondsToStart = 0.1;
constexpr double secondsOfQuick = 0.1;

double secondsOf(const Workload &workload, const Schedule &schedule)
{
    return schedule.quick ? secondsOfQuick : secondsToStart + workload.seconds;
}

QString inWords(double seconds)
{
    return seconds < 90 ? u"%1 s"_s.arg(std::ceil(seconds))
                        : u"%1 min"_s.arg(std::ceil(seconds / 60));
}

/// One line on stderr that is written over, or a line now and then where stderr is a file.
class Progress
{
public:
    explicit Progress(double estimate) : m_estimate(estimate) { }

    void show(const QString &what)
    {
        const double elapsed = static_cast<double>(now() - m_start) * 1e-9;
        if (!m_terminal && elapsed < m_nextLine)
            return;
        m_nextLine = elapsed + 15;
        // The estimate is corrected by what was seen, once enough was seen.
        const double pace = m_done > 20 ? elapsed / m_done : 1;
        const QByteArray line = u"%1 %, %2 left: %3"_s
                                    .arg(std::floor(100 * m_done / m_estimate))
                                    .arg(inWords(pace * (m_estimate - m_done)), what)
                                    .toLocal8Bit();
        std::fprintf(stderr, m_terminal ? "\r\033[K%s" : "%s\n", line.constData());
    }

    void done(double seconds) { m_done += seconds; }

    void tell(const QString &line)
    {
        std::fprintf(stderr, m_terminal ? "\r\033[K%s\n" : "%s\n", line.toLocal8Bit().constData());
    }

    ~Progress()
    {
        if (m_terminal)
            std::fputs("\r\033[K", stderr);
    }
    Q_DISABLE_COPY_MOVE(Progress)

private:
    const bool m_terminal = isatty(STDERR_FILENO);
    const double m_estimate;
    const qint64 m_start = now();
    double m_done = 0;
    double m_nextLine = 0;
};

void warnIfBusy(Progress &progress)
{
    double load = 0;
    if (getloadavg(&load, 1) == 1 && load > 0.5) {
        progress.tell(u"The machine is busy (load %1), which makes the figures less certain."_s
                          .arg(load, 0, 'f', 1));
    }
}

}

Results measureAll(const Schedule &schedule)
{
    Results results;
    results.date = QDateTime::currentDateTime();
    results.rounds = schedule.rounds;
    results.quick = schedule.quick;
    results.machine = describeMachine();
    results.contenders = schedule.contenders;

    const int descriptors = raiseDescriptorLimit();
    constexpr int descriptorsOfOthers = 50; // Of Qt, GLib and the dispatcher.
    double estimate = 0;
    int measurements = 0;
    for (const Family &family : schedule.families) {
        results.families.append({ family.title, {} });
        for (const Workload &workload : family.workloads) {
            WorkloadResult result { workload, {}, {} };
            for (const Figure &figure : workload.figures)
                result.figures.append({ figure, {} });
            for (const Contender &contender : schedule.contenders) {
                if (!workload.runsOn(contender.kind))
                    continue;
                if (!schedule.quick && workload.descriptors + descriptorsOfOthers > descriptors) {
                    const QString text = u"needs %1 open files, and the limit is %2"_s
                                             .arg(workload.descriptors + descriptorsOfOthers)
                                             .arg(descriptors);
                    result.notes.insert(contender.id, { Outcome::Unavailable, text });
                } else {
                    estimate += secondsOf(workload, schedule) * schedule.rounds;
                    measurements += schedule.rounds;
                }
            }
            results.families.last().workloads.append(result);
        }
    }

    Progress progress(estimate);
    progress.tell(u"%1 measurements in %2 rounds, about %3"_s.arg(measurements)
                      .arg(schedule.rounds)
                      .arg(inWords(estimate)));
    warnIfBusy(progress);

    for (int round = 0; round < schedule.rounds; ++round) {
        // Another one goes first in each round.
        QList<Contender> contenders = schedule.contenders;
        std::rotate(contenders.begin(), contenders.begin() + round % contenders.size(),
                    contenders.end());
        for (FamilyResult &family : results.families) {
            for (WorkloadResult &result : family.workloads) {
                for (const Contender &contender : std::as_const(contenders)) {
                    if (!result.workload.runsOn(contender.kind)
                        || result.notes.contains(contender.id)) {
                        continue;
                    }
                    progress.show(u"round %1 of %2, %3, %4"_s.arg(round + 1)
                                      .arg(schedule.rounds)
                                      .arg(result.workload.name, contender.title));
                    const Answer answer = measureInChild(result.workload, contender, round,
                                                         schedule.quick);
                    progress.done(secondsOf(result.workload, schedule));
                    if (answer.note) {
                        result.notes.insert(contender.id, *answer.note);
                        for (FigureResult &figure : result.figures)
                            figure.samples.remove(contender.id);
                        const bool failed = answer.note->outcome == Outcome::Failed;
                        progress.tell(u"%1, %2: %3%4"_s.arg(result.workload.name, contender.title,
                                                            failed ? u"failed, "_s : QString(),
                                                            answer.note->text));
                        continue;
                    }
                    for (qsizetype i = 0; i < answer.values.size(); ++i) {
                        if (!std::isnan(answer.values[i]))
                            result.figures[i].samples[contender.id].append(answer.values[i]);
                    }
                }
            }
        }
    }
    return results;
}
