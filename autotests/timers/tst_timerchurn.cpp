// SPDX-License-Identifier: MIT

#include "timertest.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

/**
 * The timer queue against a simple model: random starts, restarts, removals and firings, nested
 * ones too, of up to 20000 timers. TST_TIMERCHURN_SEED repeats one run.
 */
class tst_TimerChurn : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void agreesWithModel_data();
    void agreesWithModel();
};

namespace {

/// What TimerQueue promises, as plainly as possible.
class Model
{
public:
    struct Timer
    {
        Duration interval{};
        Accuracy accuracy{};
        void *owner = nullptr;
        TimePoint start;
        qint64 tick = 1; // the next one
        int serial = 0;
        enum { Waiting, Collected, Firing } state = Waiting;

        bool isZero() const { return interval == 0ns; }
        TimePoint due() const { return start + tick * interval; }
        Duration tolerance() const { return toleranceOf(accuracy, interval); }
    };

    std::map<int, Timer> timers;

    void add(int id, Duration interval, Accuracy accuracy, void *owner, TimePoint now)
    {
        timers[id] = {interval, accuracy, owner, now, 1, ++m_serial, Timer::Waiting};
    }

    bool removeAll(void *owner)
    {
        bool any = false;
        for (auto timer = timers.begin(); timer != timers.end();) {
            const bool isHis = timer->second.owner == owner;
            any = any || isHis;
            timer = isHis ? timers.erase(timer) : std::next(timer);
        }
        return any;
    }

    std::vector<int> idsOf(void *owner) const
    {
        std::vector<std::pair<int, int>> serials;
        for (const auto &[id, timer] : timers) {
            if (timer.owner == owner)
                serials.emplace_back(timer.serial, id);
        }
        std::sort(serials.begin(), serials.end());
        std::vector<int> ids;
        for (const auto &[serial, id] : serials)
            ids.push_back(id);
        return ids;
    }

    std::optional<TimePoint> wakeTime() const
    {
        std::optional<TimePoint> earliest;
        for (const auto &[id, timer] : timers) {
            if (timer.state == Timer::Collected)
                return m_now;
            if (timer.state != Timer::Waiting || timer.isZero())
                continue;
            const TimePoint end = timer.due() + timer.tolerance();
            if (!earliest || end < *earliest)
                earliest = end;
        }
        return earliest;
    }

    bool hasZeroTimers() const
    {
        return std::any_of(timers.begin(), timers.end(), [](const auto &entry) {
            return entry.second.isZero() && entry.second.state == Timer::Waiting;
        });
    }

    void collect(TimePoint now)
    {
        m_now = now;
        for (auto &[id, timer] : timers) {
            if (timer.state == Timer::Waiting
                && (timer.isZero() || timer.due() - timer.tolerance() <= now)) {
                timer.state = Timer::Collected;
                m_collected.emplace(timer.isZero(), timer.due(), timer.serial, id);
            }
        }
    }

    /// The next one of those collected, or 0.
    int take()
    {
        while (!m_collected.empty()) {
            const auto [isZero, due, serial, id] = m_collected.extract(m_collected.begin()).value();
            const auto found = timers.find(id);
            if (found == timers.end() || found->second.serial != serial)
                continue;
            Timer &timer = found->second;
            timer.state = Timer::Firing;
            if (!isZero)
                timer.tick =
                    std::max(timer.tick, qint64((m_now - timer.start) / timer.interval)) + 1;
            return id;
        }
        return 0;
    }

private:
    int m_serial = 0;
    TimePoint m_now;
    // In the order in which they are taken, and whatever has become of them since.
    std::set<std::tuple<bool, TimePoint, int, int>> m_collected;
};

class Churn
{
public:
    Churn(unsigned seed, int ids)
        : m_random(seed)
        , m_ids(ids)
    {
    }

    // These answer what went wrong.
    QString change();
    QString fire();
    QString compare();

private:
    qint64 random(qint64 below)
    {
        return std::uniform_int_distribution<qint64>(0, below - 1)(m_random);
    }
    bool chance(int percent) { return random(100) < percent; }
    QString fire(int depth);
    void *anyOwner() { return &m_owners[size_t(random(int(m_owners.size())))]; }
    Duration anyInterval();

