// SPDX-License-Identifier: MIT

// The tables: for a terminal and for a README.

#include "reports.h"

#include <cmath>

using namespace Qt::StringLiterals;

namespace {

QString significant(double value)
{
    if (value == 0)
        return u"0"_s;
    const int digits = static_cast<int>(std::floor(std::log10(std::abs(value)))) + 1;
    return QString::number(value, 'f', std::clamp(3 - digits, 0, 3));
}

QString withSpread(const FigureResult &result, const Contender &contender)
{
    const Statistic statistic = statisticOf(result.samples.value(contender.id));
    const QString median = formatted(statistic.median, result.figure.unit);
    const double percent = std::round(100 * statistic.spread);
    return percent > 0 ? u"%1 ±%2 %"_s.arg(median).arg(percent) : median;
}

QString cell(const WorkloadResult &workload, const FigureResult &figure, const Contender &contender)
{
    if (figure.samples.contains(contender.id))
        return withSpread(figure, contender);
    const auto note = workload.notes.find(contender.id);
    return note != workload.notes.end() && note->outcome == Outcome::Failed ? u"failed"_s : u"-"_s;
}

QString ratioCell(std::optional<double> ratio)
{
    return ratio ? formattedRatio(*ratio) : u"-"_s;
}

QString boundCell(const FigureResult &figure)
{
    QStringList bounds;
    for (const Bound &bound : figure.figure.bounds) {
        const std::optional<double> value = figure.valueOf(bound);
        QString most;
        switch (bound.against) {
        case Bound::Limit:
            most = u"%1 x limit"_s.arg(bound.atMost);
            break;
        case Bound::QtUnix:
            most = u"%1 x Qt UNIX"_s.arg(bound.atMost);
            break;
        case Bound::BetterOfQt:
            most = u"%1 x Qt"_s.arg(bound.atMost);
            break;
        case Bound::Nothing:
            most = formatted(bound.atMost, figure.figure.unit);
            break;
        }
        if (!value)
            continue;
        const QString measured = bound.against == Bound::Nothing
            ? formatted(*value, figure.figure.unit)
            : formattedRatio(*value);
        bounds.append(*value <= bound.atMost ? u"%1: kept"_s.arg(most)
                                             : u"%1: MISSED, %2"_s.arg(most, measured));
    }
    return bounds.join(u"; "_s);
}

/// The heading and the rows of one family.
struct Table
{
    QStringList heading;
    QList<QStringList> rows;
};

Table tableOf(const FamilyResult &family, const Results &results, bool withBounds)
{
    Table table;
    table.heading = { family.title };
    for (const Contender &contender : results.contenders)
        table.heading.append(contender.title);
    table.heading += { u"to the limit"_s, u"to the better of Qt's"_s };
    if (withBounds)
        table.heading.append(u"bound"_s);

    for (const WorkloadResult &workload : family.workloads) {
        for (const FigureResult &figure : workload.figures) {
            QStringList row { u"%1, %2"_s.arg(workload.workload.title, figure.figure.title) };
            for (const Contender &contender : results.contenders)
                row.append(cell(workload, figure, contender));
            const QString ours = idOf(Kind::Ours);
            row.append(ratioCell(figure.ratio(ours, idOf(Kind::Limit))));
            row.append(ratioCell(figure.ratio(ours, figure.betterOfQt())));
            if (withBounds)
                row.append(boundCell(figure));
            table.rows.append(row);
        }
    }
    return table;
}

QStringList notesOf(const Results &results)
{
    QStringList notes;
    for (const FamilyResult &family : results.families) {
        for (const WorkloadResult &workload : family.workloads) {
            for (const Contender &contender : results.contenders) {
                const auto note = workload.notes.find(contender.id);
                if (note == workload.notes.end())
                    continue;
                notes.append(u"%1, %2: %3%4"_s.arg(
                    workload.workload.title, contender.title,
                    note->outcome == Outcome::Failed ? u"failed, "_s : QString(), note->text));
            }
        }
    }
    return notes;
}

/// The rows in which one of Qt's dispatchers is ahead.
QStringList rowsBehind(const Results &results)
{
    QStringList rows;
    for (const FamilyResult &family : results.families) {
        for (const WorkloadResult &workload : family.workloads) {
            for (const FigureResult &figure : workload.figures) {
                const QString better = figure.betterOfQt();
                const std::optional<double> ratio = figure.ratio(idOf(Kind::Ours), better);
                if (!ratio || *ratio <= 1.05)
                    continue;
                rows.append(u"%1: %2, %3: %4 (%5, %6)"_s.arg(
                    family.title, workload.workload.title, figure.figure.title,
                    formattedRatio(*ratio),
                    formatted(figure.median(idOf(Kind::Ours)).value_or(0), figure.figure.unit),
                    formatted(figure.median(better).value_or(0), figure.figure.unit)));
            }
        }
    }
    return rows;
}

QString machineLine(const Results &results)
{
    QStringList facts;
    for (const auto &[key, value] : results.machine)
        facts.append(key + u": "_s + value);
    return u"%1, %2 rounds%3. %4."_s.arg(results.date.toString(u"yyyy-MM-dd"_s))
        .arg(results.rounds)
        .arg(results.quick ? u" (quick: the figures are worth nothing)"_s : QString(),
             facts.join(u"; "_s));
}

const QString legend = u"Medians of all rounds, ± half the distance between the quartiles; less "
                       "is better. A ratio is the median of the rounds' ratios."_s;

}

