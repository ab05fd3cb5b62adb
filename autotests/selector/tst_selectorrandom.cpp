// SPDX-License-Identifier: MIT

#include "selectortest.h"

#include <deque>
#include <optional>
#include <random>
#include <vector>

#include <poll.h>
#include <signal.h>
#if __has_include(<sys/eventfd.h>)
#    include <sys/eventfd.h>
#endif

/**
 * The selector against poll(2): random steps on random descriptors, and after each of them the two
 * must agree. TST_SELECTORRANDOM_SEED repeats one run.
 */
class tst_SelectorRandom : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void agreesWithPoll_data();
    void agreesWithPoll();
};

namespace {

using Events = GLibSelector::Events;
constexpr Events Invalid = GLibSelector::Invalid;

constexpr int Steps = 2500;

/// The numbers that the steps play with, far above what the process uses otherwise.
constexpr int FirstNumber = 200;
constexpr int LastNumber = FirstNumber + 23;

/// So many duplicates and other ends of connections may be open beside them.
constexpr size_t MostElsewhere = 40;

/// A counter, or a file where there is no such thing.
FileDescriptor openCounter(unsigned count)
{
#if __has_include(<sys/eventfd.h>)
    return FileDescriptor(::eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK));
#else
    return FileDescriptor(::open("/dev/null", O_RDWR | O_CLOEXEC));
#endif
}

/// A selector, descriptors, and what the selector should know of them.
class World
{
public:
    explicit World(unsigned seed)
        : m_random(seed)
    {
        // Idle numbers are in the epoll set then, and polled otherwise.
        if (seed % 2)
            m_idle.emplace(m_selector);
    }
    ~World()
    {
        for (int number = FirstNumber; number <= LastNumber; ++number)
            ::close(number);
    }
    Q_DISABLE_COPY_MOVE(World)

    // All of these answer what went wrong.
    QString step();
    QString compare();
    QString settle();

    QString history() const { return m_history.join(u"; "_s); }

private:
    struct Registration
    {
        Events events = 0;
        void *data = nullptr;
        // The number was closed behind the selector's back, which it need not find out at once. A
        // right result proves nothing: it may be the old file's readiness that made it look.
        bool isDoubtful = false;
    };

    int random(int below) { return std::uniform_int_distribution<>(0, below - 1)(m_random); }
    bool chance(int percent) { return random(100) < percent; }
    int anyNumber() { return FirstNumber + random(LastNumber - FirstNumber + 1); }
    Events anyEvents();
    static bool isOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
    void note(const QString &what);

    void replace(int number, int fd);
    void open();
    void closeNumber();
    void duplicate();
    void transfer();

    QString change();
    QString add();
    QString modify();
    QString remove();

    Ready poll() const;
    QString walk(bool changesMeanwhile);

    std::mt19937 m_random;
    GLibSelector m_selector;
    std::optional<IdleDescriptors> m_idle;
    std::map<int, Registration> m_registered;
    Ready m_expected; // of the results of the last select(), those that have not come yet
    std::deque<FileDescriptor> m_elsewhere;
    QStringList m_history;
};

void World::note(const QString &what)
{
    m_history.append(what);
    if (m_history.size() > 60)
        m_history.removeFirst();
}

Events World::anyEvents()
{
    const int mask = 1 + random(7);
    return (mask & 1 ? GLibSelector::Read : 0U) | (mask & 2 ? GLibSelector::Write : 0U)
        | (mask & 4 ? GLibSelector::Exception : 0U);
}

/// Closes @p number and has it stand for the file of @p fd, if that is not negative.
void World::replace(int number, int fd)
{
    const auto registered = m_registered.find(number);
    if (registered != m_registered.end())
        registered->second.isDoubtful = true;
    if (fd < 0)
        ::close(number);
    else
        reuse(number, fd);
}

void World::open()
{
    const int number = anyNumber();
    const int kind = random(5);
    if (kind < 3) {
        Channel channel = kind == 0 ? Channel::pipe() : Channel::socketPair();
        if (chance(50))
            std::swap(channel.here, channel.there);
        replace(number, channel.here);
        note(u"%1 = %2, connected to %3"_s.arg(number)
                 .arg(kind == 0 ? u"pipe"_s : u"socket"_s)
                 .arg(int(channel.there)));
        m_elsewhere.push_back(std::move(channel.there));
    } else if (kind == 3) {
        replace(number, openCounter(unsigned(random(2))));
        note(u"%1 = counter"_s.arg(number));
    } else {
        // Like a regular file, but it can be written.
        replace(number, FileDescriptor(::open("/dev/null", O_RDWR | O_CLOEXEC)));
        note(u"%1 = file"_s.arg(number));
    }
}

