// SPDX-License-Identifier: MIT

#include "tracereader.h"
#include "traceruns.h"

#include <eventlooptest.h>

#include <GLibEventDispatcher>

#include <QtCore/QTemporaryDir>
#include <QtCore/QTimer>

#include <glib.h>

namespace {

/// Newer versions of Qt name it, in all programs alike.
QString nameOfMainThread(const QString &program)
{
    const QString name = QThread::currentThread()->objectName();
    return name.isEmpty() ? program : name;
}

/// How long the handlers of the example take.
constexpr int Taken = 150;
/// ... and how much longer they may, as the machine has other work.
constexpr int Late = 5000;

}

/// What the file of GLibEventDispatcher::setTraceFile() has.
class tst_Trace : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void cleanup() { GLibEventDispatcher::setTraceFile({}); }

    void namesHandlers_data();
    void namesHandlers();
    void nestsSlices();
    void nestsLoops();
    void drawsSleeps();
    void hasATrackForEachThread();
    void drawsGLibsLoop();
    void drawsWakeUps();
    void worksBesideReports();
    void endsAndBeginsAnew();
    void tellsASearchFromADispatch();
    void endsGLibsLoop();

private:
    QString file(const QString &name) const { return m_folder.filePath(name); }

    QTemporaryDir m_folder;
    std::unique_ptr<Trace> m_example; // with a slow handler of each kind
};

void tst_Trace::initTestCase()
{
    QVERIFY(m_folder.isValid());
    const QString name = file(QStringLiteral("example"));
    const Result result = run(QStringLiteral(PROGRAM), {QString::number(Taken)}, tracing(name));
    QCOMPARE(result.status, 0);
    QCOMPARE(result.err, QByteArray());
    m_example = std::make_unique<Trace>(name);
    QVERIFY2(!m_example->slices.isEmpty(), m_example->text);
    QCOMPARE(m_example->lost, 0);
}

void tst_Trace::namesHandlers_data()
{
    QTest::addColumn<QString>("name");
    QTest::newRow("event") << QStringLiteral("posted event QEvent::User to Receiver \"slow receiver\"");
    QTest::newRow("timer") << QStringLiteral("(interval 10 ms) of Receiver \"slow timer\"");
    QTest::newRow("notifier") << QStringLiteral("type Read) QSocketNotifier \"slow notifier\"");
    QTest::newRow("source") << QStringLiteral("GLib source \"slow source\", callback slowCallback");
    QTest::newRow("awake") << QStringLiteral("awake()");
    QTest::newRow("block") << QStringLiteral("aboutToBlock()");
    QTest::newRow("nestedglib") << QStringLiteral("posted event QEvent::MetaCall to Receiver \"around a GLib loop\"");
    QTest::newRow("thread") << QStringLiteral("posted event QEvent::MetaCall to Receiver \"in another thread\"");
    QTest::newRow("outside") << QStringLiteral("GLib source \"slow source outside\", callback ");
}

void tst_Trace::namesHandlers()
{
    QFETCH(const QString, name);
    const QList<Trace::Slice> found = m_example->named(name);
    QVERIFY2(!found.isEmpty(), m_example->text);
    QVERIFY(found.first().milliseconds() >= Taken - 1);
    QVERIFY(found.first().milliseconds() < Taken + Late);
}

void tst_Trace::nestsSlices()
{
    QCOMPARE(m_example->overlap(), QString());
    QVERIFY(m_example->unended.isEmpty());
}

void tst_Trace::nestsLoops()
{
    const auto isNested = [this](const QString &outer, const QString &between, const QString &inner) {
        for (const Trace::Slice &a : m_example->named(outer)) {
            for (const Trace::Slice &b : m_example->named(between)) {
                for (const Trace::Slice &c : m_example->named(inner)) {
                    if (a.contains(b) && b.contains(c))
                        return true;
                }
            }
        }
        return false;
    };
    QVERIFY(isNested(QStringLiteral("posted event QEvent::MetaCall to QAdoptedThread"), QStringLiteral("timers"),
                     QStringLiteral("of Receiver \"slow timer\"")));
    QVERIFY(isNested(QStringLiteral("\"around a GLib loop\""), QStringLiteral("GLib's dispatch"),
                     QStringLiteral("\"around a GLib loop\"")));
}

void tst_Trace::drawsSleeps()
{
    const QString name = file(QStringLiteral("sleeps"));
    GLibEventDispatcher::setTraceFile(name);
    runLoop(1s, 500ms, [] { keepBusy(200us); });
    GLibEventDispatcher::setTraceFile({});
    const Trace trace(name);
    const QList<Trace::Slice> sleeps = trace.named(QStringLiteral("sleeping"));
    QVERIFY2(std::any_of(sleeps.begin(), sleeps.end(),
                         [](const Trace::Slice &sleep) { return sleep.milliseconds() >= 100; }), trace.text);
    for (const Trace *each : std::initializer_list<const Trace *>{&trace, m_example.get()}) {
        for (const Trace::Slice &sleep : each->named(QStringLiteral("sleeping"))) {
            for (const Trace::Slice &slice : each->slices)
                QVERIFY2(!sleep.contains(slice) || slice.name == sleep.name, qPrintable(slice.name));
        }
    }
}

void tst_Trace::hasATrackForEachThread()
{
    const int main = m_example->named(QStringLiteral("\"slow timer\"")).first().thread;
    const int worker = m_example->named(QStringLiteral("\"in another thread\"")).first().thread;
    QVERIFY(main != worker);
    QCOMPARE(m_example->threads[main], nameOfMainThread(QStringLiteral("slow-handlers")));
    QCOMPARE(m_example->threads[worker], QStringLiteral("slow thread"));
}

