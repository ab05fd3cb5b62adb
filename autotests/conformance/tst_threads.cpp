// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

#include <QtCore/QPointer>

/// Dispatchers in worker threads, and what threads send to each other.
class tst_Threads : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { settle(); }

    void usesTheDispatcherUnderTest();
    void dispatcherLivesAsLongAsTheThreadRuns();
    void quitEndsExec();
    void exitCodeIsReturned();
    void quitBeforeExecIsNotForgotten();
    void quitFromInside();
    void waitWithLimitReturnsWhileRunning();
    void runsAgainAfterItFinished();
    void manyAtOnce();

    void queuedSignalsArriveInOrder();
    void signalsBackAndForth();
    void eventsOfManyThreadsAreComplete();
    void eventsFloodBothWays();
    void eventsPostedBeforeTheThreadRuns();
    void blockingQueuedConnection();
    void blockingQueuedConnectionBothWays();
    void deleteLaterFromAnotherThread();
    void deleteLaterWhenTheThreadFinishes();
    void wakeUpOfAnotherThread();

    void timersInAThread();
    void notifiersInAThread();
    void nestedLoopsInAThread();
    void processEventsInAThreadWithoutExec();
    void objectWithRunningTimersMoves();
    void notifierMoves();
    void postedEventsMoveWithTheirObject();
    void objectMovesBackAndForth();
};

namespace {

/// A thread without exec().
class FunctionThread : public QThread
{
public:
    explicit FunctionThread(std::function<void()> function)
        : m_function(std::move(function))
    {
        DispatcherUnderTest::install(this);
        start();
    }
    ~FunctionThread() override { ended(*this); }
    Q_DISABLE_COPY_MOVE(FunctionThread)

protected:
    void run() override
    {
        m_function();
        HandOver::mark();
    }

private:
    const std::function<void()> m_function;
};

}

void tst_Threads::usesTheDispatcherUnderTest()
{
    HandOverReceiver object;
    LoopThread thread;
    object.moveToThread(&thread);
    bool installed = false;
    call(&object, [&] {
        installed = DispatcherUnderTest::isInstalled() && dispatcher() == thread.eventDispatcher();
    });
    QVERIFY(installed);
    QVERIFY(thread.eventDispatcher() != dispatcher());
}

void tst_Threads::dispatcherLivesAsLongAsTheThreadRuns()
{
    HandOverReceiver object;
    LoopThread thread;
    object.moveToThread(&thread);
    call(&object, [] {});
    const QPointer<QAbstractEventDispatcher> itsDispatcher(thread.eventDispatcher());
    QVERIFY(itsDispatcher);
    QCOMPARE(itsDispatcher->thread(), &thread);
    thread.quit();
    QVERIFY(ended(thread));
    QVERIFY(!itsDispatcher);
    QVERIFY(!thread.eventDispatcher());
}

void tst_Threads::quitEndsExec()
{
    for (int i = 0; i < 50; ++i) {
        HandOverReceiver object;
        LoopThread thread;
        object.moveToThread(&thread);
        if (i % 2)
            call(&object, [] {});
        thread.quit();
        QVERIFY(ended(thread));
    }
}

void tst_Threads::exitCodeIsReturned()
{
    int code = 0;
    QThread *running = nullptr;
    Semaphore started;
    FunctionThread thread([&] {
        QEventLoop loop;
        running = QThread::currentThread();
        post(&loop, [&] { started.release(); });
        code = loop.exec();
    });
    started.acquire();
    running->exit(23);
    QVERIFY(ended(thread));
    QCOMPARE(code, 23);
}

void tst_Threads::quitBeforeExecIsNotForgotten()
{
    QThread thread;
    DispatcherUnderTest::install(&thread);
    connect(&thread, &QThread::started, &thread, [&] { thread.quit(); }, Qt::DirectConnection);
    thread.start();
    QVERIFY(ended(thread));
}

void tst_Threads::quitFromInside()
{
    HandOverReceiver object;
    LoopThread thread;
    object.moveToThread(&thread);
    post(&object, [] { QThread::currentThread()->quit(); });
    QVERIFY(ended(thread));
}

void tst_Threads::waitWithLimitReturnsWhileRunning()
{
    LoopThread thread;
    QVERIFY(!thread.wait(QDeadlineTimer(10)));
    QVERIFY(thread.isRunning());
}

