// SPDX-License-Identifier: MIT

#include "guitest.h"

#include <QtCore/QPropertyAnimation>
#include <QtWidgets/QDialog>
#include <QtWidgets/QPushButton>

#include <glib.h>

using GuiTest::ColorWidget;
using GuiTest::waitUntil;

/// What goes without a user, on whatever platform.
class tst_Windows : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void painted();
    void repaintedFromTimers();
    void clickedByTest();
    void modalDialogFromGLib();
    void animation();
    void deletedFromGLib();
    void closed();
};

void tst_Windows::painted()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(waitUntil([&] { return window.paints > 0; }));
    QVERIFY(QTest::qWaitForWindowExposed(&window));
}

void tst_Windows::repaintedFromTimers()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(waitUntil([&] { return window.paints > 0; }));
    int before = window.paints;
    const guint source = g_timeout_add(
        1,
        [](void *data) -> gboolean {
            static_cast<ColorWidget *>(data)->setColor(Qt::blue);
            return G_SOURCE_CONTINUE;
        },
        &window);
    QVERIFY(waitUntil([&] { return window.paints > before + 2; }));
    g_source_remove(source);
    before = window.paints;
    QTimer timer;
    timer.callOnTimeout([&] { window.setColor(Qt::green); });
    timer.start(1);
    QVERIFY(waitUntil([&] { return window.paints > before + 2; }));
}

void tst_Windows::clickedByTest()
{
    ColorWidget window(Qt::red);
    QPushButton button(QStringLiteral("Click"), &window);
    int clicks = 0;
    connect(&button, &QPushButton::clicked, this, [&] { ++clicks; });
    window.show();
    QVERIFY(QTest::qWaitForWindowExposed(&window));
    QTest::mouseClick(&button, Qt::LeftButton);
    QCOMPARE(clicks, 1);
    QTest::mouseClick(window.windowHandle(), Qt::LeftButton, {}, button.geometry().center());
    QVERIFY(waitUntil([&] { return clicks == 2; }));
    QTest::keyClicks(&window, QStringLiteral("text"));
    QCOMPARE(window.keys, QStringLiteral("text"));
}

void tst_Windows::modalDialogFromGLib()
{
    struct Steps
    {
        QDialog dialog;
        int result = -1;
    } steps;
    g_idle_add(
        [](void *data) -> gboolean {
            g_timeout_add(
                20,
                [](void *inner) -> gboolean {
                    static_cast<Steps *>(inner)->dialog.accept();
                    return G_SOURCE_REMOVE;
                },
                data);
            auto *opened = static_cast<Steps *>(data);
            opened->result = opened->dialog.exec();
            return G_SOURCE_REMOVE;
        },
        &steps);
    QVERIFY(waitUntil([&] { return steps.result == QDialog::Accepted; }));
}

void tst_Windows::animation()
{
    ColorWidget window(Qt::red);
    ColorWidget moving(Qt::blue, &window);
    moving.setGeometry(0, 0, 20, 20);
    window.show();
    QVERIFY(waitUntil([&] { return window.paints > 0; }));
    const int before = window.paints;
    QPropertyAnimation animation(&moving, "pos");
    animation.setEndValue(QPoint(200, 100));
    animation.setDuration(200);
    animation.start();
    QVERIFY(waitUntil([&] { return animation.state() == QAbstractAnimation::Stopped; }));
    QCOMPARE(moving.pos(), QPoint(200, 100));
    QVERIFY(waitUntil([&] { return window.paints > before; }));
}

void tst_Windows::deletedFromGLib()
{
    QPointer<ColorWidget> window = new ColorWidget(Qt::red);
    window->show();
    QVERIFY(waitUntil([&] { return window->paints > 0; }));
    g_idle_add(
        [](void *data) -> gboolean {
            delete static_cast<ColorWidget *>(data);
            return G_SOURCE_REMOVE;
        },
        window);
    QVERIFY(waitUntil([&] { return !window; }));

    window = new ColorWidget(Qt::red);
    window->show();
    QVERIFY(waitUntil([&] { return window->paints > 0; }));
    window->deleteLater();
    QVERIFY(waitUntil([&] { return !window; }));
}

void tst_Windows::closed()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(waitUntil([&] { return window.paints > 0; }));
    window.windowHandle()->close(); // asks as a window manager would
    QVERIFY(waitUntil([&] { return window.closes == 1; }));
    QVERIFY(!window.isVisible());
}

GUI_TEST_MAIN(tst_Windows)

#include "tst_windows.moc"
