// SPDX-License-Identifier: MIT

#include "guitest.h"

#include <glib.h>

#include <functional>

using GuiTest::ColorWidget;
using GuiTest::waitUntil;

class tst_IdleWindow : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void sleeps();
    void sleepsWithoutInput();
    void sleepsInGLibsLoop();
    void busyWindowIsSeen();

private:
    static int wakeUps(const std::function<void()> &runForASecond, int seconds = 10);
    static void runLoop(QEventLoop::ProcessEventsFlags flags = QEventLoop::AllEvents);

    // Polling for events takes dozens a second; the two timers of runLoop() take a handful.
    static constexpr int Few = 20;
};

void tst_IdleWindow::runLoop(QEventLoop::ProcessEventsFlags flags)
{
    QEventLoop loop;
    QTimer tick; // shows that one turn does not lead to the next
    tick.start(200);
    QTimer end;
    connect(&end, &QTimer::timeout, &loop, &QEventLoop::quit);
    end.start(1000);
    loop.exec(flags);
}

/// In the quietest of some seconds, until one is quiet: servers send something now and then.
int tst_IdleWindow::wakeUps(const std::function<void()> &runForASecond, int seconds)
{
    int fewest = std::numeric_limits<int>::max();
    for (int second = 0; second < seconds && fewest > Few; ++second) {
        int count = 0;
        const auto counting = connect(QAbstractEventDispatcher::instance(),
                                      &QAbstractEventDispatcher::awake, qApp, [&] { ++count; });
        runForASecond();
        disconnect(counting);
        fewest = std::min(fewest, count);
    }
    return fewest;
}

void tst_IdleWindow::sleeps()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(waitUntil([&] { return window.paints > 0; }));
    QCOMPARE_LE(wakeUps([] { runLoop(); }), Few);
}

void tst_IdleWindow::sleepsWithoutInput()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(waitUntil([&] { return window.paints > 0; }));
    QCOMPARE_LE(wakeUps([] { runLoop(QEventLoop::ExcludeUserInputEvents); }), Few);
}

void tst_IdleWindow::sleepsInGLibsLoop()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(waitUntil([&] { return window.paints > 0; }));
    QCOMPARE_LE(wakeUps([] {
                    GMainLoop *loop = g_main_loop_new(nullptr, false);
                    g_timeout_add(
                        1000,
                        [](void *data) -> gboolean {
                            g_main_loop_quit(static_cast<GMainLoop *>(data));
                            return G_SOURCE_REMOVE;
                        },
                        loop);
                    g_main_loop_run(loop);
                    g_main_loop_unref(loop);
                }),
                Few);
}

/// The counting counts.
void tst_IdleWindow::busyWindowIsSeen()
{
    ColorWidget window(Qt::red);
    window.show();
    QTimer timer;
    timer.callOnTimeout(&window, qOverload<>(&QWidget::update));
    timer.start(10);
    QCOMPARE_GT(wakeUps([] { runLoop(); }, 1), Few);
}

GUI_TEST_MAIN(tst_IdleWindow)

#include "tst_idlewindow.moc"
