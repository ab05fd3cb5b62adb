// SPDX-License-Identifier: MIT

#include "guitest.h"
#include "x11user.h"

#include <QtCore/QMimeData>
#include <QtCore/QProcess>
#include <QtGui/QClipboard>
#include <QtGui/QDrag>
#include <QtGui/QDragEnterEvent>
#include <QtGui/QDropEvent>
#include <QtGui/QMouseEvent>
#include <QtWidgets/QDialog>
#include <QtWidgets/QLineEdit>
#include <QtWidgets/QPushButton>
#include <QtWidgets/QToolTip>

#include <glib.h>

using GuiTest::ColorWidget;
using GuiTest::runUntil;
using GuiTest::waitUntil;

namespace {

/// Has @p function called once by GLib.
template<typename Function>
void callFromGLib(Function *function)
{
    g_idle_add_full(
        G_PRIORITY_DEFAULT,
        [](void *data) -> gboolean {
            (*static_cast<Function *>(data))();
            return G_SOURCE_REMOVE;
        },
        function, nullptr);
}

/// A dialog of one button, which the user clicks as soon as he sees it.
class ClickedDialog : public QDialog
{
public:
    explicit ClickedDialog(X11User *user)
        : m_user(user)
        , m_button(QStringLiteral("Close"), this)
    {
        setGeometry(450, 300, 200, 100);
        m_button.setGeometry(rect());
        connect(&m_button, &QPushButton::clicked, this, &QDialog::accept);
    }
    /// Called when it is seen, before the click.
    std::function<void()> seen = [] {};

protected:
    bool event(QEvent *event) override
    {
        const bool handled = QDialog::event(event);
        if (event->type() == QEvent::UpdateRequest || event->type() == QEvent::Paint) {
            if (!std::exchange(m_wasSeen, true)) {
                seen();
                m_user->click(m_button.mapToGlobal(m_button.rect().center()));
            }
        }
        return handled;
    }

private:
    X11User *m_user;
    QPushButton m_button;
    bool m_wasSeen = false;
};

class DragSource : public ColorWidget
{
public:
    DragSource(X11User *user, QWidget *target)
        : ColorWidget(Qt::yellow)
        , m_user(user)
        , m_target(target)
    {
    }
    Qt::DropAction result = Qt::IgnoreAction;
    bool isDone = false;

protected:
    void mousePressEvent(QMouseEvent *) override
    {
        auto *drag = new QDrag(this);
        auto *cargo = new QMimeData;
        cargo->setText(QStringLiteral("cargo"));
        drag->setMimeData(cargo);
        QTimer::singleShot(0, this, [this] {
            const QPoint center = m_target->mapToGlobal(m_target->rect().center());
            m_user->moveTo(center - QPoint(2, 2));
            m_user->moveTo(center);
        });
        result = drag->exec(Qt::CopyAction);
        isDone = true;
    }

private:
    X11User *m_user;
    QWidget *m_target;
};

class DropTarget : public ColorWidget
{
public:
    explicit DropTarget(X11User *user)
        : ColorWidget(Qt::cyan)
        , m_user(user)
    {
        setAcceptDrops(true);
        setGeometry(450, 100, 200, 200);
    }
    QString dropped;

protected:
    void dragEnterEvent(QDragEnterEvent *event) override { event->acceptProposedAction(); }
    void dragMoveEvent(QDragMoveEvent *event) override
    {
        event->acceptProposedAction();
        if (!std::exchange(m_released, true))
            QTimer::singleShot(0, this, [this] { m_user->release(); });
    }
    void dropEvent(QDropEvent *event) override
    {
        dropped = event->mimeData()->text();
        event->acceptProposedAction();
    }

private:
    X11User *m_user;
    bool m_released = false;
};

}

class tst_X11Input : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void paintIsSeen();
    void repaintFromGLib();
    void mouse();
    void keyboard();
    void modalDialog();
    void modalDialogsFromGLib();
    void glibRunsBesideDialog();
    void toolTip();
    void closeButton();
    void resizedByOthers();
    void excludedInputComesLater();
    void excludedInputComesLaterToGLibsLoop();
    void dragAndDrop();
    void clipboardToOthers();
    void clipboardFromOthers();
    void floodOfInput();

private:
    void clickButExcludeIt(ColorWidget *window);

    X11User m_user;
};

void tst_X11Input::init()
{
    m_user.moveTo({0, 0});
}

void tst_X11Input::paintIsSeen()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(waitUntil([&] { return window.paints > 0; }));
    QVERIFY(m_user.sees(Qt::red, window.globalCenter()));
    QVERIFY(m_user.sees(Qt::red, window.geometry().topLeft()));
    QVERIFY(m_user.sees(Qt::red, window.geometry().bottomRight()));
}

