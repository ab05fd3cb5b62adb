// SPDX-License-Identifier: MIT

#include "workload.h"

using namespace Qt::StringLiterals;

bool Workload::runsOn(Kind kind) const
{
    switch (kind) {
    case Kind::Ours:
    case Kind::QtGLib:
        return true;
    case Kind::QtUnix:
        return !needsGLib;
    case Kind::Preloaded:
        return !needsThread;
    case Kind::Limit:
        return static_cast<bool>(measureLimit);
    }
    return false;
}

Workload guestOf(Workload workload)
{
    workload.name.prepend("guest/"_L1);
    workload.guest = true;
    workload.needsGLib = true;
    for (Figure &figure : workload.figures)
        figure.bounds.clear();
    return workload;
}

// The main ones once more, as many as have a name here.
static Family guestFamily(const QList<Family> &all)
{
    const QStringList names {
        u"post-self"_s, u"post-batch"_s, u"post-flood"_s, u"thread-pingpong"_s, u"zero-timer"_s,
        u"socket-pingpong/0"_s, u"socket-pingpong/1000"_s, u"socket-pingpong/10000"_s,
        u"sockets-ready/256"_s, u"timer-cpu/100"_s, u"timer-precise/10"_s, u"idle"_s,
        u"tcp-echo/100"_s,
    };
    Family guests { u"GLib's loop outside (g_main_loop_run)"_s, {} };
    for (const Family &family : all) {
        for (const Workload &workload : family.workloads) {
            if (names.contains(workload.name))
                guests.workloads.append(guestOf(workload));
        }
    }
    return guests;
}

QList<Family> families()
{
    QList<Family> all {
        eventFamily(), socketFamily(), timerFamily(), glibFamily(), delayFamily(),
#if defined(HAVE_NETWORK)
        networkFamily(),
#endif
#if defined(HAVE_DBUS)
        dbusFamily(),
#endif
#if defined(HAVE_GSTREAMER)
        streamFamily(),
#endif
        costFamily(),
    };
    const Family guests = guestFamily(all);
#if defined(HAVE_WINDOWS)
    all.append(windowFamily(all));
#endif
#if defined(HAVE_QUICK)
    all.append(quickFamily());
#endif
    all.append(guests);
    return all;
}