QString formatted(double value, Unit unit)
{
    if (std::isinf(value))
        return u"∞"_s;
    switch (unit) {
    case Unit::Nanoseconds:
        if (value < 1e3)
            return significant(value) + u" ns"_s;
        if (value < 1e6)
            return significant(value / 1e3) + u" µs"_s;
        return significant(value / 1e6) + u" ms"_s;
    case Unit::Bytes:
        return QString::number(std::round(value)) + u" B"_s;
    case Unit::Percent:
        return significant(value) + u" %"_s;
    case Unit::PerSecond:
        return significant(value) + u"/s"_s;
    case Unit::Times:
        return significant(value);
    }
    return {};
}

QString formattedRatio(double ratio)
{
    if (std::isinf(ratio))
        return u"∞"_s;
    return QString::number(ratio, 'f', ratio < 0.1 ? 3 : ratio < 10 ? 2 : 0);
}

QByteArray textReport(const Results &results)
{
    QString text = machineLine(results) + u'\n' + legend + u'\n';
    for (const FamilyResult &family : results.families) {
        const Table table = tableOf(family, results, true);
        QList<qsizetype> widths;
        for (qsizetype column = 0; column < table.heading.size(); ++column) {
            qsizetype width = table.heading[column].size();
            for (const QStringList &row : table.rows)
                width = std::max(width, row[column].size());
            widths.append(width);
        }
        const auto append = [&](const QStringList &row) {
            QString line;
            for (qsizetype column = 0; column < row.size(); ++column) {
                const bool words = column == 0 || column == row.size() - 1;
                line += words ? row[column].leftJustified(widths[column])
                              : row[column].rightJustified(widths[column]);
                line += u"  "_s;
            }
            text += line.trimmed() + u'\n';
        };
        text += u'\n';
        append(table.heading);
        for (const QStringList &row : table.rows)
            append(row);
    }
    const QStringList notes = notesOf(results);
    for (const QString &note : notes)
        text += u'\n' + note;
    return (notes.isEmpty() ? text : text + u'\n').toUtf8();
}

QByteArray markdownReport(const Results &results)
{
    QString text = machineLine(results) + u"\n\n"_s + legend + u'\n';
    const QStringList behind = rowsBehind(results);
    if (!behind.isEmpty()) {
        text += u"\nOne of Qt's dispatchers is ahead by more than 5 % in these rows; the ratio, then "
                "this dispatcher and Qt's:\n\n- "_s
            + behind.join(u"\n- "_s) + u'\n';
    }
    for (const FamilyResult &family : results.families) {
        const Table table = tableOf(family, results, false);
        text += u"\n| "_s + table.heading.join(u" | "_s) + u" |\n|---|"_s
            + u"--:|"_s.repeated(table.heading.size() - 1) + u'\n';
        for (const QStringList &row : table.rows)
            text += u"| "_s + row.join(u" | "_s) + u" |\n"_s;
    }
    const QStringList notes = notesOf(results);
    if (!notes.isEmpty())
        text += u'\n';
    for (const QString &note : notes)
        text += u"- "_s + note + u'\n';
    return text.toUtf8();
}
