// SPDX-License-Identifier: MIT

#ifndef GUITEST_H
#define GUITEST_H

#include "dispatcherundertest.h"
#include "displayserver.h"

#include <QtCore/QEventLoop>
#include <QtCore/QTimer>
#include <QtGui/QKeyEvent>
#include <QtGui/QPainter>
#include <QtWidgets/QApplication>
#include <QtWidgets/QWidget>

#include <glib.h>

namespace GuiTest {

/**
 * Runs an event loop until @p condition holds, which is looked at once in each of its turns. Unlike
 * QTRY_VERIFY() it wakes nobody up, so a wake-up that never comes is a test that fails.
 */
template<typename Condition>
bool waitUntil(Condition condition)
{
    if (condition())
        return true;
    QEventLoop loop;
    const auto look = [&] {
        if (condition())
            loop.quit();
    };
    const QAbstractEventDispatcher *dispatcher = QAbstractEventDispatcher::instance();
    QObject::connect(dispatcher, &QAbstractEventDispatcher::awake, &loop, look);
    QObject::connect(dispatcher, &QAbstractEventDispatcher::aboutToBlock, &loop, look);
    QTimer guard;
    // In time, that is: the guard's own turn would do for much that nobody was woken for.
    QObject::connect(&guard, &QTimer::timeout, &loop, [&] { loop.exit(1); });
    guard.start(30000);
    return loop.exec() == 0;
}

/// The same with a loop of GLib's.
template<typename Condition>
bool runUntil(Condition condition)
{
    if (condition())
        return true;
    struct Loop
    {
        GMainLoop *loop = g_main_loop_new(nullptr, false);
        bool inTime = true;
        ~Loop() { g_main_loop_unref(loop); }
    } run;
    QObject scope;
    const auto look = [&] {
        if (condition())
            g_main_loop_quit(run.loop);
    };
    const QAbstractEventDispatcher *dispatcher = QAbstractEventDispatcher::instance();
    QObject::connect(dispatcher, &QAbstractEventDispatcher::awake, &scope, look);
    QObject::connect(dispatcher, &QAbstractEventDispatcher::aboutToBlock, &scope, look);
    const guint guard = g_timeout_add_seconds(
        30,
        [](void *data) -> gboolean {
            static_cast<Loop *>(data)->inTime = false;
            g_main_loop_quit(static_cast<Loop *>(data)->loop);
            return G_SOURCE_CONTINUE;
        },
        &run);
    g_main_loop_run(run.loop);
    g_source_remove(guard);
    return run.inTime;
}

/**
 * What main() is to return, given the test's result, while there is an application.
 *
 * On Wayland it does not return: with Qt 6.4, whatever the dispatcher, the destructor of the application now and
 * then waits for ever for a thread that waits in wl_display_read_events().
 */
inline int end(int result)
{
    if (QGuiApplication::platformName() == QLatin1String("wayland")) {
        fflush(nullptr);
        _Exit(result);
    }
    return result;
}

/// A window full of one colour that counts what happens to it.
class ColorWidget : public QWidget
{
public:
    explicit ColorWidget(const QColor &color, QWidget *parent = nullptr)
        : QWidget(parent)
        , m_color(color)
    {
        setGeometry(100, 100, 300, 200);
    }

    void setColor(const QColor &color)
    {
        m_color = color;
        update();
    }
    QPoint globalCenter() const { return mapToGlobal(rect().center()); }

    int paints = 0;
    int presses = 0;
    int releases = 0;
    int closes = 0;
    QString keys;

protected:
    void paintEvent(QPaintEvent *) override
    {
        QPainter(this).fillRect(rect(), m_color);
        ++paints;
    }
    void mousePressEvent(QMouseEvent *) override { ++presses; }
    void mouseReleaseEvent(QMouseEvent *) override { ++releases; }
    void keyPressEvent(QKeyEvent *event) override { keys += event->text(); }
    void closeEvent(QCloseEvent *event) override
    {
        ++closes;
        QWidget::closeEvent(event);
    }

private:
    QColor m_color;
};

}

/// QTEST_MAIN on the dispatcher under test, with a display server of its own.
#define GUI_TEST_MAIN(TestClass)                                                                   \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        DispatcherUnderTest::install();                                                            \
        DisplayServer server;                                                                      \
        QApplication app(argc, argv);                                                              \
        app.setQuitOnLastWindowClosed(false);                                                      \
        if (DispatcherUnderTest::kind() == DispatcherUnderTest::Kind::Ours                         \
            && !DispatcherUnderTest::isInstalled())                                                \
            qFatal("the dispatcher under test is not the one in use");                             \
        TestClass test;                                                                            \
        return GuiTest::end(QTest::qExec(&test, argc, argv));                                      \
    }

#endif
