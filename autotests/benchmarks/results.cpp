// SPDX-License-Identifier: MIT

#include "results.h"

#include "measure.h"

#include <QtCore/QFile>
#include <QtCore/QSysInfo>
#include <QtCore/QThread>

#include <algorithm>
#include <cmath>

using namespace Qt::StringLiterals;

Statistic statisticOf(const Values &samples)
{
    Values sorted = samples;
    std::sort(sorted.begin(), sorted.end());
    const auto quantile = [&sorted](double part) {
        const double position = part * static_cast<double>(sorted.size() - 1);
        const qsizetype below = static_cast<qsizetype>(position);
        const qsizetype above = std::min(below + 1, sorted.size() - 1);
        const double share = position - static_cast<double>(below);
        // Not weighted when equal, because infinity times zero is not a number.
        return sorted[below] == sorted[above] ? sorted[below]
                                              : sorted[below] * (1 - share) + sorted[above] * share;
    };
    const double middle = quantile(0.5);
    const double spread = (quantile(0.75) - quantile(0.25)) / 2 / middle;
    return { middle, sorted.front(), sorted.back(), std::isfinite(spread) ? spread : 0 };
}

std::optional<double> FigureResult::median(const QString &id) const
{
    const Values values = samples.value(id);
    return values.isEmpty() ? std::nullopt : std::optional(statisticOf(values).median);
}

QString FigureResult::betterOfQt() const
{
    const std::optional<double> qtUnix = median(idOf(Kind::QtUnix));
    const std::optional<double> qtGLib = median(idOf(Kind::QtGLib));
    if (!qtUnix && !qtGLib)
        return {};
    return idOf(!qtGLib || (qtUnix && *qtUnix <= *qtGLib) ? Kind::QtUnix : Kind::QtGLib);
}

QString FigureResult::baseline() const
{
    const QString limit = idOf(Kind::Limit);
    return median(limit) ? limit : betterOfQt();
}

std::optional<double> FigureResult::ratio(const QString &id, const QString &to) const
{
    const Values ours = samples.value(id);
    const Values theirs = samples.value(to);
    Values ratios;
    for (qsizetype round = 0; round < std::min(ours.size(), theirs.size()); ++round) {
        const double ratio = ours[round] / theirs[round];
        if (!std::isnan(ratio))
            ratios.append(ratio);
    }
    return ratios.isEmpty() ? std::nullopt : std::optional(statisticOf(ratios).median);
}

std::optional<double> FigureResult::valueOf(const Bound &bound) const
{
    const QString ours = idOf(Kind::Ours);
    switch (bound.against) {
    case Bound::Limit:
        return ratio(ours, idOf(Kind::Limit));
    case Bound::QtUnix:
        return ratio(ours, idOf(Kind::QtUnix));
    case Bound::BetterOfQt:
        return ratio(ours, betterOfQt());
    case Bound::Nothing:
        return median(ours);
    }
    return std::nullopt;
}

bool Results::anyFailed() const
{
    for (const FamilyResult &family : families) {
        for (const WorkloadResult &result : family.workloads) {
            for (const Note &note : result.notes) {
                if (note.outcome == Outcome::Failed)
                    return true;
            }
        }
    }
    return false;
}

static QString processorName()
{
    QFile file(u"/proc/cpuinfo"_s);
    if (file.open(QIODevice::ReadOnly)) {
        const QList<QByteArray> lines = file.readAll().split('\n');
        for (const QByteArray &line : lines) {
            if (line.startsWith("model name"))
                return QString::fromUtf8(line.mid(line.indexOf(':') + 1).trimmed());
        }
    }
    return QSysInfo::currentCpuArchitecture();
}

QList<std::pair<QString, QString>> describeMachine()
{
    const auto version = [](unsigned int major, unsigned int minor, unsigned int micro) {
        return u"%1.%2.%3"_s.arg(major).arg(minor).arg(micro);
    };
#if defined(__clang__)
    const QString compiler = u"Clang "_s + QLatin1StringView(__clang_version__);
#else
    const QString compiler = u"GCC "_s + QLatin1StringView(__VERSION__);
#endif
    return {
        { u"Processor"_s, u"%1, %2 cores"_s.arg(processorName()).arg(QThread::idealThreadCount()) },
        { u"System"_s, QSysInfo::prettyProductName() },
        { u"Kernel"_s, QSysInfo::kernelType() + u' ' + QSysInfo::kernelVersion() },
        { u"Qt"_s, QLatin1StringView(qVersion()) },
        { u"GLib"_s, version(glib_major_version, glib_minor_version, glib_micro_version) },
        { u"GLibEventDispatcher"_s, QStringLiteral(PROJECT_VERSION) },
        { u"Compiler"_s, compiler },
        { u"Build type"_s, QStringLiteral(BUILD_TYPE) },
    };
}

QString idOf(Kind kind)
{
    switch (kind) {
    case Kind::Ours:
        return u"ours"_s;
    case Kind::QtUnix:
        return u"unix"_s;
    case Kind::QtGLib:
        return u"glib"_s;
    case Kind::Preloaded:
        return u"preloaded"_s;
    case Kind::Limit:
        return u"limit"_s;
    }
    return {};
}