    std::mt19937_64 m_random;
    const int m_ids;
    std::array<char, 64> m_owners{};
    TimePoint m_now = Start;
    TimerQueue m_queue;
    Model m_model;
    int m_nestedRounds = 0;
};

Duration Churn::anyInterval()
{
    switch (random(10)) {
    case 0:
        return 0ms;
    case 1:
        return random(1000) * 1us;
    case 2:
        return random(100) * 1h;
    case 3:
        return random(60) * 1s;
    default:
        return random(1000) * 1ms;
    }
}

QString Churn::change()
{
    const int id = 1 + int(random(m_ids));
    if (chance(70)) {
        const Duration interval = anyInterval();
        const auto accuracy = Accuracy(random(3));
        void *const owner = anyOwner();
        m_queue.add(id, interval, accuracy, owner, m_now);
        m_model.add(id, interval, accuracy, owner, m_now);
        return {};
    }
    if (chance(99))
        return m_queue.remove(id) == (m_model.timers.erase(id) > 0) ? QString() : u"remove()"_s;
    void *const owner = anyOwner();
    return m_queue.removeAll(owner) == m_model.removeAll(owner) ? QString() : u"removeAll()"_s;
}

QString Churn::fire()
{
    // A limited number, because each can make all zero timers due again.
    m_nestedRounds = int(random(5));
    return fire(0);
}

/// One round of firing, with changes and other rounds in it.
QString Churn::fire(int depth)
{
    m_queue.collect(m_now);
    m_model.collect(m_now);
    for (;;) {
        if (depth > 0 && chance(10))
            return {}; // and leaves the rest to the outer round
        const auto tick = m_queue.take();
        const int expected = m_model.take();
        if (!tick || !expected)
            return bool(tick) == bool(expected) ? QString()
                                                : u"take() yields too few or too many"_s;
        const Model::Timer timer = m_model.timers[expected];
        if (tick->id != expected)
            return u"take() yields %1 instead of %2"_s.arg(tick->id).arg(expected);
        if (tick->owner != timer.owner || tick->interval != timer.interval)
            return u"take() yields a wrong owner or interval"_s;

        if (chance(5))
            m_now += random(20) * 1ms;
        for (auto changes = random(3); changes > 0; --changes) {
            if (const QString wrong = change(); !wrong.isEmpty())
                return wrong;
        }
        if (depth < 3 && m_nestedRounds > 0 && chance(5)) {
            --m_nestedRounds;
            if (const QString wrong = fire(depth + 1); !wrong.isEmpty())
                return wrong;
        }
        m_queue.finish(*tick);
        const auto finished = m_model.timers.find(expected);
        if (finished != m_model.timers.end() && finished->second.serial == timer.serial)
            finished->second.state = Model::Timer::Waiting;
    }
}

QString Churn::compare()
{
    m_now += anyInterval() / 10;
    if (m_queue.wakeTime() != m_model.wakeTime())
        return u"wakeTime()"_s;
    if (m_queue.hasZeroTimers() != m_model.hasZeroTimers())
        return u"hasZeroTimers()"_s;
    const int id = 1 + int(random(m_ids));
    const auto timer = m_model.timers.find(id);
    if (m_queue.contains(id) != (timer != m_model.timers.end()))
        return u"contains()"_s;
    if (timer != m_model.timers.end() && m_queue.due(id) != timer->second.due())
        return u"due()"_s;
    void *const owner = anyOwner();
    std::vector<int> ids;
    for (const TimerQueue::Info &info : m_queue.timersOf(owner))
        ids.push_back(info.id);
    return ids == m_model.idsOf(owner) ? QString() : u"timersOf()"_s;
}

}

void tst_TimerChurn::agreesWithModel_data()
{
    QTest::addColumn<unsigned>("seed");
    QTest::addColumn<int>("timers");
    QTest::addColumn<int>("rounds");
    const unsigned seed = randomSeed("TST_TIMERCHURN_SEED");
    QTest::addRow("5 timers, seed %u", seed) << seed << 5 << 20'000;
    QTest::addRow("200 timers, seed %u", seed) << seed << 200 << 1000;
    QTest::addRow("20000 timers, seed %u", seed) << seed << 20'000 << 20;
}

void tst_TimerChurn::agreesWithModel()
{
    QFETCH(unsigned, seed);
    QFETCH(int, timers);
    QFETCH(int, rounds);
    Churn churn(seed, timers);
    const auto verify = [](const QString &wrong) { QVERIFY2(wrong.isEmpty(), qPrintable(wrong)); };
    for (int i = 0; i < 2 * timers && !QTest::currentTestFailed(); ++i)
        verify(churn.change());
    for (int round = 0; round < rounds && !QTest::currentTestFailed(); ++round) {
        verify(churn.change());
        verify(churn.fire());
        verify(churn.compare());
    }
}

QTEST_APPLESS_MAIN(tst_TimerChurn)

#include "tst_timerchurn.moc"