void tst_X11Input::repaintFromGLib()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(waitUntil([&] { return window.paints > 0; }));
    QVERIFY(m_user.sees(Qt::red, window.globalCenter()));
    const int before = window.paints;
    auto repaint = [&] { window.setColor(Qt::blue); };
    callFromGLib(&repaint);
    QVERIFY(waitUntil([&] { return window.paints > before; }));
    QVERIFY(m_user.sees(Qt::blue, window.globalCenter()));
}

void tst_X11Input::mouse()
{
    QPushButton button(QStringLiteral("Click"));
    button.setGeometry(100, 100, 200, 100);
    int clicks = 0;
    connect(&button, &QPushButton::clicked, this, [&] { ++clicks; });
    button.show();
    QVERIFY(QTest::qWaitForWindowExposed(&button));
    for (int i = 1; i <= 3; ++i) {
        m_user.click(button.mapToGlobal(button.rect().center()));
        QVERIFY(waitUntil([&] { return clicks == i; }));
    }
}

void tst_X11Input::keyboard()
{
    QLineEdit edit;
    edit.setGeometry(100, 100, 200, 50);
    edit.show();
    edit.activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(&edit));
    m_user.type("hello");
    QVERIFY(waitUntil([&] { return edit.text() == QLatin1String("hello"); }));
}

void tst_X11Input::modalDialog()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(QTest::qWaitForWindowExposed(&window));
    ClickedDialog dialog(&m_user);
    dialog.seen = [&] { m_user.click(window.globalCenter()); };
    QCOMPARE(dialog.exec(), int(QDialog::Accepted));
    QCOMPARE(window.presses, 0); // it was locked
    m_user.click(window.globalCenter());
    QVERIFY(waitUntil([&] { return window.releases == 1; }));
}

void tst_X11Input::modalDialogsFromGLib()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(QTest::qWaitForWindowExposed(&window));
    int accepted = 0;
    auto openInner = [&] {
        ClickedDialog inner(&m_user);
        accepted += inner.exec() == QDialog::Accepted;
    };
    auto openOuter = [&] {
        ClickedDialog outer(&m_user);
        // The inner one is opened by GLib, from the loop of the outer one.
        outer.seen = [&] {
            callFromGLib(&openInner);
            waitUntil([&] { return accepted == 1; });
        };
        accepted += outer.exec() == QDialog::Accepted;
    };
    callFromGLib(&openOuter);
    QVERIFY(waitUntil([&] { return accepted == 2; }));
    m_user.click(window.globalCenter());
    QVERIFY(waitUntil([&] { return window.releases == 1; }));
}

void tst_X11Input::glibRunsBesideDialog()
{
    QDialog dialog;
    dialog.setGeometry(100, 100, 200, 100);
    struct Ticks
    {
        QDialog *dialog;
        int glib = 0;
        int qt = 0;
        void check()
        {
            if (glib >= 5 && qt >= 5)
                dialog->accept();
        }
    } ticks{&dialog};
    const guint source = g_timeout_add(
        10,
        [](void *data) -> gboolean {
            auto *counts = static_cast<Ticks *>(data);
            ++counts->glib;
            counts->check();
            return G_SOURCE_CONTINUE;
        },
        &ticks);
    QTimer timer;
    timer.callOnTimeout([&] {
        ++ticks.qt;
        ticks.check();
    });
    timer.start(10);
    QCOMPARE(dialog.exec(), int(QDialog::Accepted));
    g_source_remove(source);
}

void tst_X11Input::toolTip()
{
    ColorWidget window(Qt::red);
    window.setToolTip(QStringLiteral("a tip"));
    window.show();
    window.activateWindow(); // only an active one shows tips
    QVERIFY(QTest::qWaitForWindowActive(&window));
    m_user.moveTo(window.globalCenter()); // enters
    m_user.moveTo(window.globalCenter() + QPoint(1, 1));
    QVERIFY(waitUntil([] { return QToolTip::isVisible(); }));
    QCOMPARE(QToolTip::text(), QStringLiteral("a tip"));
    m_user.moveTo({0, 0});
    QVERIFY(waitUntil([] { return !QToolTip::isVisible(); }));
}

void tst_X11Input::closeButton()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(QTest::qWaitForWindowExposed(&window));
    m_user.close(window.winId());
    QVERIFY(waitUntil([&] { return window.closes == 1; }));
    QVERIFY(!window.isVisible());
}

