// SPDX-License-Identifier: MIT

#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "results.h"

struct Schedule
{
    QList<Family> families; ///< Only the workloads to be measured.
    QList<Contender> contenders;
    int rounds = 5;
    bool quick = false;
};

/// Measures everything, round by round, with the contenders one after the other for each workload.
/// Says on stderr how far it is.
Results measureAll(const Schedule &schedule);

#endif