/// The source belongs to a step of the loop that GLib runs.
void tst_Trace::drawsGLibsLoop()
{
    const Trace::Slice source = m_example->named(QStringLiteral("\"slow source outside\"")).first();
    const QList<Trace::Slice> steps = m_example->named(QStringLiteral("GLib's dispatch"));
    QVERIFY(std::any_of(steps.begin(), steps.end(), [&](const Trace::Slice &step) { return step.contains(source); }));
}

void tst_Trace::drawsWakeUps()
{
    const QString name = file(QStringLiteral("wake-ups"));
    GLibEventDispatcher::setTraceFile(name);
    QEventLoop loop;
    QTimer::singleShot(0, [] { }); // the first turn is that which the trace begins in
    settle();
    std::thread waker([&loop] {
        std::this_thread::sleep_for(100ms);
        QMetaObject::invokeMethod(&loop, &QEventLoop::quit, Qt::QueuedConnection);
        std::this_thread::sleep_for(300ms); // its name is looked up when it is written down
    });
#ifdef Q_OS_LINUX
    pthread_setname_np(waker.native_handle(), "the waker");
#endif
    loop.exec();
    waker.join();
    GLibEventDispatcher::setTraceFile({});

    const Trace trace(name);
    QCOMPARE(trace.overlap(), QString());
    QVERIFY2(!trace.arrows.isEmpty(), trace.text);
    for (const auto &[from, to] : trace.arrows) {
        QVERIFY(from.thread != to.thread);
        QVERIFY(from.begin <= to.begin);
        QVERIFY(trace.isAt(from, QStringLiteral("wake-up")));
        QVERIFY(trace.isAt(to, QStringLiteral("posted events, window events")));
        QCOMPARE(trace.threads[to.thread], nameOfMainThread(QStringLiteral("tst_trace")));
    }
#ifdef Q_OS_LINUX
    QCOMPARE(trace.threads[trace.arrows.last().first.thread], QStringLiteral("the waker"));
#endif
}

void tst_Trace::worksBesideReports()
{
    const QString name = file(QStringLiteral("reports"));
    const Result result = run(QStringLiteral(PROGRAM), {QString::number(400), QStringLiteral("source")}, tracing(name, "100"));
    QVERIFY2(result.err.contains(" has been kept for "), result.err);
    QVERIFY2(result.err.contains("by GLib source \"slow source\", callback slowCallback"), result.err);
    QCOMPARE(Trace(name).named(QStringLiteral("GLib source \"slow source\", callback slowCallback")).size(), 1);
}

void tst_Trace::endsAndBeginsAnew()
{
    const auto slices = [this](const QString &name, bool isOn) {
        const QString path = file(name);
        GLibEventDispatcher::setTraceFile(isOn ? path : QString());
        runLoop(50ms, 10ms, [] { keepBusy(200us); });
        GLibEventDispatcher::setTraceFile({});
        return Trace(path).named(QStringLiteral("(interval 10 ms) of QTimer")).size();
    };
    QVERIFY(slices(QStringLiteral("first"), true) > 0);
    QCOMPARE(slices(QStringLiteral("none"), false), 0);
    QVERIFY(slices(QStringLiteral("second"), true) > 0);
    QVERIFY(slices(QStringLiteral("first"), true) > 0);
}

/// GLib asks each source for its callback if one is looked for by its data.
void tst_Trace::tellsASearchFromADispatch()
{
    const auto search = [](GSource *, GSourceFunc, gpointer) -> gboolean {
        g_source_remove_by_user_data(g_main_context_default()); // that of nobody
        keepBusy(1ms);
        return G_SOURCE_REMOVE;
    };
    GSourceFuncs functions = {[](GSource *, int *) -> gboolean { return true; }, nullptr, search, nullptr, nullptr, nullptr};
    const QString name = file(QStringLiteral("search"));
    GLibEventDispatcher::setTraceFile(name);
    settle();
    const guint other = g_timeout_add_seconds(3600, [](gpointer) -> gboolean { return true; }, nullptr);
    GSource *source = g_source_new(&functions, sizeof(GSource));
    g_source_attach(source, nullptr);
    QTRY_VERIFY(g_source_is_destroyed(source));
    g_source_unref(source);
    g_source_remove(other);
    GLibEventDispatcher::setTraceFile({});
    const Trace trace(name);
    QVERIFY2(trace.named(QStringLiteral("GLib's dispatch")).first().milliseconds() >= 1, trace.text);
    QVERIFY2(trace.named(QStringLiteral("GLib source")).isEmpty(), trace.text);
}

/// A Qt loop that comes after it is not a part of it.
void tst_Trace::endsGLibsLoop()
{
    const QString name = file(QStringLiteral("after GLib's loop"));
    GLibEventDispatcher::setTraceFile(name);
    settle();
    GMainLoop *loop = g_main_loop_new(nullptr, false);
    QTimer::singleShot(1, [loop] { g_main_loop_quit(loop); });
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    runLoop(50ms, 10ms, [] { keepBusy(200us); });
    GLibEventDispatcher::setTraceFile({});
    const Trace trace(name);
    QVERIFY2(!trace.named(QStringLiteral("(interval 10 ms) of QTimer")).isEmpty(), trace.text);
    QVERIFY2(trace.unended.isEmpty(), trace.text);
}

DISPATCHER_TEST_MAIN(tst_Trace)

#include "tst_trace.moc"
