// SPDX-License-Identifier: MIT

#include "tracereader.h"
#include "traceruns.h"

#include <eventlooptest.h>

#include <GLibEventDispatcher>

#include <QtCore/QTemporaryDir>

#include <atomic>
#include <cerrno>

#include <dlfcn.h>
#include <pthread.h>

namespace {
std::atomic<bool> hasThreads{true};
}

/// Takes the place of the C library's.
extern "C" Q_DECL_EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                                            void *data)
{
    using Create = int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
    return hasThreads ? create(thread, attributes, run, data) : EAGAIN;
}

/// Reports and traces where no thread can be started for them.
class tst_DiagnosisFailures : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void cleanup();

    void reportsWithoutAThread();
    void traceWithoutAThread();
    void countsWhatIsLost();
};

void tst_DiagnosisFailures::cleanup()
{
    hasThreads = true;
    GLibEventDispatcher::setStallLimit(0ms);
    GLibEventDispatcher::setTraceFile({});
}

void tst_DiagnosisFailures::reportsWithoutAThread()
{
    const auto stall = [] { runLoop(10ms, 10ms, [] { keepBusy(1s); }); };
    hasThreads = false;
    QTest::ignoreMessage(QtWarningMsg, "GLibEventDispatcher: there is no thread to watch from: "
                                       "Resource temporarily unavailable; stalls are not reported");
    GLibEventDispatcher::setStallLimit(100ms);
    stall();
    // It is tried again when somebody asks again.
    hasThreads = true;
    GLibEventDispatcher::setStallLimit(100ms);
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral(" has been kept for ")));
    stall();
}

/// What there is memory for is written at the end.
void tst_DiagnosisFailures::traceWithoutAThread()
{
    const QTemporaryDir folder;
    const QString name = folder.filePath(QStringLiteral("trace"));
    hasThreads = false;
    GLibEventDispatcher::setTraceFile(name);
    runLoop(50ms, 10ms, [] { keepBusy(200us); });
    QVERIFY(Trace(name).slices.isEmpty());
    GLibEventDispatcher::setTraceFile({});
    const Trace trace(name);
    QVERIFY2(!trace.named(QStringLiteral("(interval 10 ms) of QTimer")).isEmpty(), trace.text);
}

/// More than there is memory for until it is written.
void tst_DiagnosisFailures::countsWhatIsLost()
{
    const QTemporaryDir folder;
    const QString name = folder.filePath(QStringLiteral("trace"));
    hasThreads = false;
    GLibEventDispatcher::setTraceFile(name);
    QEventLoop loop;
    QTimer timer;
    int left = 5000;
    timer.callOnTimeout([&] {
        keepBusy(60us);
        if (--left == 0)
            loop.quit();
    });
    timer.start(0);
    loop.exec();
    GLibEventDispatcher::setTraceFile({});
    const Trace trace(name);
    QVERIFY(trace.lost > 0);
    QVERIFY(trace.slices.size() > 1000);
    QCOMPARE(trace.overlap(), QString());
}

DISPATCHER_TEST_MAIN(tst_DiagnosisFailures)

#include "tst_diagnosisfailures.moc"
