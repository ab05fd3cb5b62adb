// SPDX-License-Identifier: MIT

// Posted events, wake-ups and the zero timer: what a dispatcher does without waiting for anything.

#include "measure.h"

#include <GLibEventDispatcher>
#include <dispatcherundertest.h>

#include <QtCore/QTemporaryDir>
#include <QtCore/QTimer>

#include <thread>

#include <sys/eventfd.h>
#include <unistd.h>

using namespace Qt::StringLiterals;

namespace {

class NumberedEvent : public QEvent
{
public:
    static constexpr Type type = User;

    explicit NumberedEvent(qint64 eventNumber) : QEvent(type), number(eventNumber) { }

    const qint64 number;
};

/// Calls a function for each NumberedEvent and sees that none is lost, doubled or overtaken.
class Receiver : public QObject
{
public:
    std::function<void(qint64)> received;
    qint64 expected = 0;
    bool inOrder = true;

    void post(qint64 number) { QCoreApplication::postEvent(this, new NumberedEvent(number)); }

    bool event(QEvent *event) override
    {
        if (event->type() != NumberedEvent::type)
            return QObject::event(event);
        const qint64 number = static_cast<NumberedEvent *>(event)->number;
        inOrder = inOrder && number == expected++;
        received(number);
        return true;
    }
};

Values postSelf(const Task &task)
{
    Loop loop(task);
    return perOperation(task, [&](qint64 count) -> Values {
        Receiver receiver;
        receiver.received = [&](qint64 number) {
            if (number + 1 < count)
                receiver.post(number + 1);
            else
                loop.quit();
        };
        const qint64 start = now();
        receiver.post(0);
        loop.run();
        const qint64 end = now();
        require(receiver.inOrder && receiver.expected == count, "posted events were lost");
        return { static_cast<double>(end - start) };
    });
}

/// Only this dispatcher can report stalls. So for the others it is the same as without.
Values postSelfWithReports(const Task &task)
{
    if (task.kind == Kind::Ours)
        GLibEventDispatcher::setStallLimit(std::chrono::milliseconds(100));
    return postSelf(task);
}

/// The same for a trace.
Values postSelfWithTrace(const Task &task)
{
    if (task.kind != Kind::Ours)
        return postSelf(task);
    const QTemporaryDir folder;
    GLibEventDispatcher::setTraceFile(folder.filePath(u"trace"_s));
    const Values values = postSelf(task);
    GLibEventDispatcher::setTraceFile({});
    return values;
}

Values postBatch(const Task &task)
{
    constexpr qint64 batch = 1000;
    Loop loop(task);
    return perOperation(task, [&](qint64 rounds) -> Values {
        Receiver receiver;
        const auto postAll = [&receiver](qint64 first) {
            for (qint64 number = first; number < first + batch; ++number)
                receiver.post(number);
        };
        receiver.received = [&](qint64 number) {
            if ((number + 1) % batch)
                return;
            if (number + 1 < rounds * batch)
                postAll(number + 1);
            else
                loop.quit();
        };
        const qint64 start = now();
        postAll(0);
        loop.run();
        const qint64 end = now();
        require(receiver.inOrder && receiver.expected == rounds * batch, "posted events were lost");
        return { static_cast<double>(end - start) / batch };
    });
}

Values postFlood(const Task &task)
{
    Loop loop(task);
    return perOperation(task, [&](qint64 count) -> Values {
        Receiver receiver;
        receiver.received = [&](qint64 number) {
            if (number + 1 == count)
                loop.quit();
        };
        const qint64 start = now();
        std::thread flooder([&] {
            for (qint64 number = 0; number < count; ++number)
                receiver.post(number);
        });
        loop.run();
        const qint64 end = now();
        flooder.join();
        require(receiver.inOrder && receiver.expected == count, "posted events were lost");
        return { static_cast<double>(end - start) };
    });
}

Values threadPingPong(const Task &task)
{
    Loop loop(task);
    QThread thread;
    DispatcherUnderTest::install(&thread);
    Receiver here;
    Receiver there;
    there.moveToThread(&thread);
    there.received = [&](qint64 number) { here.post(number); };
    thread.start();

    struct Stop // Also if a batch throws.
    {
        QThread &thread;
        ~Stop()
        {
            thread.quit();
            thread.wait();
        }
    } stop { thread };

    return perOperation(task, [&](qint64 count) -> Values {
        const qint64 first = here.expected;
        here.received = [&](qint64 number) {
            if (number + 1 < first + count)
                there.post(number + 1);
            else
                loop.quit();
        };
        const qint64 start = now();
        there.post(first);
        loop.run();
        const qint64 end = now();
        require(here.inOrder && here.expected == first + count, "posted events were lost");
        return { static_cast<double>(end - start) };
    });
}

// Two threads that wait for each other's eventfd, with nothing around it.
Values threadPingPongLimit(const Task &task)
{
    const int here = eventfd(0, EFD_CLOEXEC);
    const int there = eventfd(0, EFD_CLOEXEC);
    const auto wait = [](int fd) {
        quint64 value = 0;
        return read(fd, &value, sizeof value) == sizeof value;
    };
    const auto wake = [](int fd) {
        const quint64 value = 1;
        return write(fd, &value, sizeof value) == sizeof value;
    };
    const Values values = perOperation(task, [&](qint64 count) -> Values {
        const qint64 start = now();
        std::thread other([&] {
            for (qint64 i = 0; i < count && wait(there); ++i)
                wake(here);
        });
        bool all = true;
        for (qint64 i = 0; i < count; ++i)
            all = wake(there) && wait(here) && all;
        const qint64 end = now();
        other.join();
        require(all, "reading or writing an eventfd failed");
        return { static_cast<double>(end - start) };
    });
    close(here);
    close(there);
    return values;
}

Values zeroTimer(const Task &task)
{
    Loop loop(task);
    return perOperation(task, [&](qint64 count) -> Values {
        qint64 fired = 0;
        QTimer timer;
        QObject::connect(&timer, &QTimer::timeout, [&] {
            if (++fired == count)
                loop.quit();
        });
        const qint64 start = now();
        timer.start(0);
        loop.run();
        const qint64 end = now();
        require(fired == count, "the timer fired after the loop was told to quit");
        return { static_cast<double>(end - start) };
    });
}

Values processEvents(const Task &task)
{
    return perOperation(task, [](qint64 count) -> Values {
        const qint64 start = now();
        for (qint64 i = 0; i < count; ++i)
            QCoreApplication::processEvents();
        return { static_cast<double>(now() - start) };
    });
}

}