void tst_Threads::runsAgainAfterItFinished()
{
    HandOverReceiver object;
    QThread thread;
    object.moveToThread(&thread);
    for (int i = 0; i < 5; ++i) {
        DispatcherUnderTest::install(&thread);
        thread.start();
        bool installed = false;
        call(&object, [&] { installed = DispatcherUnderTest::isInstalled(); });
        QVERIFY(installed);
        thread.quit();
        QVERIFY(ended(thread));
    }
}

void tst_Threads::manyAtOnce()
{
    constexpr size_t Count = 24;
    std::vector<std::unique_ptr<HandOverReceiver>> objects;
    std::vector<std::unique_ptr<LoopThread>> threads;
    for (size_t i = 0; i < Count; ++i) {
        objects.push_back(std::make_unique<HandOverReceiver>());
        threads.push_back(std::make_unique<LoopThread>());
        objects.back()->moveToThread(threads.back().get());
    }
    // A ring: each passes the number on to the next one.
    int rounds = 0;
    std::function<void(size_t)> pass = [&](size_t to) {
        if (to == Count) {
            post([&] {
                if (++rounds < 20)
                    pass(0);
            });
        } else {
            post(objects[to].get(), [&, to] { pass(to + 1); });
        }
    };
    pass(0);
    QVERIFY(runUntil([&] { return rounds == 20; }));
    threads.clear();
}

void tst_Threads::queuedSignalsArriveInOrder()
{
    constexpr int Count = 10'000;
    HandOverReceiver object;
    LoopThread thread;
    object.moveToThread(&thread);
    QList<int> received;
    QObject sender;
    connect(&sender, &QObject::objectNameChanged, &object,
            HandedOver([&](const QString &name) { received.append(name.toInt()); }));
    for (int i = 1; i <= Count; ++i)
        sender.setObjectName(QString::number(i));
    call(&object, [] {});
    QCOMPARE(received.size(), Count);
    QCOMPARE(received.last(), Count);
    QVERIFY(std::is_sorted(received.cbegin(), received.cend()));
}

void tst_Threads::signalsBackAndForth()
{
    constexpr int Rounds = 5000;
    HandOverReceiver object;
    LoopThread thread;
    object.moveToThread(&thread);
    int rounds = 0;
    std::function<void()> ping = [&] {
        post(&object, [&] {
            post([&] {
                if (++rounds < Rounds)
                    ping();
            });
        });
    };
    ping();
    QVERIFY(runUntil([&] { return rounds == Rounds; }));
}

void tst_Threads::eventsOfManyThreadsAreComplete()
{
    constexpr int Threads = 4;
    constexpr int Each = 5000;
    HandOverReceiver object;
    LoopThread thread;
    object.moveToThread(&thread);
    int inWorker = 0;
    int inMain = 0;
    bool ordered = true;
    QList<int> last(Threads, -1);
    std::vector<std::thread> posters;
    for (int t = 0; t < Threads; ++t) {
        posters.emplace_back([&, t] {
            for (int i = 0; i < Each; ++i) {
                post(&object, [&] { ++inWorker; });
                post([&, t, i] {
                    ordered = ordered && last[t] == i - 1;
                    last[t] = i;
                    ++inMain;
                });
            }
        });
    }
    const bool complete = runUntil([&] { return inMain == Threads * Each; });
    for (std::thread &poster : posters)
        poster.join();
    QVERIFY(complete);
    QVERIFY(ordered);
    call(&object, [] {});
    QCOMPARE(inWorker, Threads * Each);
}

void tst_Threads::eventsFloodBothWays()
{
    constexpr int Each = 20'000;
    HandOverReceiver object;
    LoopThread thread;
    object.moveToThread(&thread);
    QAtomicInt inWorker;
    int inMain = 0;
    post(&object, [&] {
        for (int i = 0; i < Each; ++i)
            post([&] { ++inMain; });
    });
    for (int i = 0; i < Each; ++i)
        post(&object, [&] { inWorker.ref(); });
    QVERIFY(runUntil([&] { return inMain == Each; }));
    call(&object, [] {});
    QCOMPARE(inWorker, Each);
}

