// SPDX-License-Identifier: MIT

#include "guitest.h"

#include <QtGui/QCursor>
#include <QtGui/QRasterWindow>

#include <functional>

using GuiTest::waitUntil;
using namespace std::chrono_literals;

/**
 * Input that the platform has queued: when it is delivered, and when it is excluded.
 *
 * On the platform "offscreen", QCursor::setPos() queues it as a user's mouse would. What comes from an X server is
 * tested by tst_x11input.
 */
class tst_QueuedInput : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();

    void inputThatEndsAWaitByHand();
    void inputInAnInterruptedTurn();
    void inputBeforeALoopInATimer();
    void excludedInputComesLater_data();
    void excludedInputComesLater();
    void exclusionHoldsInGLibsLoop();

private:
    void queueMove();
    /// Whether a loop that has nothing else to do delivers all the moves that were queued.
    bool receivesAll(bool byGLib = false);

    // Shorter than anything that could come to help.
    static constexpr auto Patience = 5s;

    // Not a widget: one starts a timer for its tool tip with each move.
    class Window : public QRasterWindow
    {
    public:
        int moves = 0;

    protected:
        void mouseMoveEvent(QMouseEvent *) override { ++moves; }
    };
    std::unique_ptr<Window> m_window;
    int m_queued = 0;
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

void tst_QueuedInput::initTestCase()
{
    m_window = std::make_unique<Window>();
    m_window->setGeometry(100, 100, 300, 200);
    m_window->show();
    QVERIFY(QTest::qWaitForWindowExposed(m_window.get()));
}

void tst_QueuedInput::queueMove()
{
    ++m_queued;
    QCursor::setPos(m_window->mapToGlobal(QPoint(10 + m_queued % 50, 10)));
}

bool tst_QueuedInput::receivesAll(bool byGLib)
{
    bool isLate = false;
    GMainLoop *const glibsLoop = g_main_loop_new(nullptr, false);
    QEventLoop loop;
    QObject scope;
    const auto look = [&] {
        if (m_window->moves == m_queued) {
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

void tst_QueuedInput::inputThatEndsAWaitByHand()
{
    while (turn()) { }
    const int before = m_window->moves;
    callFromGLib([&] { queueMove(); }, 20ms);
    for (int i = 0; i < 1000 && m_queued == before; ++i)
        turn(QEventLoop::WaitForMoreEvents);
    QCOMPARE(m_queued, before + 1);
    // Qt 6.8's GLib dispatcher delivers it in the next call, if a GLib callback has queued it.
    if (DispatcherUnderTest::kind() == DispatcherUnderTest::Kind::Ours)
        QCOMPARE(m_window->moves, m_queued);
    QVERIFY(waitUntil([&] { return m_window->moves == m_queued; }));
}

/// Behind the posted events nothing else is done in it.
void tst_QueuedInput::inputInAnInterruptedTurn()
{
    while (turn()) { }
    post([&] {
        queueMove();
        QAbstractEventDispatcher::instance()->interrupt();
    });
    QVERIFY(turn());
    QCOMPARE(m_window->moves, m_queued);
}

/// A wait ends because input has come; a timer is due as well, and its handler runs a loop.
void tst_QueuedInput::inputBeforeALoopInATimer()
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
            queueMove();
        },
        20ms);
    outer.exec();
    QVERIFY(wasReceived);
}

void tst_QueuedInput::excludedInputComesLater_data()
{
    QTest::addColumn<QByteArray>("where");
    QTest::addColumn<bool>("byGLib");
    for (const char *where : { "in a posted event", "in a timer", "outside of all loops" }) {
        QTest::addRow("%s, exec", where) << QByteArray(where) << false;
        QTest::addRow("%s, g_main_loop_run", where) << QByteArray(where) << true;
    }
}

/// Nobody tells of that input a second time.
void tst_QueuedInput::excludedInputComesLater()
{
    QFETCH(QByteArray, where);
    QFETCH(bool, byGLib);
    if (DispatcherUnderTest::kind() != DispatcherUnderTest::Kind::Ours)
        QSKIP("Qt's dispatchers leave the input until something else happens");
    const int before = m_window->moves;
    int received = 0;
    const auto exclude = [&] {
        queueMove();
        for (int i = 0; i < 3; ++i)
            turn(QEventLoop::ExcludeUserInputEvents);
        received = m_window->moves - before;
    };
    if (where == "in a timer")
        QTimer::singleShot(1, this, exclude);
    else if (where == "in a posted event")
        post(exclude);
    else
        exclude();
    QVERIFY(where == "outside of all loops" || waitUntil([&] { return m_queued > before; }));
    QVERIFY(receivesAll(byGLib));
    QCOMPARE(received, 0);
}

/// What a Qt loop excludes stays excluded in a GLib loop inside, and comes after it.
void tst_QueuedInput::exclusionHoldsInGLibsLoop()
{
    if (DispatcherUnderTest::kind() != DispatcherUnderTest::Kind::Ours)
        QSKIP("Qt's dispatchers leave the input until something else happens");
    const int before = m_window->moves;
    int received = 0;
    bool isDone = false;
    post([&] {
        post([&] {
            GMainLoop *const loop = g_main_loop_new(nullptr, false);
            callFromGLib([&] { queueMove(); }, 5ms);
            callFromGLib([&] { g_main_loop_quit(loop); }, 30ms);
            g_main_loop_run(loop);
            g_main_loop_unref(loop);
        });
        turn(QEventLoop::ExcludeUserInputEvents);
        received = m_window->moves - before;
        isDone = true;
    });
    while (!isDone)
        turn();
    QVERIFY(receivesAll());
    QCOMPARE(received, 0);
}

GUI_TEST_MAIN(tst_QueuedInput)

#include "tst_queuedinput.moc"
