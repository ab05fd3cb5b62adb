// SPDX-License-Identifier: MIT

#include "countdown.h"
#include "dispatcherundertest.h"
#include "worker.h"

#include <QtCore/QProcess>
#include <QtTest/QSignalSpy>

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

namespace {

const QString shell = QStringLiteral("/bin/sh");

QStringList script(const char *text, int argument = 0)
{
    return {QStringLiteral("-c"), QString::fromLatin1(text), shell, QString::number(argument)};
}

}

class tst_Process : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void outputAndExitCode();
    void thirtyAtOnce();
    void inputComesBack();
    void killed();
    void terminated();
    void failedToStart();
    void oneAfterTheOther();
    void inAWorkerThread();
};

void tst_Process::outputAndExitCode()
{
    QProcess process;
    Countdown finished(1);
    connect(&process, &QProcess::finished, this, [&] { finished.step(); });
    process.start(shell, script("echo out; echo err >&2; exit 7"));
    QVERIFY(finished.wait());
    QCOMPARE(process.exitStatus(), QProcess::NormalExit);
    QCOMPARE(process.exitCode(), 7);
    QCOMPARE(process.readAllStandardOutput(), QByteArray("out\n"));
    QCOMPARE(process.readAllStandardError(), QByteArray("err\n"));
}

void tst_Process::thirtyAtOnce()
{
    constexpr int count = 30;
    std::vector<std::unique_ptr<QProcess>> processes;
    std::vector<int> started(count, 0);
    std::vector<int> finished(count, 0);
    std::vector<QByteArray> output(count);
    Countdown left(count);
    for (int i = 0; i < count; ++i) {
        const auto index = std::size_t(i);
        processes.push_back(std::make_unique<QProcess>());
        QProcess *process = processes.back().get();
        connect(process, &QProcess::started, this, [&, index] { ++started[index]; });
        connect(process, &QProcess::readyReadStandardOutput, this,
                [&, index, process] { output[index] += process->readAllStandardOutput(); });
        connect(process, &QProcess::finished, this, [&, index] {
            ++finished[index];
            left.step();
        });
        process->start(shell, script("i=0; while [ $i -lt 300 ]; do echo $1.$i; i=$((i+1)); done;"
                                     "exit $1",
                                     i));
    }
    QVERIFY(left.wait());
    QCOMPARE(started, std::vector<int>(count, 1));
    QCOMPARE(finished, std::vector<int>(count, 1));
    for (int i = 0; i < count; ++i) {
        QByteArray expected;
        for (int line = 0; line < 300; ++line)
            expected += QByteArray::number(i) + '.' + QByteArray::number(line) + '\n';
        const auto index = std::size_t(i);
        QCOMPARE(output[index] + processes[index]->readAllStandardOutput(), expected);
        QCOMPARE(processes[index]->exitStatus(), QProcess::NormalExit);
        QCOMPARE(processes[index]->exitCode(), i);
    }
}

void tst_Process::inputComesBack()
{
    QByteArray input;
    for (int i = 0; input.size() < 1'000'000; ++i)
        input += QByteArray::number(i) + '\n';
    QProcess process;
    Countdown finished(1);
    qint64 written = 0;
    connect(&process, &QProcess::bytesWritten, this, [&](qint64 bytes) { written += bytes; });
    connect(&process, &QProcess::finished, this, [&] { finished.step(); });
    process.start(shell, script("exec cat"));
    process.write(input);
    process.closeWriteChannel();
    QVERIFY(finished.wait());
    QCOMPARE(process.exitCode(), 0);
    QCOMPARE(written, input.size());
    QVERIFY(process.readAllStandardOutput() == input);
}

void tst_Process::killed()
{
    QProcess process;
    Countdown finished(1);
    connect(&process, &QProcess::finished, this, [&] { finished.step(); });
    process.start(shell, script("kill -KILL $$"));
    QVERIFY(finished.wait());
    QCOMPARE(process.exitStatus(), QProcess::CrashExit);
    QCOMPARE(process.error(), QProcess::Crashed);
}

void tst_Process::terminated()
{
    QProcess process;
    Countdown running(1);
    connect(&process, &QProcess::readyRead, this, [&] { running.step(); });
    Countdown finished(1);
    connect(&process, &QProcess::finished, this, [&] { finished.step(); });
    process.start(shell, script("echo running; exec cat"));
    QVERIFY(running.wait());
    process.terminate();
    QVERIFY(finished.wait());
    QCOMPARE(process.exitStatus(), QProcess::CrashExit);
}

void tst_Process::failedToStart()
{
    QProcess process;
    QSignalSpy failed(&process, &QProcess::errorOccurred);
    QSignalSpy finished(&process, &QProcess::finished);
    process.start(QStringLiteral("/nonexistent/program"), {});
    QTRY_COMPARE(failed.count(), 1);
    QCOMPARE(process.error(), QProcess::FailedToStart);
    QCOMPARE(finished.count(), 0);
}

void tst_Process::oneAfterTheOther()
{
    // The next one gets the descriptors that the one before has just closed.
    constexpr int count = 15;
    std::vector<std::unique_ptr<QProcess>> processes;
    Countdown left(count);
    QList<int> exitCodes;
    std::function<void(int)> start = [&](int index) {
        processes.push_back(std::make_unique<QProcess>());
        QProcess *process = processes.back().get();
        connect(process, &QProcess::finished, this, [&, process, index](int exitCode) {
            QCOMPARE(process->readAll(), QByteArray::number(index) + '\n');
            exitCodes << exitCode;
            if (index + 1 < count)
                start(index + 1);
            left.step();
        });
        process->start(shell, script("echo $1; exit $1", index));
    };
    start(0);
    QVERIFY(left.wait());
    for (int i = 0; i < count; ++i)
        QCOMPARE(exitCodes.at(i), i);
}

void tst_Process::inAWorkerThread()
{
    constexpr int count = 10;
    QList<int> exitCodes;
    bool allFinished = false;
    Worker worker;
    worker.call([&] {
        std::vector<std::unique_ptr<QProcess>> processes;
        Countdown left(count);
        for (int i = 0; i < count; ++i) {
            processes.push_back(std::make_unique<QProcess>());
            QProcess *process = processes.back().get();
            QObject::connect(process, &QProcess::finished, process, [&](int exitCode) {
                exitCodes << exitCode;
                left.step();
            });
            process->start(shell, script("exit $1", i));
        }
        allFinished = left.wait();
    });
    QVERIFY(allFinished);
    std::sort(exitCodes.begin(), exitCodes.end());
    for (int i = 0; i < count; ++i)
        QCOMPARE(exitCodes.at(i), i);
}

DISPATCHER_TEST_MAIN(tst_Process)
#include "tst_process.moc"
