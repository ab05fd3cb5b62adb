// SPDX-License-Identifier: MIT

#include "child.h"

#include "measure.h"

#include <dispatcherundertest.h>

#include <QtCore/QJsonArray>
#include <QtCore/QJsonDocument>
#include <QtCore/QJsonObject>
#include <QtCore/QProcess>
#include <QtCore/QTimer>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <limits>

#include <sys/resource.h>
#include <unistd.h>

using namespace Qt::StringLiterals;

namespace {

const QString valuesKey = u"values"_s;
const QString failedKey = u"failed"_s;
const QString unavailableKey = u"unavailable"_s;

// A dropped event often means that the loop never ends.
unsigned int secondsAllowed(const Workload &workload, bool quick)
{
    return quick ? 30 : 20 + static_cast<unsigned int>(5 * workload.seconds);
}

// JSON has no numbers for these.
QJsonValue toJson(double value)
{
    if (std::isnan(value))
        return QJsonValue::Null;
    return std::isinf(value) ? QJsonValue(u"infinity"_s) : QJsonValue(value);
}

double fromJson(const QJsonValue &value)
{
    if (value.isNull())
        return std::numeric_limits<double>::quiet_NaN();
    return value.isString() ? std::numeric_limits<double>::infinity() : value.toDouble();
}

/// Throws unless the loop that @p task is about serves both GLib's timeouts and Qt's timers.
void checkServesBoth(const Task &task)
{
    struct State
    {
        Loop loop;
        bool qt = false;
        int glib = 0; // Timeouts of 10 ms.
        void look()
        {
            if (qt && glib > 0)
                loop.quit();
        }
    } state { Loop(task) };

    constexpr int patience = 50;
    int ticks = 0;
    QTimer timer;
    QObject::connect(&timer, &QTimer::timeout, [&] {
        state.qt = true;
        state.look();
        if (++ticks == patience)
            state.loop.quit();
    });
    timer.start(10);
    const auto timeout = [](void *data) -> gboolean {
        State *const self = static_cast<State *>(data);
        ++self->glib;
        self->look();
        if (self->glib == patience)
            self->loop.quit();
        return G_SOURCE_CONTINUE;
    };
    const guint source = g_timeout_add(10, timeout, &state);
    state.loop.run();
    g_source_remove(source);
    if (state.glib == 0)
        throw Unavailable("serves no GLib sources");
    if (!state.qt)
        throw Unavailable("serves nothing of Qt's under GLib's loop");
}

/// Whether the dispatcher in use is one of @p kind. A platform with windows derives its own from
/// Qt Core's.
bool isInUse(Kind kind)
{
    const QAbstractEventDispatcher *const dispatcher = QAbstractEventDispatcher::instance();
    switch (kind) {
    case Kind::Ours:
        return dispatcher->inherits("GLibEventDispatcher");
    case Kind::QtUnix:
        return dispatcher->inherits("QEventDispatcherUNIX");
    case Kind::QtGLib:
        return dispatcher->inherits("QEventDispatcherGlib");
    case Kind::Preloaded:
        return !isInUse(Kind::QtUnix) && !isInUse(Kind::QtGLib);
    case Kind::Limit:
        break;
    }
    return false;
}

Values measureOnDispatcher(int argc, char **argv, const Workload &workload, const Task &task)
{
    // The threads of a program with a preloaded dispatcher have Qt's UNIX dispatcher.
    qputenv("DISPATCHER_UNDER_TEST",
            idOf(task.kind == Kind::Preloaded ? Kind::QtUnix : task.kind).toLatin1());
    DispatcherUnderTest::install();
    const std::unique_ptr<QCoreApplication> application = workload.makeApplication
        ? workload.makeApplication(argc, argv)
        : std::make_unique<QCoreApplication>(argc, argv);
    if (task.kind == Kind::Preloaded) {
        require(isInUse(task.kind), "the preloaded library installs no dispatcher");
        if (workload.needsGLib)
            checkServesBoth(task);
    } else if (task.kind == Kind::QtGLib && !isInUse(task.kind)) {
        throw Unavailable("this Qt is built without GLib");
    } else {
        require(isInUse(task.kind), "another dispatcher is in use");
    }
    return workload.measure(task);
}

}

int measureInThisProcess(int argc, char **argv, const Workload &workload, Kind kind, int round,
                         bool quick)
{
    alarm(secondsAllowed(workload, quick));
    constexpr int mostInQuick = 200;
    if (workload.isPinned)
        useProcessor(round);
    Task task;
    task.kind = kind;
    task.size = quick ? std::min(workload.size, mostInQuick) : workload.size;
    task.guest = workload.guest;
    task.quick = quick;
    task.round = round;

    QJsonObject answer;
    try {
        const Values values = kind == Kind::Limit ? workload.measureLimit(task)
                                                  : measureOnDispatcher(argc, argv, workload, task);
        QJsonArray array;
        for (const double value : values)
            array.append(toJson(value));
        answer.insert(valuesKey, array);
    } catch (const Failure &failure) {
        answer.insert(failedKey, QString::fromUtf8(failure.what()));
    } catch (const Unavailable &unavailable) {
        answer.insert(unavailableKey, QString::fromUtf8(unavailable.what()));
    }
    std::puts(QJsonDocument(answer).toJson(QJsonDocument::Compact).constData());
    return 0;
}

Answer measureInChild(const Workload &workload, const Contender &contender, int round, bool quick)
{
    QStringList arguments { u"--measure"_s, workload.name,
                            u"--dispatcher"_s, idOf(contender.kind),
                            u"--round"_s, QString::number(round) };
    if (quick)
        arguments.append(u"--quick"_s);

    QProcess child;
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    if (contender.kind == Kind::Preloaded) {
        QStringList libraries { contender.preload };
        if (environment.contains(u"LD_PRELOAD"_s))
            libraries.append(environment.value(u"LD_PRELOAD"_s));
        environment.insert(u"LD_PRELOAD"_s, libraries.join(u':'));
    }
    child.setProcessEnvironment(environment);
    child.setProcessChannelMode(QProcess::ForwardedErrorChannel);
    child.start(QCoreApplication::applicationFilePath(), arguments);
    child.waitForFinished(-1);

    if (child.exitStatus() == QProcess::CrashExit) {
        const int signal = child.exitCode();
        const QString text = signal == SIGALRM
            ? u"not finished after %1 s"_s.arg(secondsAllowed(workload, quick))
            : u"died of signal %1"_s.arg(signal);
        return { {}, Note { Outcome::Failed, text } };
    }
    // Of a sanitizer's findings, say.
    if (child.exitCode() != 0)
        return { {}, Note { Outcome::Failed, u"exit status %1"_s.arg(child.exitCode()) } };
    const QJsonObject answer = QJsonDocument::fromJson(child.readAllStandardOutput()).object();
    if (answer.contains(unavailableKey))
        return { {}, Note { Outcome::Unavailable, answer.value(unavailableKey).toString() } };
    if (answer.contains(failedKey))
        return { {}, Note { Outcome::Failed, answer.value(failedKey).toString() } };
    Values values;
    const QJsonArray array = answer.value(valuesKey).toArray();
    for (const QJsonValue &value : array)
        values.append(fromJson(value));
    if (values.size() != workload.figures.size())
        return { {}, Note { Outcome::Failed, u"no figures"_s } };
    return { values, std::nullopt };
}

int raiseDescriptorLimit()
{
    rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return static_cast<int>(std::min<rlim_t>(limit.rlim_max, std::numeric_limits<int>::max()));
}
