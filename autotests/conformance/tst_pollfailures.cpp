// SPDX-License-Identifier: MIT

#include "eventlooptest.h"
#include "systemcalls.h"

/// A poll that keeps failing. Qt does not say what happens then; its own dispatchers run at full speed.
class tst_PollFailures : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();

    void isReportedOnceAndDoesNotSpin_data();
    void isReportedOnceAndDoesNotSpin();
    void isReportedAnewAfterAnEnd();
};

namespace {

void expectWarning(int error)
{
    const QString text = QStringLiteral("cannot be polled: .*errno %1").arg(error);
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(text));
}

}

/// Ends what the test before has done by a poll that succeeds. Only a descriptor makes sure that there is one: a timer
/// that is already due fires without it.
void tst_PollFailures::init()
{
    settle();
    Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    bool isActivated = false;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { isActivated = true; });
    channel.write();
    QVERIFY(runUntil([&] { return isActivated; }));
}

void tst_PollFailures::isReportedOnceAndDoesNotSpin_data()
{
    QTest::addColumn<bool>("hasNotifier");
    QTest::addColumn<bool>("hasEvents");
    QTest::newRow("with a notifier") << true << false;
    QTest::newRow("without notifiers") << false << false;
    QTest::newRow("with a notifier and posted events") << true << true;
    QTest::newRow("without notifiers, with posted events") << false << true;
}

void tst_PollFailures::isReportedOnceAndDoesNotSpin()
{
    QFETCH(bool, hasNotifier);
    QFETCH(bool, hasEvents);
    QTest::failOnWarning(QRegularExpression(QStringLiteral(".*")));
    Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    notifier.setEnabled(hasNotifier);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    channel.write();

    TimerObject object;
    int delivered = 0;
    object.onTimer = [&](int) {
        if (hasEvents)
            post(&object, [&] { ++delivered; });
    };
    object.startTimer(15, Qt::PreciseTimer);
    {
        const SystemCalls::FailingPolls failing(ENOMEM);
        expectWarning(ENOMEM);
        const int polls = SystemCalls::polls();
        QElapsedTimer elapsed;
        elapsed.start();
        QVERIFY(runUntil([&] { return object.fired.size() >= 20; }));
        // Every 10 ms, and at each turn that has work.
        const auto most = elapsed.elapsed() / 10 + 4 * object.fired.size();
        QVERIFY2(SystemCalls::polls() - polls <= most, qPrintable(QString::number(SystemCalls::polls() - polls)));
        if (hasEvents)
            QVERIFY(delivered >= 19);
        QCOMPARE(activations, 0);
    }
    if (hasNotifier)
        QVERIFY(runUntil([&] { return activations > 0; }));
}

void tst_PollFailures::isReportedAnewAfterAnEnd()
{
    QTest::failOnWarning(QRegularExpression(QStringLiteral(".*")));
    Channel channel;
    const QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    for (const int error : { ENOMEM, EINVAL }) {
        {
            const SystemCalls::FailingPolls failing(error);
            expectWarning(error);
            for (int i = 0; i < 5; ++i)
                turn();
        }
        turn();
    }
}

DISPATCHER_TEST_MAIN(tst_PollFailures)

#include "tst_pollfailures.moc"