void tst_X11Input::resizedByOthers()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(QTest::qWaitForWindowExposed(&window));
    m_user.resize(window.winId(), {350, 250});
    QVERIFY(waitUntil([&] { return window.size() == QSize(350, 250); }));
    QVERIFY(waitUntil([&] { return !window.testAttribute(Qt::WA_PendingResizeEvent); }));
    QTRY_COMPARE(m_user.screenshot().pixelColor(window.geometry().bottomRight()), QColor(Qt::red));
}

void tst_X11Input::clickButExcludeIt(ColorWidget *window)
{
    window->show();
    QVERIFY(QTest::qWaitForWindowExposed(window));
    m_user.click(window->globalCenter());
    // The server sends it behind the click.
    m_user.resize(window->winId(), {350, 250});
    while (window->size() != QSize(350, 250))
        QCoreApplication::processEvents(QEventLoop::ExcludeUserInputEvents
                                        | QEventLoop::WaitForMoreEvents);
    // Until all is quiet, so that the click is not delivered on the occasion of something else.
    for (int quiet = 0; quiet < 10; QThread::msleep(5))
        quiet = QCoreApplication::eventDispatcher()->processEvents(QEventLoop::ExcludeUserInputEvents)
            ? 0
            : quiet + 1;
    QCOMPARE(window->presses, 0);
}

void tst_X11Input::excludedInputComesLater()
{
    if (DispatcherUnderTest::kind() != DispatcherUnderTest::Kind::Ours)
        QSKIP("Qt's own dispatchers leave it where it is until something else comes");
    ColorWidget window(Qt::red);
    clickButExcludeIt(&window);
    QVERIFY(waitUntil([&] { return window.releases == 1; }));
}

void tst_X11Input::excludedInputComesLaterToGLibsLoop()
{
    if (DispatcherUnderTest::kind() != DispatcherUnderTest::Kind::Ours)
        QSKIP("Qt's own dispatchers leave it where it is until something else comes");
    ColorWidget window(Qt::red);
    clickButExcludeIt(&window);
    QVERIFY(runUntil([&] { return window.releases == 1; }));
}

void tst_X11Input::dragAndDrop()
{
    DropTarget target(&m_user);
    DragSource source(&m_user, &target);
    target.show();
    source.show();
    QVERIFY(QTest::qWaitForWindowExposed(&target));
    QVERIFY(QTest::qWaitForWindowExposed(&source));
    m_user.moveTo(source.globalCenter());
    m_user.press();
    QVERIFY(waitUntil([&] { return source.isDone; }));
    QCOMPARE(target.dropped, QStringLiteral("cargo"));
    QCOMPARE(source.result, Qt::CopyAction);
}

void tst_X11Input::clipboardToOthers()
{
    QGuiApplication::clipboard()->setText(QStringLiteral("from the test"));
    QProcess other;
    other.start(QStringLiteral(CLIPBOARD_CLIENT), {QStringLiteral("get")});
    QVERIFY(waitUntil([&] { return other.state() == QProcess::NotRunning; }));
    QCOMPARE(other.readAllStandardOutput(), QByteArray("from the test"));
    QCOMPARE(other.exitCode(), 0);
}

void tst_X11Input::clipboardFromOthers()
{
    QClipboard *clipboard = QGuiApplication::clipboard();
    QProcess other;
    other.start(QStringLiteral(CLIPBOARD_CLIENT),
                {QStringLiteral("set"), QStringLiteral("from elsewhere")});
    QVERIFY(waitUntil([&] { return clipboard->text() == QLatin1String("from elsewhere"); }));
    other.closeWriteChannel();
    QVERIFY(waitUntil([&] { return other.state() == QProcess::NotRunning; }));
    QCOMPARE(other.exitCode(), 0);
}

void tst_X11Input::floodOfInput()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(QTest::qWaitForWindowExposed(&window));
    m_user.moveTo(window.globalCenter());
    int fromGLib = 0;
    const guint source = g_timeout_add(
        1,
        [](void *data) -> gboolean {
            ++*static_cast<int *>(data);
            return G_SOURCE_CONTINUE;
        },
        &fromGLib);
    constexpr int Clicks = 300;
    std::unique_ptr<QThread> someone(QThread::create([] {
        X11User other;
        for (int i = 0; i < Clicks; ++i) {
            other.press();
            other.release();
        }
    }));
    someone->start();
    QVERIFY(waitUntil([&] { return window.releases == Clicks && fromGLib > 0; }));
    QVERIFY(someone->wait(30000));
    g_source_remove(source);
}

GUI_TEST_MAIN(tst_X11Input)

#include "tst_x11input.moc"
