// SPDX-License-Identifier: MIT

#include "reports.h"

#include <QtCore/QJsonArray>
#include <QtCore/QJsonDocument>
#include <QtCore/QJsonObject>

#include <cmath>

using namespace Qt::StringLiterals;

namespace {

QJsonValue number(double value)
{
    return std::isfinite(value) ? QJsonValue(value) : QJsonValue(u"infinity"_s);
}

QJsonValue number(std::optional<double> value)
{
    return value ? number(*value) : QJsonValue::Null;
}

QString nameOf(Unit unit)
{
    switch (unit) {
    case Unit::Nanoseconds:
        return u"ns"_s;
    case Unit::Bytes:
        return u"bytes"_s;
    case Unit::Percent:
        return u"percent"_s;
    case Unit::PerSecond:
        return u"1/s"_s;
    case Unit::Times:
        return u"1"_s;
    }
    return {};
}

QString nameOf(Bound::Against against)
{
    switch (against) {
    case Bound::Limit:
        return u"limit"_s;
    case Bound::QtUnix:
        return u"unix"_s;
    case Bound::BetterOfQt:
        return u"better of unix and glib"_s;
    case Bound::Nothing:
        return u"absolute"_s;
    }
    return {};
}

QJsonObject toJson(const FigureResult &result)
{
    QJsonObject contenders;
    for (auto it = result.samples.cbegin(); it != result.samples.cend(); ++it) {
        const Statistic statistic = statisticOf(it.value());
        QJsonArray samples;
        for (const double sample : it.value())
            samples.append(number(sample));
        contenders.insert(it.key(), QJsonObject {
            { u"median"_s, number(statistic.median) },
            { u"minimum"_s, number(statistic.minimum) },
            { u"maximum"_s, number(statistic.maximum) },
            { u"spread"_s, number(statistic.spread) },
            { u"to limit"_s, number(result.ratio(it.key(), idOf(Kind::Limit))) },
            { u"to better of Qt"_s, number(result.ratio(it.key(), result.betterOfQt())) },
            { u"samples"_s, samples },
        });
    }
    QJsonArray bounds;
    for (const Bound &bound : result.figure.bounds) {
        bounds.append(QJsonObject {
            { u"at most"_s, bound.atMost },
            { u"against"_s, nameOf(bound.against) },
            { u"measured"_s, number(result.valueOf(bound)) },
        });
    }
    return {
        { u"title"_s, result.figure.title },
        { u"unit"_s, nameOf(result.figure.unit) },
        { u"contenders"_s, contenders },
        { u"bounds"_s, bounds },
    };
}

QJsonObject toJson(const WorkloadResult &result, const QString &family)
{
    QJsonArray figures;
    for (const FigureResult &figure : result.figures)
        figures.append(toJson(figure));
    QJsonObject notes;
    for (auto it = result.notes.cbegin(); it != result.notes.cend(); ++it) {
        notes.insert(it.key(), QJsonObject {
            { u"failed"_s, it->outcome == Outcome::Failed },
            { u"text"_s, it->text },
        });
    }
    return {
        { u"name"_s, result.workload.name },
        { u"family"_s, family },
        { u"title"_s, result.workload.title },
        { u"limit"_s, result.workload.limit },
        { u"figures"_s, figures },
        { u"notes"_s, notes },
    };
}

}

QByteArray jsonReport(const Results &results)
{
    QJsonObject machine;
    for (const auto &[key, value] : results.machine)
        machine.insert(key, value);
    QJsonArray contenders;
    for (const Contender &contender : results.contenders) {
        contenders.append(QJsonObject {
            { u"id"_s, contender.id },
            { u"title"_s, contender.title },
            { u"preload"_s, contender.preload },
        });
    }
    QJsonArray workloads;
    for (const FamilyResult &family : results.families) {
        for (const WorkloadResult &result : family.workloads)
            workloads.append(toJson(result, family.title));
    }
    return QJsonDocument(QJsonObject {
        { u"date"_s, results.date.toString(Qt::ISODate) },
        { u"rounds"_s, results.rounds },
        { u"quick"_s, results.quick },
        { u"machine"_s, machine },
        { u"contenders"_s, contenders },
        { u"workloads"_s, workloads },
    }).toJson();
}
