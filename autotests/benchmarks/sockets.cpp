// SPDX-License-Identifier: MIT

// Socket notifiers: activating them beside many idle ones, and adding, toggling and removing them.

#include "measure.h"
#include "nodispatcher.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QSocketNotifier>

#include <algorithm>
#include <cmath>
#include <vector>

#include <sys/epoll.h>
#include <unistd.h>

using namespace Qt::StringLiterals;

namespace {

/// Read notifiers of sockets on which nothing arrives until check() is called.
class Notifiers
{
public:
    explicit Notifiers(int count) : m_pairs(static_cast<size_t>(count + 1) / 2)
    {
        for (const SocketPair &pair : m_pairs) {
            add(pair[0], pair[1]);
            add(pair[1], pair[0]);
        }
    }

    int size() const { return static_cast<int>(m_entries.size()); }
    int activations() const { return m_activations; }
    QSocketNotifier &operator[](int i) { return *m_entries[static_cast<size_t>(i)].notifier; }

    void add(int fd, int peer)
    {
        auto notifier = std::make_unique<QSocketNotifier>(fd, QSocketNotifier::Read);
        QObject::connect(notifier.get(), &QSocketNotifier::activated, [this, fd] {
            ++m_activations;
            m_inventions += !readByte(fd);
        });
        m_entries.push_back({ fd, peer, std::move(notifier) });
    }

    /// Makes every second one readable and sees that each of these is activated
    /// once if it is enabled, and no other.
    void check()
    {
        int expected = m_activations;
        for (int i = 0; i < size(); i += 2) {
            expected += m_entries[static_cast<size_t>(i)].notifier->isEnabled();
            writeByte(m_entries[static_cast<size_t>(i)].peer);
        }
        const qint64 deadline = now() + 2'000'000'000;
        while (m_activations < expected && now() < deadline)
            QCoreApplication::processEvents();
        QCoreApplication::processEvents();
        require(m_activations == expected, m_activations < expected
                    ? "a ready notifier was not activated"
                    : "a disabled notifier was activated, or another one twice");
        require(m_inventions == 0, "a notifier was activated that was not ready");
    }

private:
    struct Entry
    {
        int fd;
        int peer;
        std::unique_ptr<QSocketNotifier> notifier;
    };
    std::vector<SocketPair> m_pairs;
    std::vector<Entry> m_entries;
    int m_activations = 0;
    int m_inventions = 0;
};

Values pingPong(const Task &task)
{
    Loop loop(task);
    Notifiers idle(task.size);
    SocketPair pair;
    std::array<QSocketNotifier, 2> notifiers {
        QSocketNotifier(pair[0], QSocketNotifier::Read),
        QSocketNotifier(pair[1], QSocketNotifier::Read),
    };
    qint64 hops = 0;
    bool asExpected = true;
    for (size_t end = 0; end < 2; ++end) {
        QObject::connect(&notifiers[end], &QSocketNotifier::activated, [&, end] {
            asExpected = readByte(pair[end]) && asExpected;
            if (--hops > 0)
                asExpected = writeByte(pair[end]) && asExpected;
            else
                loop.quit();
        });
    }
    const auto batch = [&](qint64 count) -> Values {
        hops = 2 * count;
        const qint64 start = now();
        writeByte(pair[0]);
        loop.run();
        const qint64 end = now();
        require(asExpected && hops == 0, "a notifier was activated that was not ready");
        return { static_cast<double>(end - start) };
    };
    batch(50); // Where idle notifiers are is settled by then.
    const Values values = perOperation(task, batch);
    require(idle.activations() == 0, "an idle notifier was activated");
    idle.check();
    return values;
}

/// An epoll set with the calls that a program would write around it if it had no loop.
class BareEpoll
{
public:
    BareEpoll() : m_set(epoll_create1(EPOLL_CLOEXEC)) { }
    ~BareEpoll() { close(m_set); }
    BareEpoll(const BareEpoll &) = delete;
    BareEpoll &operator=(const BareEpoll &) = delete;

    void control(int operation, int fd)
    {
        epoll_event event {};
        event.events = EPOLLIN;
        event.data.fd = fd;
        require(epoll_ctl(m_set, operation, fd, &event) == 0, "epoll_ctl failed");
    }

