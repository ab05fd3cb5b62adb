// SPDX-License-Identifier: MIT

#include "guitest.h"

#include <QtWidgets/QDialog>

#include <qpa/qwindowsysteminterface.h>

#include <functional>

using GuiTest::ColorWidget;
using GuiTest::waitUntil;
using namespace std::chrono_literals;

/// The order in which one turn serves a program with windows, and the input that its loops exclude.
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
    void inputThatEndsAWaitByHand();
    void inputBeforeALoopInATimer();
    void excludedInputComesLater_data();
    void excludedInputComesLater();
    void exclusionHoldsInGLibsLoop();

private:
    void queueClick();
    /// Whether a loop that has nothing else to do delivers all the clicks that were queued.
    bool receivesAll(bool byGLib = false);

    // Shorter than anything that could come to help.
    static constexpr auto Patience = 5s;

    std::unique_ptr<ColorWidget> m_window;
    int m_queued = 0;
    int m_time = 1000; // of the input, in ms
};

namespace {

/// Has GLib call @p function once, after @p delay. Returns the number of the source.
guint callFromGLib(std::function<void()> function, std::chrono::milliseconds delay = 0ms)
{
    return g_timeout_add_full(
        G_PRIORITY_DEFAULT, guint(delay.count()),
        [](void *data) -> gboolean {
            (*static_cast<std::function<void()> *>(data))();
            return G_SOURCE_REMOVE;
        },
        new std::function<void()>(std::move(function)),
        [](void *data) { delete static_cast<std::function<void()> *>(data); });
}

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

/// As the window system does it: it is delivered when the loop fetches it.
void tst_WindowTurns::queueClick()
{
    const QPointF local(10, 10);
    const QPointF global = m_window->mapToGlobal(local);
    for (const auto type : { QEvent::MouseButtonPress, QEvent::MouseButtonRelease }) {
        const bool isPress = type == QEvent::MouseButtonPress;
        QWindowSystemInterface::handleMouseEvent(m_window->windowHandle(), ulong(m_time += 10), local, global,
                                                 isPress ? Qt::LeftButton : Qt::NoButton, Qt::LeftButton, type);
    }
    ++m_queued;
}

bool tst_WindowTurns::receivesAll(bool byGLib)
{
    bool isLate = false;
    GMainLoop *const glibsLoop = g_main_loop_new(nullptr, false);
    QEventLoop loop;
    QObject scope;
    const auto look = [&] {
        if (m_window->releases == m_queued) {
            loop.quit();
            g_main_loop_quit(glibsLoop);
        }
    };
    connect(QAbstractEventDispatcher::instance(), &QAbstractEventDispatcher::awake, &scope, look);
    connect(QAbstractEventDispatcher::instance(), &QAbstractEventDispatcher::aboutToBlock, &scope, look);
    const guint guard = callFromGLib(
        [&] {
            isLate = true;
            loop.quit();
            g_main_loop_quit(glibsLoop);
        },
        Patience);
    if (byGLib)
        g_main_loop_run(glibsLoop);
    else
        loop.exec();
    g_main_loop_unref(glibsLoop);
    if (!isLate)
        g_source_remove(guard);
    return !isLate;
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

void tst_WindowTurns::inputThatEndsAWaitByHand()
{
    while (turn()) { }
    const int before = m_window->releases;
    callFromGLib([&] { queueClick(); }, 20ms);
    for (int i = 0; i < 1000 && m_queued == before; ++i)
        turn(QEventLoop::WaitForMoreEvents);
    QCOMPARE(m_queued, before + 1);
    // Qt 6.8's GLib dispatcher delivers it in the next call, if a GLib callback has queued it.
    if (DispatcherUnderTest::kind() == DispatcherUnderTest::Kind::Ours)
        QCOMPARE(m_window->releases, m_queued);
    QVERIFY(waitUntil([&] { return m_window->releases == m_queued; }));
}

/// A wait ends because input has come; a timer is due as well, and its handler runs a loop.
void tst_WindowTurns::inputBeforeALoopInATimer()
{
    QEventLoop outer;
    QTimer timer;
    timer.setSingleShot(true);
    bool wasReceived = false;
    timer.callOnTimeout([&] {
        wasReceived = receivesAll();
        outer.quit();
    });
    callFromGLib(
        [&] {
            timer.start(1);
            QThread::msleep(5);
            queueClick();
        },
        20ms);
    outer.exec();
    QVERIFY(wasReceived);
}

void tst_WindowTurns::excludedInputComesLater_data()
{
    QTest::addColumn<bool>("inATimer");
    QTest::addColumn<bool>("byGLib");
    for (const bool inATimer : { false, true }) {
        const QByteArray where = inATimer ? "in a timer" : "in a posted event";
        QTest::newRow(where + ", exec") << inATimer << false;
        QTest::newRow(where + ", g_main_loop_run") << inATimer << true;
    }
}

/// Nobody tells of that input a second time.
void tst_WindowTurns::excludedInputComesLater()
{
    QFETCH(bool, inATimer);
    QFETCH(bool, byGLib);
    if (DispatcherUnderTest::kind() != DispatcherUnderTest::Kind::Ours)
        QSKIP("Qt's dispatchers leave the input until something else happens");
    const int before = m_window->releases;
    int received = 0;
    const auto exclude = [&] {
        queueClick();
        for (int i = 0; i < 3; ++i)
            turn(QEventLoop::ExcludeUserInputEvents);
        received = m_window->releases - before;
    };
    if (inATimer)
        QTimer::singleShot(1, this, exclude);
    else
        post(exclude);
    QVERIFY(waitUntil([&] { return m_queued > before; }));
    QVERIFY(receivesAll(byGLib));
    QCOMPARE(received, 0);
}

/// What a loop of Qt's excludes stays excluded in a loop of GLib's inside, and comes after it.
void tst_WindowTurns::exclusionHoldsInGLibsLoop()
{
    if (DispatcherUnderTest::kind() != DispatcherUnderTest::Kind::Ours)
        QSKIP("Qt's dispatchers leave the input until something else happens");
    const int before = m_window->releases;
    int received = 0;
    bool isDone = false;
    post([&] {
        post([&] {
            GMainLoop *const loop = g_main_loop_new(nullptr, false);
            callFromGLib([&] { queueClick(); }, 5ms);
            callFromGLib([&] { g_main_loop_quit(loop); }, 30ms);
            g_main_loop_run(loop);
            g_main_loop_unref(loop);
        });
        turn(QEventLoop::ExcludeUserInputEvents);
        received = m_window->releases - before;
        isDone = true;
    });
    while (!isDone)
        turn();
    QVERIFY(receivesAll());
    QCOMPARE(received, 0);
}

GUI_TEST_MAIN(tst_WindowTurns)

#include "tst_windowturns.moc"
