// SPDX-License-Identifier: MIT

#ifndef BACKGROUNDTHREAD_H
#define BACKGROUNDTHREAD_H

#include <functional>

/// Starts a thread that takes none of the program's signals and is never waited for. Debuggers show @p name, of 15
/// characters at most. Returns 0 or an errno.
int startBackgroundThread(const char *name, std::function<void()> run);

#endif