    int wait(std::vector<epoll_event> &events, int timeout) const
    {
        return epoll_wait(m_set, events.data(), static_cast<int>(events.size()), timeout);
    }

private:
    const int m_set;
};

Values pingPongLimit(const Task &task)
{
    BareEpoll epoll;
    std::vector<SocketPair> idle(static_cast<size_t>(task.size) / 2);
    for (const SocketPair &pair : idle) {
        epoll.control(EPOLL_CTL_ADD, pair[0]);
        epoll.control(EPOLL_CTL_ADD, pair[1]);
    }
    SocketPair pair;
    epoll.control(EPOLL_CTL_ADD, pair[0]);
    epoll.control(EPOLL_CTL_ADD, pair[1]);
    std::vector<epoll_event> events(64);
    return perOperation(task, [&](qint64 count) -> Values {
        bool asExpected = true;
        const qint64 start = now();
        writeByte(pair[0]);
        for (qint64 hops = 2 * count; hops > 0;) {
            const int ready = epoll.wait(events, -1);
            for (int i = 0; i < ready; ++i) {
                const int fd = events[static_cast<size_t>(i)].data.fd;
                asExpected = readByte(fd) && asExpected;
                if (--hops > 0)
                    asExpected = writeByte(fd) && asExpected;
            }
        }
        const qint64 end = now();
        require(asExpected, "epoll reported what was not ready");
        return { static_cast<double>(end - start) };
    });
}

Values alwaysReady(const Task &task)
{
    Loop loop(task);
    const size_t size = static_cast<size_t>(task.size);
    std::vector<SocketPair> pairs(size);
    std::vector<std::unique_ptr<QSocketNotifier>> notifiers;
    std::vector<qint64> served(size);
    qint64 left = 0;
    for (size_t i = 0; i < size; ++i) {
        writeByte(pairs[i][1]);
        notifiers.push_back(std::make_unique<QSocketNotifier>(pairs[i][0], QSocketNotifier::Read));
        QObject::connect(notifiers.back().get(), &QSocketNotifier::activated, [&, i] {
            ++served[i];
            if (--left == 0)
                loop.quit();
        });
    }
    return perOperation(task, [&](qint64 count) -> Values {
        std::fill(served.begin(), served.end(), 0);
        left = count * task.size;
        const qint64 start = now();
        loop.run();
        const qint64 end = now();
        require(*std::min_element(served.begin(), served.end()) >= count / 2,
                "some ready notifiers were passed over");
        return { static_cast<double>(end - start) / task.size };
    });
}

Values alwaysReadyLimit(const Task &task)
{
    BareEpoll epoll;
    const size_t size = static_cast<size_t>(task.size);
    std::vector<SocketPair> pairs(size);
    for (const SocketPair &pair : pairs) {
        writeByte(pair[1]);
        epoll.control(EPOLL_CTL_ADD, pair[0]);
    }
    std::vector<epoll_event> events(size);
    return perOperation(task, [&](qint64 count) -> Values {
        const qint64 start = now();
        for (qint64 left = count * task.size; left > 0;)
            left -= epoll.wait(events, -1);
        return { static_cast<double>(now() - start) / task.size };
    });
}

// So many changes are made between two turns of the loop.
constexpr int changes = 100;

Values addRemove(const Task &task)
{
    Notifiers present(task.size);
    std::vector<SocketPair> spare(changes);
    std::vector<std::unique_ptr<QSocketNotifier>> added(changes);
    const Values values = perOperation(task, [&](qint64 count) {
        std::array<qint64, 4> total {};
        for (qint64 i = 0; i < count; ++i) {
            const qint64 start = now();
            for (size_t j = 0; j < changes; ++j)
                added[j] = std::make_unique<QSocketNotifier>(spare[j][0], QSocketNotifier::Read);
            const qint64 allAdded = now();
            QCoreApplication::processEvents();
            const qint64 removing = now();
            for (std::unique_ptr<QSocketNotifier> &notifier : added)
                notifier.reset();
            const qint64 allRemoved = now();
            QCoreApplication::processEvents();
            const qint64 end = now();
            total[0] += allAdded - start;
            total[1] += allRemoved - removing;
            total[2] += removing - start;
            total[3] += end - removing;
        }
        Values perChange;
        for (const qint64 sum : total)
            perChange.append(static_cast<double>(sum) / changes);
        return perChange;
    });

    for (const SocketPair &pair : spare)
        present.add(pair[0], pair[1]);
    present.check();
    return values;
}

Values addRemoveLimit(const Task &task)
{
    BareEpoll epoll;
    std::vector<SocketPair> present(static_cast<size_t>(task.size) / 2);
    for (const SocketPair &pair : present) {
        epoll.control(EPOLL_CTL_ADD, pair[0]);
        epoll.control(EPOLL_CTL_ADD, pair[1]);
    }
    std::vector<SocketPair> spare(changes);
    std::vector<epoll_event> events(64);
    return perOperation(task, [&](qint64 count) -> Values {
        qint64 adding = 0;
        qint64 removing = 0;
        for (qint64 i = 0; i < count; ++i) {
            const qint64 start = now();
            for (const SocketPair &pair : spare)
                epoll.control(EPOLL_CTL_ADD, pair[0]);
            epoll.wait(events, 0);
            const qint64 added = now();
            for (const SocketPair &pair : spare)
                epoll.control(EPOLL_CTL_DEL, pair[0]);
            epoll.wait(events, 0);
            const qint64 end = now();
            adding += added - start;
            removing += end - added;
        }
        // Without its system call a change costs nothing, so there is no limit for that.
        return { NAN, NAN, static_cast<double>(adding) / changes,
                 static_cast<double>(removing) / changes };
    });
}

Values toggle(const Task &task)
{
    Notifiers present(task.size);
    Random random(task);
    QCoreApplication::processEvents();
    const Values values = perOperation(task, [&](qint64 count) -> Values {
        qint64 calls = 0;
        qint64 turns = 0;
        for (qint64 i = 0; i < count; ++i) {
            const qint64 start = now();
            for (int j = 0; j < changes; ++j) {
                QSocketNotifier &notifier = present[random.below(task.size)];
                notifier.setEnabled(false);
                notifier.setEnabled(true);
            }
            const qint64 end = now();
            QCoreApplication::processEvents();
            calls += end - start;
            turns += now() - start;
        }
        return { static_cast<double>(calls) / changes, static_cast<double>(turns) / changes };
    });
    if (task.kind == Kind::Limit)
        return { values[0], NAN };
    for (int i = 0; i < present.size(); i += 4) // Of those that check() makes readable.
        present[i].setEnabled(false);
    present.check();
    return values;
}

QString beside(int size)
{
    return size ? u"beside %1 idle ones"_s.arg(size) : u"alone"_s;
}

}

