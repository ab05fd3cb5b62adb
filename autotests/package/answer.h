// SPDX-License-Identifier: MIT

#ifndef ANSWER_H
#define ANSWER_H

#include "run.h"

/// The environment without anything that could help to find the installation.
inline QProcessEnvironment bareEnvironment()
{
    QProcessEnvironment variables = environment();
    for (const char *name : { "CMAKE_PREFIX_PATH", "PKG_CONFIG_PATH", "CXXFLAGS", "LDFLAGS" })
        variables.remove(QLatin1String(name));
    return variables;
}

/// What the program writes to its standard output; "failed" if it fails, with a warning that says
/// how.
inline QByteArray answer(const QString &program, const QStringList &arguments,
                         const QProcessEnvironment &variables = bareEnvironment())
{
    // It may be a compiler on a busy machine.
    const Result result = run(program, arguments, variables, 600000);
    if (result.status != 0) {
        qWarning("%s %s: status %d\n%s%s", qPrintable(program), qPrintable(arguments.join(u' ')),
                 result.status, result.out.constData(), result.err.constData());
    }
    return result.status == 0 ? result.out : QByteArray("failed");
}

#endif
