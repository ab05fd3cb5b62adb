// SPDX-License-Identifier: MIT

#include "selectortest.h"

#include <functional>

#include <signal.h>
#include <sys/wait.h>

/**
 * Descriptors closed behind the selector's back, numbers reused and files kept open elsewhere. With
 * poll(2) all of this is simple; epoll knows files, not numbers.
 */
class tst_SelectorTraps : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void closedIsReportedOnce_data();
    void closedIsReportedOnce();
    void closedIsFoundWhileOthersAreReady();
    void closedCanBeAddedAnew();
    void allClosedAreReported();

    void reusedNumberStandsForTheNewFile_data();
    void reusedNumberStandsForTheNewFile();
    void reusedNumberIsFoundWhileOthersAreReady();
    void reusedNumberMayChangeItsKind_data();
    void reusedNumberMayChangeItsKind();
    void modifyOfAReusedNumberTakesTheNewFile_data();
    void modifyOfAReusedNumberTakesTheNewFile();
    void reusedManyTimes();

    void removedIsNotReported_data();
    void removedIsNotReported();
    void addedAnewAfterRemove_data();
    void addedAnewAfterRemove();
    void addedAnewMovesToTheSet_data();
    void addedAnewMovesToTheSet();
    void fileThatComesBackIsReported_data();
    void fileThatComesBackIsReported();
    void fileMovesToAnotherNumber();

    void forkedChildKeepsFilesOpen_data();
    void forkedChildKeepsFilesOpen();
    void forkedChildMayUseTheSelector();
    void forkedChildMayUseItsOwnSelector();
};

namespace {

constexpr auto Read = GLibSelector::Read;
constexpr auto Write = GLibSelector::Write;
constexpr auto Exception = GLibSelector::Exception;
constexpr auto Invalid = GLibSelector::Invalid;

FileDescriptor regularFile()
{
    return FileDescriptor(
        ::open(QFINDTESTDATA("tst_selectortraps.cpp").toLocal8Bit().constData(),
               O_RDONLY | O_CLOEXEC));
}

/// Whether the selectors of the test have idle descriptors beside those of the test: few are always polled.
bool hasEpollSet = false;

class Selector : public GLibSelector
{
public:
    Selector()
    {
        for (int i = 0; hasEpollSet && i < 16; ++i) {
            m_idle.push_back(Channel::pipe());
            if (add(m_idle.back().here, Read))
                qFatal("a descriptor could not be added");
        }
    }

    /// Whether descriptors of the test are left.
    bool watchesMore() const { return descriptors().size() > m_idle.size(); }

private:
    std::vector<Channel> m_idle;
};

/// Lets idle descriptors move to the epoll set, if there are enough.
void lookOften(GLibSelector &selector)
{
    const int enough = 50;
    for (int i = 0; i < enough; ++i)
        select(selector, 0ms);
}

/// Lets the selector find out by waiting as well; after that, numbers stand for what they stand for now.
void settle(GLibSelector &selector)
{
    lookOften(selector);
    select(selector, 5ms);
}

/// Selects until @p expected has been among the results of one select, others or not.
bool isFound(GLibSelector &selector, int fd, GLibSelector::Events expected)
{
    const auto start = Clock::now();
    while (Clock::now() - start < Long) {
        const Ready ready = select(selector);
        const auto found = ready.find(fd);
        if (found != ready.end())
            return found->second == expected;
    }
    return false;
}

/// A forked process, which runs a function and ends, or only keeps the files open; gone at the end
/// of the scope.
class Child
{
public:
    Child()
        : Child([] {
            for (;;)
                ::pause();
            return true;
        })
    {
    }
    explicit Child(const std::function<bool()> &function)
        : m_pid(::fork())
    {
        if (m_pid < 0)
            qFatal("fork: %s", std::strerror(errno));
        if (m_pid == 0) {
            ::alarm(30); // in case nobody ends it
            ::_exit(function() ? 0 : 1);
        }
    }
    ~Child()
    {
        if (m_pid > 0)
            ::kill(m_pid, SIGKILL);
        wait();
    }
    Q_DISABLE_COPY_MOVE(Child)

    /// Whether the function ended, and with success.
    bool wait()
    {
        int status = -1;
        if (m_pid <= 0 || ::waitpid(std::exchange(m_pid, -1), &status, 0) < 0)
            return false;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }

private:
    pid_t m_pid;
};

}