Family socketFamily()
{
    Family family { u"Sockets"_s, {} };

    for (const int size : { 0, 10, 100, 1000, 10000 }) {
        Workload workload { u"socket-pingpong/%1"_s.arg(size),
                            u"socket ping-pong, "_s + beside(size),
                            { { u"per round trip"_s } }, pingPong, pingPongLimit, u"bare epoll"_s };
        workload.size = size;
        workload.descriptors = size;
        if (size == 0 || size == 1000)
            workload.figures[0].bounds = { { 1.15, Bound::Limit }, { 1.0, Bound::BetterOfQt } };
        if (size == 10000)
            workload.figures[0].bounds = { { 1.2, Bound::Limit } };
        family.workloads.append(workload);
    }

    for (const int size : { 1, 16, 256 }) {
        Workload workload { u"sockets-ready/%1"_s.arg(size),
                            size == 1 ? u"1 socket always ready"_s
                                      : u"%1 sockets always ready"_s.arg(size),
                            { { u"per activation"_s } }, alwaysReady, alwaysReadyLimit,
                            u"bare epoll"_s };
        workload.size = size;
        workload.descriptors = 2 * size;
        if (size == 256)
            workload.figures[0].bounds = { { 1.0, Bound::BetterOfQt } };
        family.workloads.append(workload);
    }

    for (const int size : { 10, 1000, 10000 }) {
        Workload workload { u"notifier-add-remove/%1"_s.arg(size),
                            u"notifier added and removed, %1 present"_s.arg(size),
                            { { u"add"_s }, { u"remove"_s }, { u"add, 1/100 turn included"_s },
                              { u"remove, 1/100 turn included"_s } },
                            addRemove, addRemoveLimit, u"bare epoll_ctl"_s };
        workload.size = size;
        workload.descriptors = size + 4 * changes;
        if (size == 10000)
            workload.figures[0].bounds = { { 1.3, Bound::QtUnix } };
        family.workloads.append(workload);
    }

    for (const int size : { 10, 1000, 10000 }) {
        Workload workload { u"notifier-toggle/%1"_s.arg(size),
                            u"notifier off and on, %1 present"_s.arg(size),
                            { { u"off and on"_s }, { u"off and on, 1/100 turn included"_s } },
                            toggle, withoutDispatcher<toggle>,
                            u"a dispatcher that does nothing"_s };
        workload.size = size;
        workload.descriptors = size;
        if (size == 10000)
            workload.figures[0].bounds = { { 1.0, Bound::BetterOfQt } };
        family.workloads.append(workload);
    }

    for (Workload &workload : family.workloads)
        workload.isPinned = true;
    return family;
}
