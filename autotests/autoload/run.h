// SPDX-License-Identifier: MIT

#ifndef RUN_H
#define RUN_H

#include <QtCore/QProcess>
#include <QtCore/QProcessEnvironment>
#include <QtTest/QTest>

struct Result
{
    int status = -1; ///< The exit status, or minus the number of the signal that ended it.
    QByteArray out;
    QByteArray err;
};

/// An environment in which Qt has no GLib, with @p variables on top of it.
inline QProcessEnvironment environment(const QMap<QString, QString> &variables = {})
{
    QProcessEnvironment all = QProcessEnvironment::systemEnvironment();
    for (const char *name : {"LD_PRELOAD", "LD_LIBRARY_PATH", "GLIBEVENTDISPATCHER",
                             "QT_LOGGING_RULES", "QT_FATAL_WARNINGS"})
        all.remove(QLatin1String(name));
    all.insert(QStringLiteral("QT_NO_GLIB"), QStringLiteral("1"));
    all.insert(QStringLiteral("LC_ALL"), QStringLiteral("C.UTF-8"));
    for (auto it = variables.begin(); it != variables.end(); ++it)
        all.insert(it.key(), it.value());
    return all;
}

inline QProcessEnvironment preloading(const QString &files)
{
    return environment({{QStringLiteral("LD_PRELOAD"), files}});
}

inline Result run(const QString &program, const QStringList &arguments,
                  const QProcessEnvironment &environment, int milliseconds = 60000)
{
    QProcess process;
    process.setProcessEnvironment(environment);
    process.start(program, arguments);
    Result result;
    if (!process.waitForFinished(milliseconds)) {
        result.err = process.errorString().toLocal8Bit();
        return result;
    }
    // QProcess has the signal as the exit code of a program that crashed.
    result.status
        = process.exitStatus() == QProcess::CrashExit ? -process.exitCode() : process.exitCode();
    result.out = process.readAllStandardOutput();
    result.err = process.readAllStandardError();
    return result;
}

#endif
