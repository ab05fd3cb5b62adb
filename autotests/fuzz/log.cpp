// SPDX-License-Identifier: MIT

#include "log.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <csignal>
#include <unistd.h>

namespace {

/// More real time than any program takes. It ends those that hang without a system call.
constexpr unsigned SecondsToLive = 10;

int theFd = -1;
std::string theText;
std::vector<const char *> theIgnored;

[[noreturn]] void finish()
{
    const char *data = theText.data();
    std::size_t left = theText.size();
    while (left > 0) {
        const ssize_t written = ::write(theFd, data, left);
        if (written <= 0)
            break;
        data += written;
        left -= std::size_t(written);
    }
    // Nothing of what the parent process had is to be torn down here.
    ::_exit(0);
}

/// Returns false if it is ignored.
bool append(const char *prefix, const char *format, std::va_list values)
{
    char buffer[512];
    std::vsnprintf(buffer, sizeof(buffer), format, values);
    const std::string line = prefix + std::string(buffer) + '\n';
    for (const char *ignored : theIgnored) {
        if (line.find(ignored) != std::string::npos)
            return false;
    }
    theText += line;
    return true;
}

void onSignal(int signal)
{
    theText += Log::Wrong;
    theText += signal == SIGALRM ? "hangs or runs on for ever\n"
                                 : std::string("ends by signal ") + strsignal(signal) + '\n';
    finish();
}

}

void Log::ignore(const char *text)
{
    theIgnored.push_back(text);
}

void Log::open(int fd)
{
    theFd = fd;
    theText.reserve(1 << 16);
    for (const int signal : {SIGALRM, SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL})
        std::signal(signal, onSignal);
    ::alarm(SecondsToLive);
}

void Log::line(const char *format, ...)
{
    std::va_list arguments;
    va_start(arguments, format);
    append("", format, arguments);
    va_end(arguments);
}

void Log::wrong(const char *format, ...)
{
    constexpr char prefix[] = {Wrong, 0};
    std::va_list arguments;
    va_start(arguments, format);
    const bool isIgnored = !append(prefix, format, arguments);
    va_end(arguments);
    if (!isIgnored)
        finish();
}

void Log::endProgram()
{
    theText += End;
    ::alarm(SecondsToLive);
}

void Log::end()
{
    finish();
}
