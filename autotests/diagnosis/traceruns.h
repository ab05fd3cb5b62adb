// SPDX-License-Identifier: MIT

#ifndef TRACERUNS_H
#define TRACERUNS_H

#include "run.h"

#include <QtCore/QEventLoop>
#include <QtCore/QTimer>

#include <chrono>

/// For a program that writes @p file, and reports handlers that take longer than @p limit in ms; 0: none.
inline QProcessEnvironment tracing(const QString &file, const char *limit = "0")
{
    return environment({{QStringLiteral("GLIBEVENTDISPATCHER_TRACE"), file},
                        {QStringLiteral("GLIBEVENTDISPATCHER_STALLS"), QLatin1String(limit)},
                        {QStringLiteral("QT_FORCE_STDERR_LOGGING"), QStringLiteral("1")}});
}

inline void keepBusy(std::chrono::nanoseconds time)
{
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) { }
}

/// Runs a loop for that time, in which @p work is called every @p interval.
template<typename Work>
void runLoop(std::chrono::milliseconds time, std::chrono::milliseconds interval, Work work)
{
    QEventLoop loop;
    QTimer timer;
    timer.callOnTimeout(work);
    timer.start(interval);
    QTimer::singleShot(time, &loop, &QEventLoop::quit);
    loop.exec();
}

#endif
