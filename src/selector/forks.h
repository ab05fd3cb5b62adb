// SPDX-License-Identifier: MIT

#ifndef FORKS_H
#define FORKS_H

/// Changes in a child after fork(). Kernel objects such as an epoll set are shared with the parent
/// then: who keeps one remembers the count and makes a new one when it has changed.
unsigned forkCount();

/// Whether there may be such a parent, or a child, of this process.
bool hasForked();

#endif
