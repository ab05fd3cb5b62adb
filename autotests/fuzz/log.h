// SPDX-License-Identifier: MIT

#ifndef LOG_H
#define LOG_H

/// What can be seen of programs, line by line, for the process that compares.
namespace Log {

/// The first character of a line that tells of a broken rule. It is the last line.
constexpr char Wrong = '!';
/// The end of a program's log.
constexpr char End = '\f';

/// Lines that contain @p text are left out.
void ignore(const char *text);
/// To where it is written at the end of the process, an abnormal end included.
void open(int fd);
[[gnu::format(printf, 1, 2)]] void line(const char *format, ...);
/// A program has ended, and others may follow.
void endProgram();
/// A rule is broken, whatever another dispatcher does; this is the end, unless the rule is to be ignored.
[[gnu::format(printf, 1, 2)]] void wrong(const char *format, ...);
[[noreturn]] void end();

}

#endif
