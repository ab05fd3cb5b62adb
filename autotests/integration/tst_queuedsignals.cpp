// SPDX-License-Identifier: MIT

#include "countdown.h"
#include "dispatcherundertest.h"
#include "handover.h"

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

namespace {

class Sender : public HandOverReceiver
{
    Q_OBJECT

public:
    void send(int id, int count)
    {
        for (int i = 0; i < count; ++i)
            Q_EMIT sent(id, i);
    }

Q_SIGNALS:
    void sent(int id, int number);
};

template <typename Function>
void post(QObject *receiver, Function function)
{
    QMetaObject::invokeMethod(receiver, HandedOver(std::move(function)), Qt::QueuedConnection);
}

/// A thread with the dispatcher under test and an object that lives in it. Only Qt's own means are
/// used to reach it, for they are what is tested here.
class SenderThread
{
public:
    SenderThread()
    {
        DispatcherUnderTest::install(&thread);
        object->moveToThread(&thread);
        QObject::connect(&thread, &QThread::finished, object, &QObject::deleteLater);
        thread.start();
    }

    ~SenderThread()
    {
        thread.quit();
        thread.wait();
        HandOver::mark();
    }

    template <typename Function>
    void post(Function function)
    {
        ::post(object, std::move(function));
    }

    QThread thread;
    Sender *object = new Sender;
};

}

class tst_QueuedSignals : public HandOverReceiver
{
    Q_OBJECT

private Q_SLOTS:
    void eachSendersOrderIsKept();
    void pingPong();
    void blockingQueued();
    void oneToMany();
    void deletedInItsThread();
    void quitFromAnotherThread();
    void timerMovesAlong();
};

void tst_QueuedSignals::eachSendersOrderIsKept()
{
    constexpr int senders = 6;
    constexpr int signalsEach = 2000;
    std::vector<int> next(senders, 0);
    Countdown received(senders * signalsEach);
    std::vector<std::unique_ptr<SenderThread>> workers;
    for (int id = 0; id < senders; ++id) {
        workers.push_back(std::make_unique<SenderThread>());
        SenderThread *worker = workers.back().get();
        connect(
            worker->object, &Sender::sent, this,
            HandedOver([&](int sender, int number) {
                QCOMPARE(QThread::currentThread(), thread());
                QCOMPARE(number, next[std::size_t(sender)]++);
                received.step();
            }),
            Qt::QueuedConnection);
        worker->post([worker, id] { worker->object->send(id, signalsEach); });
    }
    QVERIFY(received.wait());
    QCOMPARE(next, std::vector<int>(senders, signalsEach));
}

void tst_QueuedSignals::pingPong()
{
    // Each side sleeps until the other wakes it up.
    constexpr int rounds = 2000;
    SenderThread worker;
    Countdown done(rounds);
    int left = rounds;
    std::function<void()> ping;
    const auto pong = [&] {
        done.step();
        if (--left > 0)
            ping();
    };
    ping = [&] {
        worker.post([&] { post(this, [&] { pong(); }); });
    };
    ping();
    QVERIFY(done.wait());
}

void tst_QueuedSignals::blockingQueued()
{
    constexpr int callers = 4;
    constexpr int callsEach = 200;
    Countdown done(callers);
    int calls = 0;
    std::atomic<int> wrongAnswers = 0;
    std::vector<std::unique_ptr<SenderThread>> workers;
    for (int id = 0; id < callers; ++id) {
        workers.push_back(std::make_unique<SenderThread>());
        workers.back()->post([&, id] {
            for (int i = 0; i < callsEach; ++i) {
                const int question = id * callsEach + i;
                int answer = 0;
                QMetaObject::invokeMethod(
                    this,
                    HandedOver([&calls, question] {
                        ++calls;
                        return question + 1;
                    }),
                    Qt::BlockingQueuedConnection, &answer);
                HandOver::mark();
                if (answer != question + 1)
                    ++wrongAnswers;
            }
            post(this, [&] { done.step(); });
        });
    }
    QVERIFY(done.wait());
    QCOMPARE(calls, callers * callsEach);
    QCOMPARE(wrongAnswers.load(), 0);
}