Family eventFamily()
{
    Workload self { u"post-self"_s, u"event posted from its own handler"_s,
                    { { u"per turn of the loop"_s } }, postSelf };
    self.figures[0].bounds = { { 0.3, Bound::QtUnix } };

    Workload watched { u"post-self/stalls"_s, u"event posted from its own handler, with reports of stalls"_s,
                       { { u"per turn of the loop"_s } }, postSelfWithReports };

    Workload traced { u"post-self/trace"_s, u"event posted from its own handler, with a trace"_s,
                      { { u"per turn of the loop"_s } }, postSelfWithTrace };

    Workload batch { u"post-batch"_s, u"1000 events posted at once"_s,
                     { { u"per event"_s } }, postBatch };
    batch.figures[0].bounds = { { 1.05, Bound::QtUnix } };

    Workload flood { u"post-flood"_s, u"another thread posting all the time"_s,
                     { { u"per event"_s } }, postFlood };
    flood.figures[0].bounds = { { 1.0, Bound::QtUnix } };

    Workload pingPong { u"thread-pingpong"_s, u"ping-pong of events with another thread"_s,
                        { { u"per round trip"_s } }, threadPingPong, threadPingPongLimit,
                        u"two bare eventfds"_s };
    pingPong.needsThread = true;
    pingPong.figures[0].bounds = { { 1.05, Bound::BetterOfQt } };

    Workload zero { u"zero-timer"_s, u"zero-interval timer"_s, { { u"per firing"_s } }, zeroTimer };
    zero.figures[0].bounds = { { 0.4, Bound::BetterOfQt } };

    Workload nothing { u"process-events"_s, u"processEvents() with nothing to do"_s,
                       { { u"per call"_s } }, processEvents };

    for (Workload *workload : { &self, &batch, &zero, &nothing })
        workload->isPinned = true;
    return { u"Events"_s, { self, watched, traced, batch, flood, pingPong, zero, nothing } };
}
