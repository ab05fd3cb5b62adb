// SPDX-License-Identifier: MIT

// Qt Quick: the frames of an animation while other threads keep the loop busy.

#include "measure.h"

#include <QtCore/QTimer>
#include <QtGui/QGuiApplication>
#include <QtQml/QQmlComponent>
#include <QtQml/QQmlEngine>
#include <QtQuick/QQuickItem>
#include <QtQuick/QQuickWindow>

#include <algorithm>
#include <atomic>
#include <thread>

using namespace Qt::StringLiterals;

namespace {

const char scene[] = R"(
import QtQuick
Rectangle {
    width: 200; height: 100
    Rectangle {
        width: 50; height: 50; color: "red"
        NumberAnimation on x { from: 0; to: 150; duration: 500; loops: Animation.Infinite }
    }
}
)";

/// Posts an event to its thread every 20 us, which works for another 5 us there.
class Load : public QObject
{
public:
    Load()
    {
        m_thread = std::thread([this] {
            while (!m_ends) {
                QCoreApplication::postEvent(this, new QEvent(QEvent::User));
                std::this_thread::sleep_for(std::chrono::microseconds(20));
            }
        });
    }
    ~Load() override
    {
        m_ends = true;
        m_thread.join();
    }
    Q_DISABLE_COPY_MOVE(Load)

    bool event(QEvent *event) override
    {
        if (event->type() != QEvent::User)
            return QObject::event(event);
        for (const qint64 end = now() + 5000; now() < end;) { }
        return true;
    }

private:
    std::atomic<bool> m_ends { false };
    std::thread m_thread;
};

Values frames(const Task &task)
{
    QQmlEngine engine;
    QQmlComponent component(&engine);
    component.setData(scene, {});
    const std::unique_ptr<QObject> object(component.create());
    auto *const item = qobject_cast<QQuickItem *>(object.get());
    if (!item)
        throw Unavailable("Qt Quick's QML module is not installed");
    QQuickWindow window;
    window.resize(200, 100);
    item->setParentItem(window.contentItem());

    Loop loop(task);
    QList<double> intervals;
    qint64 last = 0;
    const int count = sized(task, 60, 5);
    // The second frame comes at once, and the third when the grid of the animation has it.
    constexpr int atStart = 2;
    QObject::connect(&window, &QQuickWindow::frameSwapped, &window, [&] {
        const qint64 time = now();
        if (last)
            intervals.append(static_cast<double>(time - last));
        last = time;
        if (intervals.size() == count + atStart)
            loop.quit();
    });
    const Load load;
    window.show();
    loop.run();
    intervals.remove(0, atStart);
    return { median(intervals), *std::max_element(intervals.cbegin(), intervals.cend()) };
}

}

Family quickFamily()
{
    Workload workload { u"quick-frames"_s, u"frames of a QML animation beside a busy thread, offscreen"_s,
                        { { u"between two, median"_s }, { u"longest"_s } }, frames };
    workload.makeApplication = [](int &argc, char **argv) {
        qputenv("QT_QPA_PLATFORM", "offscreen");
        qputenv("QT_QUICK_BACKEND", "software");
        return std::make_unique<QGuiApplication>(argc, argv);
    };
    workload.seconds = 1.2;
    return { u"Qt Quick"_s, { workload } };
}
