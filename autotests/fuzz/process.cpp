// SPDX-License-Identifier: MIT

#include "process.h"

#include "log.h"
#include "player.h"
#include "windows.h"

#include <GLibEventDispatcher>

#include <QtCore/QCoreApplication>

#include <algorithm>
#include <cstdio>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace Program;

namespace {

unsigned long steps = 0;

constexpr Backend Unix{"Qt's UNIX dispatcher", nullptr, false, false};
constexpr Backend Ours[] = {
    {"poll and epoll", nullptr, true, false},
    {"poll", "poll", true, false},
    {"epoll", "epoll", true, false},
    {"epoll in a GLib loop", nullptr, true, true},
    {"poll in a GLib loop", "poll", true, true},
};

char programName[] = "eventloopfuzz";
char *arguments[] = {programName, nullptr};
int argumentCount = 1;

[[noreturn]] void perform(const std::vector<Operations> &programs, Family family, const Backend &backend, int fd)
{
    Log::open(fd);
    Channel::ownMounts();
    qInstallMessageHandler([](QtMsgType, const QMessageLogContext &, const QString &) {});
    if (backend.setting)
        qputenv("GLIBEVENTDISPATCHER_BACKEND", backend.setting);
    if (backend.isOurs)
        QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    if (isCompared(family))
        Windows::separateUpdates();
    {
        const auto app = hasWindows(family) ? Windows::makeApplication(argumentCount, arguments, isCompared(family))
                                            : std::make_unique<QCoreApplication>(argumentCount, arguments);
        HelperThread helper(backend.isOurs ? new GLibEventDispatcher : nullptr);
        for (const Operations &operations : programs) {
            Player(operations, family, backend.isInGLibLoop ? Player::Outside::GLib : Player::Outside::Qt, helper).play();
            Log::endProgram();
        }
    }
    Log::end();
}

/// The line of @p log that tells of a broken rule.
std::optional<std::string> brokenRule(const std::string &log)
{
    std::size_t start = log.find(std::string("\n") + Log::Wrong);
    if (start == std::string::npos) {
        if (!log.empty() && log[0] != Log::Wrong)
            return std::nullopt;
        start = 0;
    } else {
        ++start;
    }
    return log.substr(start, log.find('\n', start) - start);
}

/// The first line in which two logs differ.
std::string difference(const std::string &reference, const std::string &log)
{
    const auto [one, other] = std::mismatch(reference.begin(), reference.end(), log.begin(), log.end());
    const auto lineAt = [](const std::string &text, std::size_t position) {
        const std::size_t newline = position == 0 ? std::string::npos : text.rfind('\n', position - 1);
        const std::size_t start = newline == std::string::npos ? 0 : newline + 1;
        return start >= text.size() ? std::string("the end")
                                    : '"' + text.substr(start, text.find('\n', start) - start) + '"';
    };
    const auto position = std::size_t(one - reference.begin());
    return lineAt(log, position) + ", but " + lineAt(reference, position) + " with " + Unix.name;
}

}

void prepareProcesses()
{
    const QCoreApplication app(argumentCount, arguments);
    QCoreApplication::processEvents();
}

std::vector<std::string> runProcess(const std::vector<Operations> &programs, Family family, const Backend &backend)
{
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) < 0)
        qFatal("no pipe");
    const pid_t child = ::fork();
    if (child < 0)
        qFatal("no process");
    if (child == 0) {
        ::close(fds[0]);
        perform(programs, family, backend, fds[1]);
    }
    ::close(fds[1]);
    std::string text;
    char buffer[16384];
    for (ssize_t count; (count = ::read(fds[0], buffer, sizeof(buffer))) > 0;)
        text.append(buffer, std::size_t(count));
    ::close(fds[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    steps += std::size_t(std::count(text.begin(), text.end(), '\n'));

    std::vector<std::string> logs;
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = std::min(text.find(Log::End, start), text.size());
        logs.push_back(text.substr(start, end - start));
        start = end + 1;
    }
    if (status != 0 || logs.empty())
        logs.push_back(Log::Wrong + std::string("ends with status ") + std::to_string(status) + '\n');
    return logs;
}

