// SPDX-License-Identifier: MIT

#include "program.h"

#include <QtCore/QEventLoop>

using namespace Program;

std::string Program::toCode(const Operations &operations)
{
    std::string text;
    for (const Operation &o : operations) {
        char line[200];
        std::snprintf(line, sizeof(line), "{%d, Kind(%d), %d, %d, %d, %d, %d, %d, %d}\n", o.performer, int(o.kind),
                      o.target, o.value, o.option, o.count, o.handler, o.delay, o.early);
        text += line;
    }
    return text;
}
