// SPDX-License-Identifier: MIT

// Programs with windows: some of the other workloads beside a window that has nothing to do.

#include "measure.h"

#include <QtCore/QTimer>
#include <QtGui/QGuiApplication>
#include <QtGui/QPainter>
#include <QtGui/QRasterWindow>

using namespace Qt::StringLiterals;

namespace {

class Window : public QRasterWindow
{
public:
    std::function<void()> painted;

protected:
    void paintEvent(QPaintEvent *) override
    {
        QPainter(this).fillRect(QRect(QPoint(), size()), Qt::white);
        painted();
    }
};

/// Whether @p window, once shown, is painted: what asks for that is an event of the window system.
bool comesToBePainted(Window &window)
{
    QEventLoop loop;
    bool painted = false;
    window.painted = [&] {
        painted = true;
        loop.quit();
    };
    window.show();
    QTimer::singleShot(std::chrono::seconds(5), &loop, &QEventLoop::quit);
    loop.exec();
    window.painted = [] { };
    return painted;
}

Values besideWindow(const Task &task, const std::function<Values(const Task &)> &measure)
{
    Window window;
    window.resize(200, 100);
    if (!comesToBePainted(window)) {
        if (task.kind == Kind::Preloaded)
            throw Unavailable("serves no windows");
        throw Failure("the window was not painted, so its events are not served");
    }
    return measure(task);
}

/// The same work with a window shown on Qt's platform @p platform.
Workload windowOf(Workload workload, const QString &platform)
{
    workload.name.prepend(u"window/%1/"_s.arg(platform));
    workload.title += u", "_s + platform;
    workload.makeApplication = [platform](int &argc, char **argv) {
        qputenv("QT_QPA_PLATFORM", platform.toLatin1());
        return std::make_unique<QGuiApplication>(argc, argv);
    };
    workload.measure = [measure = workload.measure](const Task &task) {
        return besideWindow(task, measure);
    };
    // It would have no window.
    workload.measureLimit = {};
    workload.limit.clear();
    for (Figure &figure : workload.figures)
        figure.bounds.clear();
    return workload;
}

}

Family windowFamily(const QList<Family> &all)
{
    const QStringList names { u"post-self"_s, u"zero-timer"_s, u"socket-pingpong/0"_s };
    QStringList platforms { u"offscreen"_s };
    // Qt ends the program if there is no X server.
    if (qEnvironmentVariableIsSet("DISPLAY"))
        platforms.append(u"xcb"_s);

    Family windows { u"Programs with windows"_s, {} };
    for (const QString &platform : std::as_const(platforms)) {
        for (const Family &family : all) {
            for (const Workload &workload : family.workloads) {
                if (!names.contains(workload.name))
                    continue;
                windows.workloads.append(windowOf(workload, platform));
                // Ours is not turns there: the platform's dispatcher sends posted events, too.
                if (workload.name == "post-self"_L1)
                    windows.workloads.last().figures[0].title = u"per event"_s;
            }
        }
    }
    return windows;
}
