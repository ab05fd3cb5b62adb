// SPDX-License-Identifier: MIT

#ifndef REPORTS_H
#define REPORTS_H

#include "results.h"

#include <QtCore/QByteArray>

/// Everything, each sample included.
QByteArray jsonReport(const Results &results);

/// A table for a terminal, with the bounds and how far they are kept.
QByteArray textReport(const Results &results);

/// Tables for a README, after a list of the rows in which one of Qt's dispatchers is ahead.
QByteArray markdownReport(const Results &results);

enum class Chart {
    All, ///< Each workload, relative to the limit, or to the better of Qt's where there is none.
    Overview, ///< What users feel, relative to the better of Qt's.
};

/// A bar chart of the first figures of workloads.
QByteArray svgReport(const Results &results, Chart chart);

QString formatted(double value, Unit unit);
QString formattedRatio(double ratio);

#endif
