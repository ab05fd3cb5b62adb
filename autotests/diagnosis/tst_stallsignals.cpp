// SPDX-License-Identifier: MIT

#include <eventlooptest.h>

#include <GLibEventDispatcher>

#include <csignal>

/// Reports need a real-time signal of their own. Which one is found out once, so this is a program of its own.
class tst_StallSignals : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void goesOnWithoutASignal();
};

void tst_StallSignals::goesOnWithoutASignal()
{
    for (int number = SIGRTMIN; number <= SIGRTMAX; ++number)
        QVERIFY(std::signal(number, [](int) {}) != SIG_ERR);
    QTest::ignoreMessage(QtWarningMsg,
                         "GLibEventDispatcher: all real-time signals are in use; stalls are not reported");
    GLibEventDispatcher::setStallLimit(1ms);
    bool isCalled = false;
    QTimer::singleShot(0, this, [&isCalled] {
        QThread::msleep(100);
        isCalled = true;
    });
    QTRY_VERIFY(isCalled);
}

DISPATCHER_TEST_MAIN(tst_StallSignals)

#include "tst_stallsignals.moc"
