// SPDX-License-Identifier: MIT

#include "deliveries.h"

#include <cstdio>

namespace {

Delivery deliveries[] = {
    {"socket", 6, true}, {"idle socket", 2, true}, {"terminal", 1, true}, {"eventfd", 1, true}, {"writable", 1, true},
    {"posted event", 5, false}, {"event of the worker", 4, false}, {"reply of the worker", 3, false},
    {"timer", 4, false}, {"single shot", 1, false}, {"zero timer", 5, false}, {"worker's timer", 3, false},
    {"worker's socket", 1, true},
    {"GLib's timeout", 4, false}, {"GLib's idle function", 3, false}, {"GLib's descriptor", 2, true},
};

}

Delivery &delivery(Kind kind)
{
    return deliveries[int(kind)];
}

bool areComplete(bool withDescriptors)
{
    for (const Delivery &each : deliveries) {
        if (each.count < each.expected && (withDescriptors || !each.needsDescriptors))
            return false;
    }
    return true;
}

bool report(bool withDescriptors)
{
    bool isRight = true;
    for (const Delivery &each : deliveries) {
        if (each.count == each.expected || (each.count < each.expected && each.needsDescriptors && !withDescriptors))
            continue;
        std::printf("%s: %d of %d\n", each.name, each.count.load(), each.expected);
        isRight = false;
    }
    std::fflush(stdout);
    return isRight;
}