void tst_Threads::eventsPostedBeforeTheThreadRuns()
{
    HandOverReceiver object;
    QThread thread;
    object.moveToThread(&thread);
    Semaphore delivered;
    for (int i = 0; i < 3; ++i)
        post(&object, [&] { delivered.release(); });
    DispatcherUnderTest::install(&thread);
    post(&object, [&] { delivered.release(); });
    thread.start();
    QVERIFY(delivered.acquire(4));
    thread.quit();
    QVERIFY(ended(thread));
}

void tst_Threads::blockingQueuedConnection()
{
    HandOverReceiver object;
    LoopThread thread;
    object.moveToThread(&thread);
    for (int i = 0; i < 2000; ++i) {
        int answer = 0;
        QMetaObject::invokeMethod(&object, HandedOver([&] { return i * 2; }),
                                  Qt::BlockingQueuedConnection, &answer);
        HandOver::mark();
        QCOMPARE(answer, i * 2);
    }
}

void tst_Threads::blockingQueuedConnectionBothWays()
{
    HandOverReceiver object;
    LoopThread thread;
    object.moveToThread(&thread);
    HandOverReceiver home;
    int calls = 0;
    bool done = false;
    post(&object, [&] {
        for (int i = 0; i < 500; ++i)
            call(&home, [&] { ++calls; });
        post([&] { done = true; });
    });
    QVERIFY(runUntil([&] { return done; }));
    QCOMPARE(calls, 500);
}

void tst_Threads::deleteLaterFromAnotherThread()
{
    LoopThread thread;
    for (int i = 0; i < 100; ++i) {
        auto *object = new HandOverReceiver;
        QThread *deletedIn = nullptr;
        Semaphore deleted;
        connect(object, &QObject::destroyed, HandedOver([&] {
                    deletedIn = QThread::currentThread();
                    deleted.release();
                }));
        object->moveToThread(&thread);
        object->deleteLater();
        QVERIFY(deleted.acquire());
        QCOMPARE(deletedIn, &thread);
    }
}

void tst_Threads::deleteLaterWhenTheThreadFinishes()
{
    QThread *deletedIn = nullptr;
    LoopThread thread;
    auto *object = new TimerObject;
    connect(object, &QObject::destroyed,
            HandedOver([&] { deletedIn = QThread::currentThread(); }));
    object->moveToThread(&thread);
    connect(&thread, &QThread::finished, object, &QObject::deleteLater);
    call(object, [&] { object->startTimer(1000); });
    thread.quit();
    QVERIFY(ended(thread));
    QCOMPARE(deletedIn, &thread);
}

void tst_Threads::wakeUpOfAnotherThread()
{
    QAtomicInt turns;
    QAtomicInt stop;
    FunctionThread thread([&] {
        while (!stop.loadAcquire()) {
            turn(RunningLoop);
            turns.ref();
        }
    });
    QTRY_VERIFY(QAbstractEventDispatcher::instance(&thread));
    for (int i = 0; i < 1000; ++i) {
        const int before = turns.loadAcquire();
        QAbstractEventDispatcher::instance(&thread)->wakeUp();
        while (turns.loadAcquire() == before)
            QThread::yieldCurrentThread();
    }
    stop.storeRelease(1);
    QAbstractEventDispatcher::instance(&thread)->wakeUp();
    QVERIFY(ended(thread));
}

void tst_Threads::timersInAThread()
{
    TimerObject object;
    LoopThread thread;
    object.moveToThread(&thread);
    Semaphore fired;
    call(&object, [&] {
        object.onTimer = [&](int id) {
            if (object.fired.count(id) == 3)
                fired.release();
        };
        object.startTimer(0);
        object.startTimer(1, Qt::PreciseTimer);
        object.startTimer(30, Qt::CoarseTimer);
    });
    QVERIFY(fired.acquire(3));
    thread.quit();
    QVERIFY(ended(thread));
}

void tst_Threads::notifiersInAThread()
{
    Channel toWorker;
    Channel toMain;
    HandOverReceiver object;
    LoopThread thread;
    object.moveToThread(&thread);
    call(&object, [&] {
        auto *notifier = new QSocketNotifier(toWorker.reader, QSocketNotifier::Read, &object);
        connect(notifier, &QSocketNotifier::activated, &object, [&] {
            toWorker.drain();
            toMain.write();
        });
    });
    int rounds = 0;
    QSocketNotifier notifier(toMain.reader, QSocketNotifier::Read);
    connect(&notifier, &QSocketNotifier::activated, this, [&] {
        toMain.drain();
        if (++rounds < 2000)
            toWorker.write();
    });
    toWorker.write();
    QVERIFY(runUntil([&] { return rounds == 2000; }));
    call(&object, [&] { qDeleteAll(object.children()); });
}