void World::closeNumber()
{
    const int number = anyNumber();
    note(u"close %1"_s.arg(number));
    replace(number, -1);
}

void World::duplicate()
{
    const int from = anyNumber();
    const int to = anyNumber();
    if (!isOpen(from) || from == to)
        return;
    if (chance(50)) {
        m_elsewhere.push_back(FileDescriptor(::fcntl(from, F_DUPFD_CLOEXEC, 0)));
        note(u"%1 = dup of %2"_s.arg(int(m_elsewhere.back())).arg(from));
    } else {
        replace(to, from);
        note(u"%1 = dup of %2"_s.arg(to).arg(from));
    }
}

/// What moves between open files.
void World::transfer()
{
    const bool isElsewhere = !m_elsewhere.empty() && chance(60);
    const auto index = isElsewhere ? size_t(random(int(m_elsewhere.size()))) : 0;
    const int fd = isElsewhere ? int(m_elsewhere[index]) : anyNumber();
    const char block[4096] = {1};
    switch (random(10)) {
    case 0:
        ::shutdown(fd, random(3));
        note(u"shutdown %1"_s.arg(fd));
        break;
    case 1:
    case 2:
    case 3:
        drain(fd);
        note(u"drain %1"_s.arg(fd));
        break;
    case 4:
        for (int i = 0; i < 100 && ::write(fd, block, sizeof block) > 0; ++i) { }
        note(u"fill %1"_s.arg(fd));
        break;
    default:
        if (::write(fd, block, 8) > 0)
            note(u"write to %1"_s.arg(fd));
        break;
    }
    if (isElsewhere && (chance(20) || m_elsewhere.size() > MostElsewhere)) {
        note(u"close %1"_s.arg(fd));
        m_elsewhere.erase(m_elsewhere.begin() + std::ptrdiff_t(index));
    }
}

QString World::add()
{
    const int number = chance(95) ? anyNumber() : -1;
    const Events events = chance(95) ? anyEvents() : 0U;
    void *const data = &m_history + random(3);
    const bool isWrong = !events || !isOpen(number) || m_registered.count(number);
    const std::error_code error = m_selector.add(number, events, data);
    note(u"add %1, %2: %3"_s.arg(number).arg(events).arg(error.value()));
    if (!error && !isWrong) {
        m_registered[number] = {events, data, false};
        return {};
    }
    const bool isRight = (error == std::errc::bad_file_descriptor && !isOpen(number))
        || (error == std::errc::file_exists && m_registered.count(number))
        || (error == std::errc::invalid_argument && !events);
    return isRight ? QString() : u"wrong answer"_s;
}

QString World::modify()
{
    const int number = anyNumber();
    const Events events = chance(95) ? anyEvents() : Invalid;
    void *const data = &m_history + random(3);
    const auto registered = m_registered.find(number);
    const bool isKnown = registered != m_registered.end();
    const bool isWrong = events == Invalid || !isOpen(number) || !isKnown;
    const std::error_code error = m_selector.modify(number, events, data);
    note(u"modify %1, %2: %3"_s.arg(number).arg(events).arg(error.value()));
    if (!error && !isWrong) {
        registered->second.events = events;
        registered->second.data = data;
        const auto expected = m_expected.find(number);
        if (expected != m_expected.end() && !(expected->second &= events))
            m_expected.erase(expected);
        return {};
    }
    const bool isRight = (error == std::errc::bad_file_descriptor && !isOpen(number))
        || (error == std::errc::no_such_file_or_directory && !isKnown)
        || (error == std::errc::invalid_argument && events == Invalid);
    return isRight ? QString() : u"wrong answer"_s;
}

QString World::remove()
{
    const int number = anyNumber();
    const std::error_code error = m_selector.remove(number);
    note(u"remove %1: %2"_s.arg(number).arg(error.value()));
    m_expected.erase(number);
    const bool isRight = m_registered.erase(number) > 0
        ? !error
        : error == std::errc::no_such_file_or_directory;
    return isRight ? QString() : u"wrong answer"_s;
}

