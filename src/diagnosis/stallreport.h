// SPDX-License-Identifier: MIT

#ifndef STALLREPORT_H
#define STALLREPORT_H

#include "stallsample.h"

#include <QtCore/QByteArray>

/// The words for stalls.
namespace StallReport {

using Duration = std::chrono::nanoseconds;

/// What a loop is at.
QByteArray words(const StallSample::Loop &loop);
QByteArray words(const StallSample::Source &source);
/// What keeps the thread, in the same words each time.
QByteArray culprit(const StallSample &sample);
/// While it lasts: that, the loops around it, and the stack.
QByteArray text(const StallSample &sample, long thread, Duration taken, const QByteArray &culprit);
/// ... of a thread of which no sample can be taken.
QByteArray silentText(long thread, Duration taken);
/// When it is over.
QByteArray endText(long thread, const QByteArray &culprit, Duration taken);
/// At the end of the program.
QByteArray totalText(const QByteArray &culprit, int count, Duration longest, Duration sum);

}

#endif