void tst_Threads::nestedLoopsInAThread()
{
    HandOverReceiver object;
    LoopThread thread;
    object.moveToThread(&thread);
    QList<int> returned;
    std::function<void(int)> descend = [&](int depth) {
        QEventLoop loop;
        post(&loop, [&, depth] {
            if (depth < 20)
                descend(depth + 1);
            loop.exit(depth);
        });
        returned.append(loop.exec());
    };
    call(&object, [&] { descend(1); });
    QCOMPARE(returned.size(), 20);
    QVERIFY(std::is_sorted(returned.crbegin(), returned.crend()));
}

void tst_Threads::processEventsInAThreadWithoutExec()
{
    int delivered = 0;
    int activations = 0;
    qsizetype fired = 0;
    bool served = false;
    {
        FunctionThread thread([&] {
            HandOverReceiver object;
            post(&object, [&] { ++delivered; });
            Channel channel;
            channel.write();
            QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
            connect(&notifier, &QSocketNotifier::activated, &object, [&] { ++activations; });
            TimerObject timer;
            timer.startTimer(1, Qt::PreciseTimer);
            served = runUntil([&] { return delivered && activations && !timer.fired.isEmpty(); });
            fired = timer.fired.size();
        });
    }
    QVERIFY(served);
    QCOMPARE(delivered, 1);
    QVERIFY(fired > 0);
}

void tst_Threads::objectWithRunningTimersMoves()
{
    TimerObject object;
    LoopThread thread;
    QThread *firedIn = nullptr;
    Semaphore fired;
    QList<int> ids = { object.startTimer(1, Qt::PreciseTimer), object.startTimer(0),
                       object.startTimer(30, Qt::CoarseTimer) };
    QThread::msleep(2);
    object.onTimer = [&](int id) {
        if (ids.removeOne(id)) {
            firedIn = QThread::currentThread();
            fired.release();
        }
    };
    HandOver::mark();
    object.moveToThread(&thread);
    QVERIFY(dispatcher()->registeredTimers(&object).isEmpty());
    turn();
    QVERIFY(fired.acquire(3));
    QCOMPARE(firedIn, &thread);
}

void tst_Threads::notifierMoves()
{
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    QThread *activatedIn = nullptr;
    Semaphore activated;
    LoopThread thread;
    connect(&notifier, &QSocketNotifier::activated, &notifier, HandedOver([&] {
                notifier.setEnabled(false);
                activatedIn = QThread::currentThread();
                activated.release();
            }));
    notifier.moveToThread(&thread);
    turn();
    QVERIFY(activated.acquire());
    QCOMPARE(activatedIn, &thread);
}

void tst_Threads::postedEventsMoveWithTheirObject()
{
    HandOverReceiver object;
    LoopThread thread;
    QList<QThread *> deliveredIn;
    Semaphore delivered;
    for (int i = 0; i < 100; ++i) {
        post(&object, [&] {
            deliveredIn.append(QThread::currentThread());
            delivered.release();
        });
    }
    object.moveToThread(&thread);
    turn();
    QVERIFY(delivered.acquire(100));
    QCOMPARE(deliveredIn.count(&thread), 100);
}

void tst_Threads::objectMovesBackAndForth()
{
    HandOverReceiver object;
    LoopThread thread;
    QThread *const home = QThread::currentThread();
    int visits = 0;
    std::function<void()> go = [&] {
        if (++visits % 2) {
            object.moveToThread(&thread);
            post(&object, go);
        } else {
            object.moveToThread(home);
            if (visits < 500)
                post(&object, go);
            else
                post([&] { ++visits; });
        }
    };
    post(&object, go);
    QVERIFY(runUntil([&] {
        if (object.thread() != home)
            return false;
        HandOver::mark();
        return visits == 501;
    }));
}

DISPATCHER_TEST_MAIN(tst_Threads)

#include "tst_threads.moc"
