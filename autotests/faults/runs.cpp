// SPDX-License-Identifier: MIT

#include "runs.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

/// A child sleeps most of the time.
constexpr std::size_t ChildrenAtOnce = 12;

struct Child
{
    const Run *run;
    int output;
};

void giveUp(const char *what)
{
    std::perror(what);
    std::exit(2);
}

pid_t start(const Run &run, int output)
{
    std::fflush(stdout); // the child has a copy of what was not written
    const pid_t pid = ::fork();
    if (pid < 0)
        giveUp("fork");
    if (pid > 0)
        return pid;
    const rlimit none{0, 0}; // some are to be ended by a signal
    ::setrlimit(RLIMIT_CORE, &none);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    ::close(output);
    const int status = run.child();
    std::fflush(stdout);
    ::_exit(status);
}

std::string textOf(int file)
{
    std::string text;
    char buffer[4096];
    ::lseek(file, 0, SEEK_SET);
    for (ssize_t got = 0; (got = ::read(file, buffer, sizeof buffer)) > 0;)
        text.append(buffer, std::size_t(got));
    return text;
}

}

int perform(const std::vector<Run> &runs)
{
    std::map<pid_t, Child> children;
    int failed = 0;
    for (std::size_t next = 0; next < runs.size() || !children.empty();) {
        if (next < runs.size() && children.size() < ChildrenAtOnce) {
            const int output = ::memfd_create("output", MFD_CLOEXEC);
            if (output < 0)
                giveUp("memfd_create");
            children[start(runs[next], output)] = {&runs[next], output};
            ++next;
            continue;
        }
        int status = 0;
        const pid_t pid = ::wait(&status);
        const auto ended = children.find(pid);
        if (ended == children.end())
            giveUp("wait");
        const auto [run, file] = ended->second;
        const std::string output = textOf(file);
        const std::string problem
            = run->judge(WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status), output);
        if (!problem.empty()) {
            ++failed;
            std::printf("%s: %s\n%s\n", run->name.c_str(), problem.c_str(), output.c_str());
        }
        ::close(file);
        children.erase(ended);
    }
    std::printf("%zu runs, %d of them wrong\n", runs.size(), failed);
    return failed == 0 ? 0 : 1;
}