QString World::change()
{
    const int which = random(10);
    return which < 5 ? add() : which < 8 ? modify() : remove();
}

QString World::step()
{
    const int which = random(100);
    if (which < 12)
        open();
    else if (which < 18)
        closeNumber();
    else if (which < 25)
        duplicate();
    else if (which < 60)
        transfer();
    else
        return change();
    return {};
}

/// What poll(2) says of the registered numbers.
Ready World::poll() const
{
    std::vector<pollfd> polled;
    for (const auto &[number, registration] : m_registered)
        polled.push_back({number, short(registration.events), 0});
    if (::poll(polled.data(), nfds_t(polled.size()), 0) < 0)
        qFatal("poll: %s", std::strerror(errno));
    Ready ready;
    for (const pollfd &fd : polled) {
        const auto asked = Events(fd.events);
        const auto found = Events(fd.revents);
        if (found & POLLNVAL)
            ready.emplace(fd.fd, Invalid);
        else if (found & (POLLHUP | POLLERR))
            ready.emplace(fd.fd, asked);
        else if (found & asked)
            ready.emplace(fd.fd, found & asked);
    }
    return ready;
}

/// Takes the results, each of which must be expected.
QString World::walk(bool changesMeanwhile)
{
    while (const auto ready = m_selector.takeReady()) {
        note(u"%1 ready: %2"_s.arg(ready->fd).arg(ready->events));
        const auto expected = m_expected.find(ready->fd);
        if (expected == m_expected.end() || expected->second != ready->events)
            return u"wrong result"_s;
        m_expected.erase(expected);
        if (m_registered[ready->fd].data != ready->data)
            return u"wrong data"_s;
        if (ready->events == Invalid) {
            m_registered.erase(ready->fd);
            if (m_selector.find(ready->fd))
                return u"closed, but not forgotten"_s;
        }
        if (changesMeanwhile) {
            if (const QString wrong = change(); !wrong.isEmpty())
                return wrong;
        }
    }
    return {};
}

/// One look of both. What has happened behind the selector's back may be missing in its results.
QString World::compare()
{
    m_expected = poll();
    note(u"select"_s);
    if (m_selector.select(0ns))
        return u"error of select()"_s;
    if (const QString wrong = walk(chance(20)); !wrong.isEmpty())
        return wrong;
    for (const auto &[number, events] : m_expected) {
        if (!m_registered[number].isDoubtful)
            return u"%1 is not reported with %2"_s.arg(number).arg(events);
    }
    return {};
}

/// Until nothing is missing any more. That selects are short but time passes is the worst case: the
/// selector never gets to the wait before which it would have to find out everything.
QString World::settle()
{
    const auto start = Clock::now();
    do {
        if (const QString wrong = compare(); !wrong.isEmpty())
            return wrong;
        if (m_expected.empty())
            return {};
        m_selector.select(100us); // its results are found again
    } while (Clock::now() - start < Long);
    return u"%1 is still not reported with %2"_s.arg(m_expected.begin()->first)
        .arg(m_expected.begin()->second);
}

}

void tst_SelectorRandom::initTestCase()
{
    ::signal(SIGPIPE, SIG_IGN);
}

void tst_SelectorRandom::agreesWithPoll_data()
{
    QTest::addColumn<unsigned>("seed");
    bool isGiven = false;
    const int given = qEnvironmentVariableIntValue("TST_SELECTORRANDOM_SEED", &isGiven);
    if (isGiven) {
        QTest::addRow("seed %d", given) << unsigned(given);
        return;
    }
    std::random_device device;
    for (int i = 0; i < 4; ++i) {
        const unsigned seed = device() % 1'000'000 / 2 * 2 + unsigned(i % 2);
        QTest::addRow("seed %u", seed) << seed;
    }
}

void tst_SelectorRandom::agreesWithPoll()
{
    QFETCH(unsigned, seed);
    World world(seed);
    for (int step = 0; step < Steps; ++step) {
        QString wrong = world.step();
        if (wrong.isEmpty())
            wrong = world.compare();
        if (wrong.isEmpty() && step % 8 == 0)
            wrong = world.settle();
        QVERIFY2(wrong.isEmpty(),
                 qPrintable(u"step %1: %2. Before: %3"_s.arg(step).arg(wrong, world.history())));
    }
}

QTEST_APPLESS_MAIN(tst_SelectorRandom)

#include "tst_selectorrandom.moc"