void tst_QueuedSignals::oneToMany()
{
    constexpr int receivers = 6;
    constexpr int signalsEach = 1000;
    Sender sender;
    Countdown done(receivers);
    std::vector<std::unique_ptr<SenderThread>> workers;
    std::vector<int> next(receivers, 0);
    std::atomic<int> wrong = 0;
    for (int id = 0; id < receivers; ++id) {
        workers.push_back(std::make_unique<SenderThread>());
        SenderThread *worker = workers.back().get();
        int *expected = &next[std::size_t(id)];
        connect(&sender, &Sender::sent, worker->object,
                HandedOver([&, worker, expected](int, int number) {
                    if (QThread::currentThread() != &worker->thread || number != (*expected)++)
                        ++wrong;
                    if (*expected == signalsEach)
                        post(this, [&] { done.step(); });
                }));
    }
    sender.send(0, signalsEach);
    QVERIFY(done.wait());
    QCOMPARE(wrong.load(), 0);
}

void tst_QueuedSignals::deletedInItsThread()
{
    constexpr int count = 500;
    SenderThread worker;
    Countdown gone(count);
    std::atomic<int> inWrongThread = 0;
    for (int i = 0; i < count; ++i) {
        auto object = new QObject;
        connect(
            object, &QObject::destroyed, object,
            HandedOver([&] {
                if (QThread::currentThread() != &worker.thread)
                    ++inWrongThread;
            }),
            Qt::DirectConnection);
        connect(object, &QObject::destroyed, this, HandedOver([&] { gone.step(); }),
                Qt::QueuedConnection);
        object->moveToThread(&worker.thread);
        object->deleteLater();
    }
    QVERIFY(gone.wait());
    QCOMPARE(inWrongThread.load(), 0);
}

void tst_QueuedSignals::quitFromAnotherThread()
{
    // The other thread's call may come when the loop is about to sleep, or sleeps already.
    QEventLoop loop;
    SenderThread worker;
    int quits = 0;
    for (int i = 0; i < 1000; ++i) {
        post(this, [&] {
            worker.post([&] {
                ++quits;
                HandOver::mark();
                loop.quit();
            });
        });
        loop.exec();
        HandOver::mark();
        QCOMPARE(quits, i + 1);
    }
}

void tst_QueuedSignals::timerMovesAlong()
{
    constexpr int ticks = 10;
    SenderThread worker;
    Countdown before(ticks);
    Countdown after(ticks);
    int count = 0;
    std::atomic<int> inThisThread = 0;
    std::atomic<int> inOtherThread = 0;
    auto timer = new QTimer;
    connect(&worker.thread, &QThread::finished, timer, &QObject::deleteLater);
    connect(
        timer, &QTimer::timeout, timer,
        HandedOver([&] {
            ++(QThread::currentThread() == &worker.thread ? inOtherThread : inThisThread);
        }),
        Qt::DirectConnection);
    // What is still on its way at the end is dropped with the receiver.
    QObject receiver;
    connect(
        timer, &QTimer::timeout, &receiver,
        HandedOver([&] {
            if (++count <= ticks)
                before.step();
            else if (count <= 2 * ticks)
                after.step();
        }),
        Qt::QueuedConnection);
    timer->start(2);
    QVERIFY(before.wait());
    QCOMPARE(inOtherThread.load(), 0);
    const int ticksHere = inThisThread;
    timer->moveToThread(&worker.thread);
    QVERIFY(after.wait());
    QCOMPARE(inThisThread.load(), ticksHere);
    QVERIFY(inOtherThread.load() > 0);
}

DISPATCHER_TEST_MAIN(tst_QueuedSignals)
#include "tst_queuedsignals.moc"
