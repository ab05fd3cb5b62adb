// SPDX-License-Identifier: MIT

#ifndef RESULTS_H
#define RESULTS_H

#include "workload.h"

#include <QtCore/QDateTime>
#include <QtCore/QMap>

#include <optional>

/// A dispatcher, or the limit.
struct Contender
{
    Kind kind;
    QString id; ///< What --dispatchers knows it by.
    QString title;
    QString preload = {}; ///< The library that brings the dispatcher of Kind::Preloaded.
};

struct Statistic
{
    double median;
    double minimum;
    double maximum;
    double spread; ///< Half the distance of the quartiles, relative to the median.
};
Statistic statisticOf(const Values &samples);

struct FigureResult
{
    Figure figure;
    QMap<QString, Values> samples; ///< By the contender's id, one for each round.

    std::optional<double> median(const QString &id) const;
    /// The id of the better of Qt's own two dispatchers, or empty.
    QString betterOfQt() const;
    /// What the chart has as 1: the limit, or else the better of Qt's.
    QString baseline() const;
    /// The median of what @p id took relative to @p to in the same round.
    std::optional<double> ratio(const QString &id, const QString &to) const;
    /// The value that @p bound is about: a ratio of ours or its figure itself.
    std::optional<double> valueOf(const Bound &bound) const;
};

enum class Outcome { Failed, Unavailable };

/// Why a contender has no figures.
struct Note
{
    Outcome outcome;
    QString text;
};

struct WorkloadResult
{
    Workload workload;
    QList<FigureResult> figures;
    QMap<QString, Note> notes; ///< By the contender's id.
};

struct FamilyResult
{
    QString title;
    QList<WorkloadResult> workloads;
};

struct Results
{
    QDateTime date;
    int rounds = 0;
    bool quick = false;
    QList<std::pair<QString, QString>> machine; ///< What it is measured on and with.
    QList<Contender> contenders;
    QList<FamilyResult> families;

    bool anyFailed() const;
};

/// The machine and the versions.
QList<std::pair<QString, QString>> describeMachine();

QString idOf(Kind kind);

#endif
