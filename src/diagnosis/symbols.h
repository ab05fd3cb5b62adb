// SPDX-License-Identifier: MIT

#ifndef SYMBOLS_H
#define SYMBOLS_H

#include <QtCore/QByteArray>

/// The function that @p address is in, demangled; its file and the offset in that where no symbol is known.
QByteArray symbolAt(const void *address);
/// The same of an address to which a call returns, which may be the first one of the next function.
QByteArray callerAt(const void *returnAddress);
/// The class of an object with that virtual table.
QByteArray classOf(const void *vtable);

#endif
