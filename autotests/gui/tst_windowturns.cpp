// SPDX-License-Identifier: MIT

#include "guitest.h"

#include <QtWidgets/QDialog>

#include <functional>

using GuiTest::ColorWidget;
using GuiTest::waitUntil;
using namespace std::chrono_literals;

/// The order in which one turn serves a program with windows.
class tst_WindowTurns : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();

    void dialogBeforeTheFirstWindow();
    void eventPostedByAHandlerWaitsForTheNextTurn_data();
    void eventPostedByAHandlerWaitsForTheNextTurn();
    void loopThatIsToExitSendsNothing_data();
    void loopThatIsToExitSendsNothing();

private:
    std::unique_ptr<ColorWidget> m_window;
};

namespace {

void post(std::function<void()> function)
{
    QMetaObject::invokeMethod(qApp, std::move(function), Qt::QueuedConnection);
}

bool turn(QEventLoop::ProcessEventsFlags flags = QEventLoop::AllEvents)
{
    return QAbstractEventDispatcher::instance()->processEvents(flags);
}

}

void tst_WindowTurns::initTestCase()
{
    m_window = std::make_unique<ColorWidget>(Qt::red);
    m_window->show();
    QVERIFY(QTest::qWaitForWindowExposed(m_window.get()));
    QVERIFY(waitUntil([&] { return m_window->paints > 0; }));
}

/// A slot asks something and then opens the main window, while no other window is there.
void tst_WindowTurns::dialogBeforeTheFirstWindow()
{
    m_window->hide();
    QApplication::setQuitOnLastWindowClosed(true);
    const auto restore = qScopeGuard([&] {
        QApplication::setQuitOnLastWindowClosed(false);
        m_window->show();
    });
    ColorWidget mainWindow(Qt::blue);
    QTimer::singleShot(0, this, [&] {
        QDialog dialog;
        QTimer::singleShot(10, &dialog, &QDialog::accept);
        dialog.exec();
        mainWindow.show();
        QTimer::singleShot(100, &mainWindow, [] { QCoreApplication::exit(7); });
    });
    QCOMPARE(QApplication::exec(), 7);
}

void tst_WindowTurns::eventPostedByAHandlerWaitsForTheNextTurn_data()
{
    QTest::addColumn<QEventLoop::ProcessEventsFlags>("flags");
    using Flags = QEventLoop::ProcessEventsFlags;
    QTest::newRow("processEvents") << Flags(QEventLoop::AllEvents);
    QTest::newRow("processEvents, waiting") << Flags(QEventLoop::WaitForMoreEvents);
    QTest::newRow("exec") << Flags(QEventLoop::WaitForMoreEvents | QEventLoop::EventLoopExec);
}

void tst_WindowTurns::eventPostedByAHandlerWaitsForTheNextTurn()
{
    QFETCH(QEventLoop::ProcessEventsFlags, flags);
    while (turn()) { }
    bool isInTurn = true;
    bool hasFired = false;
    int early = 0;
    int delivered = 0;
    QTimer timer;
    timer.setSingleShot(true);
    timer.callOnTimeout([&] {
        hasFired = true;
        post([&] {
            early += isInTurn;
            ++delivered;
        });
    });
    timer.start(5);
    while (!hasFired)
        turn(flags);
    isInTurn = false;
    turn();
    QCOMPARE(early, 0);
    QCOMPARE(delivered, 1);
}

void tst_WindowTurns::loopThatIsToExitSendsNothing_data()
{
    QTest::addColumn<bool>("byEvent");
    QTest::newRow("by a timer") << false;
    QTest::newRow("by a posted event") << true;
}

void tst_WindowTurns::loopThatIsToExitSendsNothing()
{
    QFETCH(bool, byEvent);
    bool isInside = false;
    int sentInside = 0;
    int sent = 0;
    QEventLoop outer;
    QTimer::singleShot(0, &outer, [&] {
        QEventLoop inner;
        const auto end = [&] {
            inner.quit();
            post([&] {
                sentInside += isInside;
                ++sent;
                outer.quit();
            });
        };
        if (byEvent)
            post(end);
        else
            QTimer::singleShot(1, &inner, end);
        isInside = true;
        inner.exec();
        isInside = false;
    });
    outer.exec();
    QCOMPARE(sent, 1);
    QCOMPARE(sentInside, 0);
}

GUI_TEST_MAIN(tst_WindowTurns)

#include "tst_windowturns.moc"
