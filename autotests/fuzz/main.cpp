// SPDX-License-Identifier: MIT

#include "log.h"
#include "process.h"
#include "windows.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace {

[[noreturn]] void usage()
{
    std::fputs("usage: eventloopfuzz qt|glib|windows|qtwindows [--programs NUMBER] [--hours HOURS] [--seed FIRST] [--findings MOST]\n"
               "       [--ignore TEXT]... [--logs]\n"
               "Runs random programs, the one of the first seed and those that follow.\n"
               "--ignore leaves out the lines of logs that contain TEXT, broken rules included.\n"
               "--logs prints what the first one does on each dispatcher, and ends.\n",
               stderr);
    std::exit(2);
}

/// So many programs share their processes, because making one costs more than running a program.
constexpr unsigned BatchSize = 25;

using Findings = std::map<std::string, unsigned>; // how many of each sort

void report(const Program::Operations &operations, unsigned seed, Program::Family family,
            const Mistake &inBatch, Findings &findings)
{
    const auto mistake = findMistake(operations, family);
    if (!mistake) {
        std::printf("seed %u: after the programs before it, but not without them: %s: %s\n", seed,
                    inBatch.backend->name, inBatch.text.c_str());
        ++findings["depends on the programs before"];
        return;
    }
    if (++findings[mistake->sort()] > 1)
        return;
    std::printf("seed %u: %s: %s\n", seed, mistake->backend->name, mistake->text.c_str());
    std::fflush(stdout);
    const auto few = shrink(operations, family, *mistake);
    const auto left = findMistake(few, family, mistake->backend);
    std::printf("shrunk: %s\n%s\n", left ? left->text.c_str() : "it is not the same each time",
                Program::toCode(few).c_str());
    printLogs(few, family, mistake->backend);
    std::fflush(stdout);
}

}

int main(int argc, char **argv)
{
    using Clock = std::chrono::steady_clock;
    if (argc < 2)
        usage();
    if (!getenv("LD_BIND_NOW")) {
        // What is looked up now is not looked up in each of the many processes; and the order of Qt's hashes is
        // the same each time.
        setenv("LD_BIND_NOW", "1", true);
        setenv("QT_HASH_SEED", "0", true);
        setenv("QT_NO_GLIB", "1", true);
        setenv("QT_QPA_PLATFORM", "offscreen", true);
        // No platform is to connect to anything.
        for (const char *name : {"DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "QT_QPA_PLATFORMTHEME"})
            unsetenv(name);
        execv("/proc/self/exe", argv);
    }
    Program::Family family = Program::Family::Qt;
    if (!std::strcmp(argv[1], "glib"))
        family = Program::Family::GLib;
    else if (!std::strcmp(argv[1], "windows"))
        family = Program::Family::Windows;
    else if (!std::strcmp(argv[1], "qtwindows"))
        family = Program::Family::QtWindows;
    else if (std::strcmp(argv[1], "qt"))
        usage();
    if (Program::hasWindows(family) && !Windows::areSupported()) {
        std::fputs("built without Qt Gui, or its private headers\n", stderr);
        return 77; // skipped, to ctest
    }
    unsigned seed = 1;
    unsigned programs = 1000;
    unsigned most = 1;
    double hours = 0;
    bool logs = false;
    for (int i = 2; i < argc; ++i) {
        const auto isOption = [&](const char *name) { return !std::strcmp(argv[i], name) && i + 1 < argc; };
        if (isOption("--programs"))
            programs = unsigned(std::strtoul(argv[++i], nullptr, 10));
        else if (isOption("--seed"))
            seed = unsigned(std::strtoul(argv[++i], nullptr, 10));
        else if (isOption("--findings"))
            most = unsigned(std::strtoul(argv[++i], nullptr, 10));
        else if (isOption("--hours"))
            hours = std::strtod(argv[++i], nullptr);
        else if (isOption("--ignore"))
            Log::ignore(argv[++i]);
        else if (!std::strcmp(argv[i], "--logs"))
            logs = true;
        else
            usage();
    }
    // A program that crashes leaves no file.
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prepareProcesses();

    if (logs) {
        const auto operations = Program::generate(seed, family);
        std::fputs(Program::toCode(operations).c_str(), stdout);
        printLogs(operations, family);
        return 0;
    }

    const auto start = Clock::now();
    const auto seconds = [start] { return std::chrono::duration<double>(Clock::now() - start).count(); };
    Findings findings;
    unsigned done = 0;
    const auto goesOn = [&] {
        return findings.size() < most && (hours > 0 ? seconds() < hours * 3600 : done < programs);
    };
    while (goesOn()) {
        std::vector<Program::Operations> batch;
        for (unsigned i = 0; i < BatchSize && (hours > 0 || done + i < programs); ++i)
            batch.push_back(Program::generate(seed + i, family));
        const auto wrong = findWrongOne(batch, family);
        const auto right = unsigned(wrong ? wrong->index : batch.size());
        seed += right;
        done += right;
        if (!wrong)
            continue;
        report(batch[wrong->index], seed, family, wrong->mistake, findings);
        ++seed;
        ++done;
    }
    for (const auto &[sort, count] : findings)
        std::printf("%u of: %s\n", count, sort.c_str());
    std::printf("%u programs up to seed %u, %lu steps, %.0f steps a second, %u sorts of mistakes\n", done, seed - 1,
                stepCount(), double(stepCount()) / seconds(), unsigned(findings.size()));
    return findings.empty() ? 0 : 1;
}
