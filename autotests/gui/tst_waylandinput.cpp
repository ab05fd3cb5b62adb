// SPDX-License-Identifier: MIT

#include "guitest.h"
#include "x11user.h"

#include <QtGui/QScreen>
#include <QtWidgets/QDialog>
#include <QtWidgets/QPushButton>

#include <glib.h>

#include <functional>
#include <utility>

using GuiTest::ColorWidget;
using GuiTest::waitUntil;

/// A user at weston's screen, which is a window of an X server's.
class tst_WaylandInput : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void showsWindow();
    void showsRepaint();
    void mouse();
    void keyboard();
    void modalDialogFromGLib();
    void glibsLoopOutside();
    void screenChanges();

private:
    /// Clicks at the center for as long as there is reason to. Once would not do: the compositor gives a click
    /// to what it has on the screen, which may be a moment behind what the program was told.
    class Clicks
    {
    public:
        Clicks(tst_WaylandInput *test, std::function<bool()> hasReason)
        {
            m_look.callOnTimeout([=] {
                if (hasReason())
                    test->m_user.click(test->m_center);
            });
            m_look.start(20);
        }

    private:
        QTimer m_look;
    };

    static void showAndWait(ColorWidget *window);
    /// What is on the screen, beside the pointer.
    QColor shown() { return m_user.screenshot().pixelColor(m_center / 2); }

    X11User m_user;
    QPoint m_center;
};

void tst_WaylandInput::initTestCase()
{
    QRect screen;
    QTRY_VERIFY_WITH_TIMEOUT((screen = m_user.topWindow().second).isValid(), 20000);
    m_center = screen.center();
    m_user.moveTo(m_center);
    m_user.focus(m_user.topWindow().first);
}

void tst_WaylandInput::showAndWait(ColorWidget *window)
{
    window->showFullScreen();
    QVERIFY(waitUntil([=] { return window->paints > 0; }));
    QVERIFY(waitUntil([=] { return window->isActiveWindow(); }));
}

void tst_WaylandInput::showsWindow()
{
    ColorWidget window(Qt::red);
    showAndWait(&window);
    QTRY_COMPARE_WITH_TIMEOUT(shown(), QColor(Qt::red), 20000);
}

void tst_WaylandInput::showsRepaint()
{
    ColorWidget window(Qt::red);
    showAndWait(&window);
    const int before = window.paints;
    window.setColor(Qt::blue);
    QVERIFY(waitUntil([&] { return window.paints > before; }));
    QTRY_COMPARE_WITH_TIMEOUT(shown(), QColor(Qt::blue), 20000);
}

void tst_WaylandInput::mouse()
{
    ColorWidget window(Qt::red);
    showAndWait(&window);
    QTRY_COMPARE_WITH_TIMEOUT(shown(), QColor(Qt::red), 20000);
    Clicks clicks(this, [&] { return window.presses == 0; });
    QVERIFY(waitUntil([&] { return window.presses > 0 && window.releases == window.presses; }));
}

void tst_WaylandInput::keyboard()
{
    ColorWidget window(Qt::red);
    showAndWait(&window);
    m_user.type("text");
    QVERIFY(waitUntil([&] { return window.keys == QLatin1String("text"); }));
}

void tst_WaylandInput::modalDialogFromGLib()
{
    // No other window: a click that came before the dialog is on the screen would raise that over it.
    struct Steps
    {
        QDialog dialog;
        QPushButton button{QStringLiteral("Close"), &dialog};
        int result = -1;
    } steps;
    steps.button.resize(800, 600);
    steps.dialog.setWindowState(Qt::WindowFullScreen);
    connect(&steps.button, &QPushButton::clicked, &steps.dialog, &QDialog::accept);
    g_idle_add(
        [](void *data) -> gboolean {
            auto *opened = static_cast<Steps *>(data);
            opened->result = opened->dialog.exec();
            return G_SOURCE_REMOVE;
        },
        &steps);
    Clicks clicks(this, [] { return true; });
    QVERIFY(waitUntil([&] { return steps.result == QDialog::Accepted; }));
}

void tst_WaylandInput::glibsLoopOutside()
{
    if (DispatcherUnderTest::kind() != DispatcherUnderTest::Kind::Ours)
        QSKIP("with Qt's GLib dispatcher windows on Wayland stay blank in a loop of GLib's");
    ColorWidget window(Qt::red);
    window.showFullScreen();
    g_autoptr(GMainLoop) loop = g_main_loop_new(nullptr, false);
    bool typed = false;
    Clicks clicks(this, [&] {
        if (!window.isActiveWindow() || shown() != Qt::red)
            return false;
        if (!std::exchange(typed, true))
            m_user.type("text");
        if (window.presses > 0 && window.keys == QLatin1String("text"))
            g_main_loop_quit(loop);
        return window.presses == 0;
    });
    QTimer::singleShot(30000, &window, [&] { g_main_loop_quit(loop); });
    g_main_loop_run(loop);
    QCOMPARE_GT(window.presses, 0);
    QCOMPARE(window.keys, QStringLiteral("text"));
}

void tst_WaylandInput::screenChanges()
{
    ColorWidget window(Qt::red);
    showAndWait(&window);
    const QScreen *screen = QGuiApplication::primaryScreen();
    QCOMPARE(screen->size(), QSize(800, 600));
    m_user.resize(m_user.topWindow().first, QSize(700, 500));
    QVERIFY(waitUntil([&] { return screen->size() == QSize(700, 500); }));
}

GUI_TEST_MAIN(tst_WaylandInput)

#include "tst_waylandinput.moc"
