// SPDX-License-Identifier: MIT

#include "guitest.h"
#include "x11user.h"

#include <QtWidgets/QDialog>
#include <QtWidgets/QLineEdit>
#include <QtWidgets/QPushButton>

#include <gio/gio.h>

using GuiTest::ColorWidget;
using GuiTest::runUntil;

class tst_GLibRunsWindows : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void paint();
    void mouseAndKeyboard();
    void repaintFromBothSides();
    void dialogFromGLib();
    void closeButton();
    void deleteLater();
    void application();

private:
    X11User m_user;
};

void tst_GLibRunsWindows::paint()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(runUntil([&] { return window.paints > 0; }));
    QVERIFY(m_user.sees(Qt::red, window.globalCenter()));
}

void tst_GLibRunsWindows::mouseAndKeyboard()
{
    ColorWidget window(Qt::red);
    QLineEdit edit(&window);
    edit.setGeometry(0, 0, 300, 40);
    window.show();
    window.activateWindow();
    edit.setFocus();
    QVERIFY(runUntil([&] { return window.paints > 0 && edit.hasFocus(); }));
    m_user.click(window.globalCenter());
    QVERIFY(runUntil([&] { return window.releases == 1; }));
    m_user.type("typed");
    QVERIFY(runUntil([&] { return edit.text() == QLatin1String("typed"); }));
}

void tst_GLibRunsWindows::repaintFromBothSides()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(runUntil([&] { return window.paints > 0; }));
    int before = window.paints;
    const guint source = g_timeout_add(
        1,
        [](void *data) -> gboolean {
            static_cast<ColorWidget *>(data)->setColor(Qt::blue);
            return G_SOURCE_CONTINUE;
        },
        &window);
    QVERIFY(runUntil([&] { return window.paints > before + 2; }));
    g_source_remove(source);
    QVERIFY(m_user.sees(Qt::blue, window.globalCenter()));
    before = window.paints;
    QTimer timer;
    timer.callOnTimeout([&] { window.setColor(Qt::green); });
    timer.start(1);
    QVERIFY(runUntil([&] { return window.paints > before + 2; }));
    QVERIFY(m_user.sees(Qt::green, window.globalCenter()));
}

/// GLib's loop, Qt's loop in its callback, the user in the middle.
void tst_GLibRunsWindows::dialogFromGLib()
{
    struct Opened
    {
        X11User *user;
        int result = -1;
    } opened{&m_user};
    g_idle_add(
        [](void *data) -> gboolean {
            auto *steps = static_cast<Opened *>(data);
            QDialog dialog;
            dialog.setGeometry(100, 100, 200, 100);
            QPushButton button(QStringLiteral("Close"), &dialog);
            button.setGeometry(dialog.rect());
            QObject::connect(&button, &QPushButton::clicked, &dialog, &QDialog::accept);
            QTimer::singleShot(0, &dialog, [&] {
                if (QTest::qWaitForWindowExposed(&dialog))
                    steps->user->click(button.mapToGlobal(button.rect().center()));
            });
            steps->result = dialog.exec();
            return G_SOURCE_REMOVE;
        },
        &opened);
    QVERIFY(runUntil([&] { return opened.result == QDialog::Accepted; }));
}

void tst_GLibRunsWindows::closeButton()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(runUntil([&] { return window.paints > 0; }));
    m_user.close(window.winId());
    QVERIFY(runUntil([&] { return window.closes == 1; }));
    QVERIFY(!window.isVisible());
}

void tst_GLibRunsWindows::deleteLater()
{
    QPointer<ColorWidget> window = new ColorWidget(Qt::red);
    window->setAttribute(Qt::WA_DeleteOnClose);
    window->show();
    QVERIFY(runUntil([&] { return window->paints > 0; }));
    m_user.close(window->winId());
    QVERIFY(runUntil([&] { return !window; }));
}

/// A program of GLib's kind with a window of Qt's.
void tst_GLibRunsWindows::application()
{
    struct Program
    {
        GApplication *application;
        X11User *user;
        std::unique_ptr<QPushButton> button;
        int clicks = 0;
    } program{g_application_new(nullptr, G_APPLICATION_NON_UNIQUE), &m_user, nullptr};
    g_signal_connect(program.application, "activate",
                     G_CALLBACK(+[](GApplication *application, void *data) {
                         auto *started = static_cast<Program *>(data);
                         g_application_hold(application);
                         started->button = std::make_unique<QPushButton>(QStringLiteral("Quit"));
                         QPushButton *button = started->button.get();
                         button->setGeometry(100, 100, 200, 100);
                         QObject::connect(button, &QPushButton::clicked, button, [started] {
                             ++started->clicks;
                             g_application_release(started->application);
                         });
                         button->show();
                         QTimer::singleShot(0, button, [started, button] {
                             if (QTest::qWaitForWindowExposed(button))
                                 started->user->click(
                                     button->mapToGlobal(button->rect().center()));
                         });
                     }),
                     &program);
    QCOMPARE(g_application_run(program.application, 0, nullptr), 0);
    QCOMPARE(program.clicks, 1);
    program.button.reset();
    g_object_unref(program.application);
}

GUI_TEST_MAIN(tst_GLibRunsWindows)

#include "tst_glibrunswindows.moc"