void tst_SelectorTraps::closedIsReportedOnce_data()
{
    QTest::addColumn<bool>("isRegularFile");
    QTest::addColumn<bool>("isReadable");
    QTest::addColumn<bool>("isOpenElsewhere");
    QTest::addColumn<bool>("wasLookedAt");
    for (const bool wasLookedAt : {false, true}) {
        const char *looked = wasLookedAt ? "after a look" : "before any look";
        QTest::addRow("regular file, %s", looked) << true << true << false << wasLookedAt;
        QTest::addRow("idle, %s", looked) << false << false << false << wasLookedAt;
        QTest::addRow("readable, %s", looked) << false << true << false << wasLookedAt;
        QTest::addRow("idle, open elsewhere, %s", looked) << false << false << true << wasLookedAt;
        QTest::addRow("readable, open elsewhere, %s", looked)
            << false << true << true << wasLookedAt;
    }
}

void tst_SelectorTraps::closedIsReportedOnce()
{
    QFETCH(bool, isRegularFile);
    QFETCH(bool, isReadable);
    QFETCH(bool, isOpenElsewhere);
    QFETCH(bool, wasLookedAt);

    Channel channel = Channel::socketPair();
    FileDescriptor fd = isRegularFile ? regularFile() : std::move(channel.here);
    const FileDescriptor duplicate = (isOpenElsewhere ? fd : channel.there).duplicate();
    const int number = fd;
    Selector selector;
    int data = 0;
    QVERIFY(!selector.add(number, Read | Exception, &data));
    if (isReadable && !isRegularFile)
        channel.write();
    if (wasLookedAt)
        settle(selector);
    fd.close();

    QVERIFY(!selector.select());
    const auto ready = selector.takeReady();
    QVERIFY(ready);
    QCOMPARE(ready->fd, number);
    QCOMPARE(ready->events, GLibSelector::Events(Invalid));
    QCOMPARE(ready->data, &data);
    QVERIFY(!selector.takeReady());
    QVERIFY(!selector.find(number));
    QVERIFY(!selector.watchesMore());
    QVERIFY(selector.remove(number) == std::errc::no_such_file_or_directory);
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorTraps::closedIsFoundWhileOthersAreReady()
{
    const FileDescriptor file = regularFile();
    const Channel busy = Channel::socketPair();
    for (const int other : {int(file), int(busy.here)}) {
        Selector selector;
        FileDescriptor fd = busy.there.duplicate();
        const int closed = fd;
        QVERIFY(!selector.add(closed, Read));
        QVERIFY(!selector.add(other, Read | Write));
        QVERIFY(!select(selector).empty());
        fd.close();
        QVERIFY(isFound(selector, closed, Invalid));
        QVERIFY(!selector.find(closed));
    }
}

void tst_SelectorTraps::closedCanBeAddedAnew()
{
    const Channel channel = Channel::socketPair();
    const Channel next = Channel::socketPair();
    const int number = channel.here;
    Selector selector;
    QVERIFY(!selector.add(number, Read));
    ::close(number);
    QCOMPARE(select(selector), Ready({{number, Invalid}}));
    reuse(number, next.here);
    QVERIFY(!selector.add(number, Read));
    QCOMPARE(disturbance(selector), QString());
    next.write();
    QCOMPARE(select(selector), Ready({{number, Read}}));
}

void tst_SelectorTraps::allClosedAreReported()
{
    // More than a selector might look at in one step.
    Selector selector;
    Ready expected;
    {
        std::vector<Channel> channels;
        for (int i = 0; i < 100; ++i) {
            channels.push_back(Channel::pipe());
            for (const int fd : {int(channels.back().here), int(channels.back().there)}) {
                QVERIFY(!selector.add(fd, Read));
                expected.emplace(fd, Invalid);
            }
        }
        settle(selector);
    }
    Ready found;
    for (size_t i = 0; i < expected.size() && found.size() < expected.size(); ++i)
        found.merge(select(selector));
    QCOMPARE(found, expected);
    QVERIFY(!selector.watchesMore());
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorTraps::reusedNumberStandsForTheNewFile_data()
{
    QTest::addColumn<bool>("oldIsOpenElsewhere");
    QTest::addColumn<bool>("oldIsReadable");
    for (const bool oldIsOpenElsewhere : {false, true}) {
        for (const bool oldIsReadable : {false, true}) {
            QTest::addRow("%s, %s", oldIsOpenElsewhere ? "open elsewhere" : "gone",
                          oldIsReadable ? "readable" : "idle")
                << oldIsOpenElsewhere << oldIsReadable;
        }
    }
}

void tst_SelectorTraps::reusedNumberStandsForTheNewFile()
{
    QFETCH(bool, oldIsOpenElsewhere);
    QFETCH(bool, oldIsReadable);
    Channel old = Channel::socketPair();
    const Channel next = Channel::socketPair();
    const FileDescriptor duplicate = (oldIsOpenElsewhere ? old : next).here.duplicate();
    const int number = old.here;
    Selector selector;
    QVERIFY(!selector.add(number, Read));
    settle(selector);
    if (oldIsReadable)
        old.write();
    reuse(number, next.here);

    settle(selector);
    QCOMPARE(disturbance(selector), QString());
    // The old one comes to life only now that the selector has settled on the new one.
    if (oldIsOpenElsewhere)
        old.write();
    QCOMPARE(disturbance(selector), QString());
    next.write();
    for (int i = 0; i < 2; ++i)
        QCOMPARE(select(selector), Ready({{number, Read}}));
    drain(number);
    QCOMPARE(disturbance(selector), QString());

    // It can be closed and found out like any other.
    old.here.close();
    QCOMPARE(select(selector), Ready({{number, Invalid}}));
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorTraps::reusedNumberIsFoundWhileOthersAreReady()
{
    const FileDescriptor file = regularFile();
    const Channel busy = Channel::socketPair();
    for (const int other : {int(file), int(busy.here)}) {
        const Channel old = Channel::socketPair();
        const Channel next = Channel::socketPair();
        Selector selector;
        QVERIFY(!selector.add(old.here, Read));
        QVERIFY(!selector.add(other, Read | Write));
        QVERIFY(!select(selector).empty());
        reuse(old.here, next.here);
        next.write();
        QVERIFY(isFound(selector, old.here, Read));
    }
}

void tst_SelectorTraps::reusedNumberMayChangeItsKind_data()
{
    QTest::addColumn<bool>("oldIsOpenElsewhere");
    QTest::newRow("gone") << false;
    QTest::newRow("open elsewhere") << true;
}

void tst_SelectorTraps::reusedNumberMayChangeItsKind()
{
    QFETCH(bool, oldIsOpenElsewhere);
    const Channel channel = Channel::socketPair();
    const Channel old = Channel::socketPair();
    const FileDescriptor file = regularFile();
    const FileDescriptor duplicate = (oldIsOpenElsewhere ? old : channel).here.duplicate();
    const int number = old.here;
    Selector selector;
    QVERIFY(!selector.add(number, Read | Exception));
    settle(selector);

    // From a socket to a regular file, which is always ready, and back.
    for (int i = 0; i < 3; ++i) {
        reuse(number, file);
        settle(selector);
        QCOMPARE(select(selector), Ready({{number, Read}}));
        reuse(number, channel.here);
        settle(selector);
        QCOMPARE(disturbance(selector), QString());
        channel.write();
        QCOMPARE(select(selector), Ready({{number, Read}}));
        drain(number);
    }
    if (oldIsOpenElsewhere)
        old.write();
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorTraps::modifyOfAReusedNumberTakesTheNewFile_data()
{
    QTest::addColumn<bool>("oldIsOpenElsewhere");
    QTest::addColumn<GLibSelector::Events>("before");
    QTest::addColumn<GLibSelector::Events>("after");
    for (const bool elsewhere : {false, true}) {
        const char *where = elsewhere ? "open elsewhere" : "gone";
        QTest::addRow("%s, same", where) << elsewhere << (Read | Exception) << (Read | Exception);
        QTest::addRow("%s, fewer", where) << elsewhere << (Read | Exception) << (Read | 0U);
        QTest::addRow("%s, more", where) << elsewhere << (Exception | 0U) << (Read | Exception);
        QTest::addRow("%s, others", where) << elsewhere << (Exception | 0U) << (Read | 0U);
    }
}

void tst_SelectorTraps::modifyOfAReusedNumberTakesTheNewFile()
{
    QFETCH(bool, oldIsOpenElsewhere);
    QFETCH(GLibSelector::Events, before);
    QFETCH(GLibSelector::Events, after);
    const Channel old = Channel::socketPair();
    const Channel next = Channel::socketPair();
    const FileDescriptor duplicate = (oldIsOpenElsewhere ? old : next).here.duplicate();
    const int number = old.here;
    Selector selector;
    QVERIFY(!selector.add(number, before));
    settle(selector);
    reuse(number, next.here);
    QVERIFY(!selector.modify(number, after));
    if (oldIsOpenElsewhere)
        old.write();
    QCOMPARE(disturbance(selector), QString());
    next.write();
    QCOMPARE(select(selector), Ready({{number, Read}}));
    drain(number);
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorTraps::reusedManyTimes()
{
    Selector selector;
    std::vector<FileDescriptor> duplicates;
    const Channel first = Channel::socketPair();
    const int number = first.here;
    QVERIFY(!selector.add(number, Read));
    std::vector<Channel> channels;
    for (int i = 0; i < 50; ++i) {
        duplicates.push_back(FileDescriptor(::fcntl(number, F_DUPFD_CLOEXEC, 0)));
        channels.push_back(Channel::socketPair());
        reuse(number, channels.back().here);
        if (i % 3)
            select(selector, 1ms);
    }
    // All the old ones come to life at once.
    first.write();
    for (int i = 0; i < 49; ++i)
        channels[size_t(i)].write();
    settle(selector);
    QCOMPARE(disturbance(selector), QString());
    channels.back().write();
    QCOMPARE(select(selector), Ready({{number, Read}}));
}

void tst_SelectorTraps::removedIsNotReported_data()
{
    QTest::addColumn<bool>("isOpenElsewhere");
    QTest::addColumn<bool>("isReused");
    QTest::newRow("closed") << false << false;
    QTest::newRow("closed, open elsewhere") << true << false;
    QTest::newRow("reused") << false << true;
    QTest::newRow("reused, open elsewhere") << true << true;
}

void tst_SelectorTraps::removedIsNotReported()
{
    QFETCH(bool, isOpenElsewhere);
    QFETCH(bool, isReused);
    Channel old = Channel::socketPair();
    const Channel other = Channel::socketPair();
    const FileDescriptor duplicate = (isOpenElsewhere ? old : other).here.duplicate();
    const int number = old.here;
    Selector selector;
    QVERIFY(!selector.add(number, Read));
    QVERIFY(!selector.add(duplicate, Exception));
    settle(selector);
    // The proper order: nothing has happened behind the selector's back.
    QVERIFY(!selector.remove(number));
    if (isReused)
        reuse(number, other.here);
    else
        old.here.close();
    if (isOpenElsewhere)
        old.write();
    other.write();
    QCOMPARE(disturbance(selector), QString());
    QVERIFY(!selector.modify(duplicate, Read));
    QCOMPARE(select(selector), Ready({{duplicate, Read}}));
    QVERIFY(!selector.remove(duplicate));
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorTraps::addedAnewAfterRemove_data()
{
    QTest::addColumn<bool>("oldIsOpenElsewhere");
    QTest::addColumn<bool>("looksInBetween");
    QTest::addColumn<bool>("bothAreReady");
    for (const bool oldIsOpenElsewhere : {false, true}) {
        for (const bool looksInBetween : {false, true}) {
            for (const bool bothAreReady : {false, true}) {
                QTest::addRow("%s, %s%s", oldIsOpenElsewhere ? "open elsewhere" : "gone",
                              looksInBetween ? "after a look" : "at once", bothAreReady ? ", both ready" : "")
                    << oldIsOpenElsewhere << looksInBetween << bothAreReady;
            }
        }
    }
}

void tst_SelectorTraps::addedAnewAfterRemove()
{
    QFETCH(bool, oldIsOpenElsewhere);
    QFETCH(bool, looksInBetween);
    QFETCH(bool, bothAreReady);
    const Channel old = Channel::socketPair();
    const Channel next = Channel::socketPair();
    const FileDescriptor duplicate = (oldIsOpenElsewhere ? old : next).here.duplicate();
    const int number = old.here;
    Selector selector;
    QVERIFY(!selector.add(number, Read));
    settle(selector);
    QVERIFY(!selector.remove(number));
    if (looksInBetween)
        settle(selector);
    reuse(number, next.here);
    QVERIFY(!selector.add(number, Read));
    if (oldIsOpenElsewhere)
        old.write();
    if (!bothAreReady) {
        QCOMPARE(select(selector, 0ns), Ready());
        QCOMPARE(disturbance(selector), QString());
    }
    // Nothing is hidden here, so it must be found at the first look.
    next.write();
    QCOMPARE(select(selector, 0ns), Ready({{number, Read}}));
}

void tst_SelectorTraps::addedAnewMovesToTheSet_data()
{
    QTest::addColumn<bool>("isSameFile");
    QTest::addColumn<bool>("oldIsOpenElsewhere");
    QTest::newRow("the same file") << true << false;
    QTest::newRow("another, and the old one is gone") << false << false;
    QTest::newRow("another, and the old one is open elsewhere") << false << true;
}

/// No wait, which would find out by itself, comes in between.
void tst_SelectorTraps::addedAnewMovesToTheSet()
{
    QFETCH(bool, isSameFile);
    QFETCH(bool, oldIsOpenElsewhere);
    const Channel old = Channel::socketPair();
    const Channel next = Channel::socketPair();
    const FileDescriptor duplicate = (oldIsOpenElsewhere ? old : next).here.duplicate();
    const int number = old.here;
    Selector selector;
    QVERIFY(!selector.add(number, Read));
    settle(selector);
    QVERIFY(!selector.remove(number));
    if (!isSameFile)
        reuse(number, next.here);
    QVERIFY(!selector.add(number, Read));
    lookOften(selector);
    if (oldIsOpenElsewhere) {
        old.write();
        QCOMPARE(select(selector, 0ns), Ready());
    }
    (isSameFile ? old : next).write();
    QCOMPARE(select(selector, 0ns), Ready({{number, Read}}));
    drain(number);
    QCOMPARE(select(selector, 0ns), Ready());
}

void tst_SelectorTraps::fileThatComesBackIsReported_data()
{
    QTest::addColumn<bool>("removes");
    QTest::addColumn<bool>("addsInBetween");
    QTest::addColumn<bool>("looksInBetween");
    QTest::newRow("watched") << false << false << false;
    QTest::newRow("watched, looked at as another") << false << false << true;
    QTest::newRow("removed") << true << false << false;
    QTest::newRow("removed, looked") << true << false << true;
    QTest::newRow("removed, added as another") << true << true << false;
    QTest::newRow("removed, added and looked at as another") << true << true << true;
}

void tst_SelectorTraps::fileThatComesBackIsReported()
{
    QFETCH(bool, removes);
    QFETCH(bool, addsInBetween);
    QFETCH(bool, looksInBetween);
    const Channel channel = Channel::socketPair();
    const Channel other = Channel::socketPair();
    const FileDescriptor duplicate = channel.here.duplicate();
    const int number = channel.here;
    Selector selector;
    QVERIFY(!selector.add(number, Read));
    settle(selector);

    if (removes)
        QVERIFY(!selector.remove(number));
    reuse(number, other.here);
    if (addsInBetween)
        QVERIFY(!selector.add(number, Read));
    if (looksInBetween)
        settle(selector);
    if (addsInBetween)
        QVERIFY(!selector.remove(number));
    reuse(number, duplicate);
    if (removes)
        QVERIFY(!selector.add(number, Read));
    settle(selector);

    other.write();
    QCOMPARE(disturbance(selector), QString());
    channel.write();
    QCOMPARE(select(selector), Ready({{number, Read}}));
    drain(number);
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorTraps::fileMovesToAnotherNumber()
{
    Channel channel = Channel::socketPair();
    const int number = channel.here;
    Selector selector;
    QVERIFY(!selector.add(number, Read));
    settle(selector);
    const FileDescriptor moved = channel.here.duplicate();
    channel.here.close();
    QVERIFY(!selector.add(moved, Read));
    channel.write();
    Ready found = select(selector);
    found.merge(select(selector));
    QCOMPARE(found, Ready({{number, Invalid}, {moved, Read}}));
    QCOMPARE(select(selector), Ready({{moved, Read}}));
    drain(moved);
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorTraps::forkedChildKeepsFilesOpen_data()
{
    QTest::addColumn<bool>("removes");
    QTest::addColumn<bool>("reuses");
    QTest::newRow("closed") << false << false;
    QTest::newRow("removed and closed") << true << false;
    QTest::newRow("reused") << false << true;
    QTest::newRow("removed and reused") << true << true;
}

void tst_SelectorTraps::forkedChildKeepsFilesOpen()
{
    QFETCH(bool, removes);
    QFETCH(bool, reuses);
    Channel channel = Channel::socketPair();
    const Channel next = Channel::socketPair();
    const int number = channel.here;
    Selector selector;
    QVERIFY(!selector.add(number, Read));
    settle(selector);
    const Child child;

    if (removes)
        QVERIFY(!selector.remove(number));
    if (reuses)
        reuse(number, next.here);
    else
        channel.here.close();
    if (removes && reuses)
        QVERIFY(!selector.add(number, Read));
    channel.write();
    if (!removes && !reuses)
        QCOMPARE(select(selector), Ready({{number, Invalid}}));
    settle(selector);
    QCOMPARE(disturbance(selector), QString());
    if (reuses) {
        next.write();
        QCOMPARE(select(selector), Ready({{number, Read}}));
    }
}

void tst_SelectorTraps::forkedChildMayUseTheSelector()
{
    const Channel channel = Channel::socketPair();
    const Channel busy = Channel::socketPair();
    const Channel third = Channel::socketPair();
    Selector selector;
    QVERIFY(!selector.add(channel.here, Read));
    QVERIFY(!selector.add(busy.here, Read));
    busy.write();
    settle(selector);

    Child child([&] {
        // The descriptors are still there, and still ready or not.
        bool isGood = select(selector) == Ready({{busy.here, Read}});
        isGood = isGood && !selector.modify(busy.here, Exception);
        isGood = isGood && disturbance(selector).isEmpty();
        // It would wake the parent, and take its wake-ups, if they shared the means.
        for (int i = 0; i < 10; ++i) {
            selector.wakeUp();
            isGood = isGood && select(selector, std::nullopt).empty();
        }
        isGood = isGood && !selector.remove(channel.here) && !selector.remove(busy.here);
        isGood = isGood && !selector.add(third.here, Write);
        isGood = isGood && select(selector) == Ready({{third.here, Write}});
        selector.close();
        return isGood;
    });
    // Meanwhile and afterwards, nothing has changed here.
    for (int i = 0; i < 20; ++i)
        QCOMPARE(select(selector), Ready({{busy.here, Read}}));
    QVERIFY(child.wait());
    QCOMPARE(select(selector), Ready({{busy.here, Read}}));
    QVERIFY(!selector.modify(busy.here, Exception));
    QCOMPARE(disturbance(selector), QString());
    channel.write();
    QCOMPARE(select(selector), Ready({{channel.here, Read}}));

    // And while the parent is waiting.
    drain(channel.here);
    Child second([&] {
        selector.remove(channel.here);
        for (int i = 0; i < 10; ++i) {
            selector.wakeUp();
            select(selector, 1ms);
        }
        writeTo(channel.there);
        return true;
    });
    QCOMPARE(select(selector), Ready({{channel.here, Read}}));
    QVERIFY(second.wait());
}

void tst_SelectorTraps::forkedChildMayUseItsOwnSelector()
{
    const Channel channel = Channel::socketPair();
    Selector selector;
    QVERIFY(!selector.add(channel.here, Read));
    settle(selector);
    Child child([&] {
        GLibSelector own;
        bool isGood = !own.add(channel.here, Read | Write);
        isGood = isGood && select(own) == Ready({{channel.here, Write}});
        isGood = isGood && !own.remove(channel.here);
        return isGood && disturbance(own).isEmpty();
    });
    QVERIFY(child.wait());
    QCOMPARE(disturbance(selector), QString());
    channel.write();
    QCOMPARE(select(selector), Ready({{channel.here, Read}}));
}

int main(int argc, char **argv)
{
    int failures = 0;
    for (const bool isSecond : {false, true}) {
        hasEpollSet = isSecond;
        tst_SelectorTraps test;
        failures += QTest::qExec(&test, argc, argv);
    }
    return failures;
}

#include "tst_selectortraps.moc"
