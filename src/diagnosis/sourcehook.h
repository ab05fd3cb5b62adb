// SPDX-License-Identifier: MIT

#ifndef SOURCEHOOK_H
#define SOURCEHOOK_H

#include <glib.h>

/// To be called before the other two.
void findSourceCallbacks();
/// What was given to g_source_set_callback(); nullptr where that is not known. For signal handlers, too.
const void *callbackOf(const GSource *source);

/**
 * Has the activities told of each source with such a callback that GLib is going to dispatch, and of its end, from now on.
 *
 * GLib has no function for that. But it asks for the callback before a source is dispatched and gives it back after, by
 * functions that stand in a table of its own, which all these sources share. They are replaced. Returns false if the table
 * cannot be written to: GLib's sources are then drawn together.
 */
bool hookSources();

#endif
