// SPDX-License-Identifier: MIT

#ifndef EVENTHOOK_H
#define EVENTHOOK_H

/// Has the activities told of every event that is going to be handled, from now on. Qt has no lock for its list of
/// callbacks, so this is for the time before other threads handle events. A second call does nothing.
void hookEvents();

#endif