std::optional<WrongOne> findWrongOne(const std::vector<Operations> &programs, Family family)
{
    std::optional<WrongOne> first;
    const auto add = [&](std::size_t index, const Backend &backend, const std::string &text) {
        if (!first || index < first->index)
            first = WrongOne{index, {&backend, text}};
    };
    const auto run = [&](const Backend &backend) {
        const auto logs = runProcess(programs, family, backend);
        if (const auto broken = brokenRule(logs.back()))
            add(std::min(logs.size(), programs.size()) - 1, backend, *broken);
        return logs;
    };
    const auto reference = isCompared(family) ? run(Unix) : std::vector<std::string>();
    for (const Backend &backend : Ours) {
        const auto logs = run(backend);
        for (std::size_t i = 0; !backend.isInGLibLoop && i < std::min(reference.size(), logs.size()); ++i) {
            if (reference[i] != logs[i])
                add(i, backend, difference(reference[i], logs[i]));
        }
    }
    return first;
}

std::string Mistake::sort() const
{
    std::string sort = std::string(backend->name) + ": " + text;
    std::replace_if(sort.begin(), sort.end(), [](char c) { return c >= '0' && c <= '9'; }, '#');
    return sort;
}

std::optional<Mistake> findMistake(const Operations &operations, Family family, const Backend *only)
{
    const bool hasReference = isCompared(family) && (!only || !only->isInGLibLoop);
    std::string reference;
    if (hasReference) {
        reference = runProcess({operations}, family, Unix).back();
        if (const auto broken = brokenRule(reference))
            return Mistake{&Unix, *broken};
    }
    for (const Backend &backend : Ours) {
        if (only && only != &backend)
            continue;
        const std::string log = runProcess({operations}, family, backend).back();
        if (const auto broken = brokenRule(log))
            return Mistake{&backend, *broken};
        if (hasReference && !backend.isInGLibLoop && log != reference)
            return Mistake{&backend, difference(reference, log)};
    }
    return std::nullopt;
}

void printLogs(const Operations &operations, Family family, const Backend *only)
{
    const auto print = [&](const Backend &backend) {
        std::printf("--- %s\n%s", backend.name, runProcess({operations}, family, backend).back().c_str());
    };
    if (isCompared(family))
        print(Unix);
    for (const Backend &backend : Ours) {
        if (!only || only == &backend)
            print(backend);
    }
}

unsigned long stepCount()
{
    return steps;
}

Operations shrink(Operations operations, Family family, const Mistake &mistake)
{
    // A difference need not stay the same line.
    const bool isDifference = mistake.text[0] != Log::Wrong;
    const auto fails = [&](const Operations &tried) {
        const auto found = findMistake(tried, family, mistake.backend);
        return found && found->backend == mistake.backend
            && (isDifference ? found->text[0] != Log::Wrong : found->sort() == mistake.sort());
    };
    bool isSmaller = true;
    while (isSmaller) {
        isSmaller = false;
        for (std::size_t size = std::max<std::size_t>(operations.size() / 2, 1); size > 0; size /= 2) {
            for (std::size_t at = 0; at + size <= operations.size();) {
                Operations tried = operations;
                tried.erase(tried.begin() + std::ptrdiff_t(at), tried.begin() + std::ptrdiff_t(at + size));
                if (fails(tried)) {
                    operations = tried;
                    isSmaller = true;
                } else {
                    at += size;
                }
            }
        }
        // What remains is made plainer.
        for (std::size_t at = 0; at < operations.size(); ++at) {
            for (int Operation::*member : {&Operation::value, &Operation::option, &Operation::handler,
                                           &Operation::target}) {
                Operations tried = operations;
                if (tried[at].*member == 0)
                    continue;
                tried[at].*member = 0;
                if (fails(tried)) {
                    operations = tried;
                    isSmaller = true;
                }
            }
            Operations tried = operations;
            tried[at].count = 1;
            tried[at].early = false;
            if ((operations[at].count > 1 || operations[at].early) && fails(tried)) {
                operations = tried;
                isSmaller = true;
            }
        }
    }
    return operations;
}
