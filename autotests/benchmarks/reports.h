// SPDX-License-Identifier: MIT

#ifndef REPORTS_H
#define REPORTS_H

#include "results.h"

#include <QtCore/QByteArray>

/// Everything, each sample included.
QByteArray jsonReport(const Results &results);

/// A table for a terminal, with the bounds and how far they are kept.
QByteArray textReport(const Results &results);

/// A table for a README.
QByteArray markdownReport(const Results &results);

/// A bar chart of the first figure of each workload, relative to the limit or the better of Qt's.
QByteArray svgReport(const Results &results);

QString formatted(double value, Unit unit);
QString formattedRatio(double ratio);

#endif
