// SPDX-License-Identifier: MIT

#ifndef RUNS_H
#define RUNS_H

#include <functional>
#include <string>
#include <vector>

/// A run of something in a forked child.
struct Run
{
    std::string name;
    /// Returns the child's exit status.
    std::function<int()> child;
    /// Returns what is wrong, or nothing. @p status is the exit status, or minus the number of the signal that ended it.
    std::function<std::string(int status, const std::string &output)> judge;
};

/// Does them, some at a time, and tells on the standard output which have gone wrong. To be called in a process without other
/// threads. Returns 0 if none has.
int perform(const std::vector<Run> &runs);

#endif
