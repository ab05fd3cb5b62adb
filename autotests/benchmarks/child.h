// SPDX-License-Identifier: MIT

#ifndef CHILD_H
#define CHILD_H

#include "results.h"

#include <QtCore/QStringList>

/// The child's side: measures one workload in this process and prints a line of JSON.
int measureInThisProcess(int argc, char **argv, const Workload &workload, Kind kind, int round,
                         bool quick);

/// What a child answered.
struct Answer
{
    Values values;
    std::optional<Note> note; ///< Why there are no values.
};

/// The parent's side: starts this program again to measure, and waits for it.
Answer measureInChild(const Workload &workload, const Contender &contender, int round,
                      bool quick);

/// Raises the limit of open files as far as it goes, for children too, and returns it.
int raiseDescriptorLimit();

#endif
