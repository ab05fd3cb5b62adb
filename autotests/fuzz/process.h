// SPDX-License-Identifier: MIT

#ifndef PROCESS_H
#define PROCESS_H

#include "program.h"

#include <optional>
#include <string>

/// What a program runs on.
struct Backend
{
    const char *name;
    const char *setting; ///< of GLIBEVENTDISPATCHER_BACKEND
    bool isOurs;
    bool isInGLibLoop; ///< the outermost loop is GLib's
};

/// To be called first. What each process would do again is done here once.
void prepareProcesses();

/// Performs @p programs, one after the other, in a process of their own, and returns their logs. If a rule is broken,
/// that log is the last one.
std::vector<std::string> runProcess(const std::vector<Program::Operations> &programs, Program::Family family,
                                    const Backend &backend);

struct Mistake
{
    const Backend *backend;
    std::string text;

    /// What mistakes of the same cause have in common, mostly.
    std::string sort() const;
};

struct WrongOne
{
    std::size_t index;
    Mistake mistake;
};

/// The first of @p programs that something is wrong with, all of them in the same processes.
std::optional<WrongOne> findWrongOne(const std::vector<Program::Operations> &programs, Program::Family family);

/// What is wrong when @p operations are performed on each of the dispatchers, or on @p backend alone.
std::optional<Mistake> findMistake(const Program::Operations &operations, Program::Family family,
                                   const Backend *backend = nullptr);

/// Prints what @p operations do on each of them, or on @p backend and what it is compared with.
void printLogs(const Program::Operations &operations, Program::Family family,
               const Backend *backend = nullptr);

/// The lines of all logs until now.
unsigned long stepCount();

/// As few of @p operations as possible with which a mistake of the same sort is made.
Program::Operations shrink(Program::Operations operations, Program::Family family, const Mistake &mistake);

#endif
