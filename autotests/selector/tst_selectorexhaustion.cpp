// SPDX-License-Identifier: MIT

#include "selectortest.h"
#include "systemcalls.h"

#include <sys/resource.h>
#include <sys/wait.h>

/**
 * The kernel has no descriptor, no memory or no watches left, or a poll fails. poll(2) needs none of them, so
 * descriptors are watched all the same. And what the kernel is asked for when nothing is wrong.
 */
class tst_SelectorExhaustion : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void additionsFail_data();
    void additionsFail();
    void descriptorsReturnToTheSet();

    void noDescriptorForANewSet_data();
    void noDescriptorForANewSet();
    void noDescriptorFromTheStart();
    void forkedChildWithoutADescriptor();

    void failingPollIsReported();
    void rareWakeUpBesideManyIdleOnes_data();
    void rareWakeUpBesideManyIdleOnes();
};

namespace {

constexpr auto Read = GLibSelector::Read;
constexpr auto Write = GLibSelector::Write;
constexpr auto Exception = GLibSelector::Exception;

/// More looks than it takes until an idle descriptor is moved to the epoll set.
constexpr int ManyLooks = 100;

void look(GLibSelector &selector, int looks = ManyLooks)
{
    for (int i = 0; i < looks; ++i)
        select(selector, 0ns);
}

/// Has this process open as many descriptors as it may, to the end of its scope.
class NoDescriptorLeft
{
public:
    NoDescriptorLeft()
    {
        ::getrlimit(RLIMIT_NOFILE, &m_limit);
        rlimit lower = m_limit;
        lower.rlim_cur = 512;
        if (::setrlimit(RLIMIT_NOFILE, &lower) != 0)
            qFatal("setrlimit: %s", std::strerror(errno));
        for (int fd; (fd = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0;)
            m_fds.push_back(FileDescriptor(fd));
    }
    ~NoDescriptorLeft() { ::setrlimit(RLIMIT_NOFILE, &m_limit); }
    Q_DISABLE_COPY_MOVE(NoDescriptorLeft)

    /// Again, after one was closed.
    void takeTheRest()
    {
        for (int fd; (fd = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0;)
            m_fds.push_back(FileDescriptor(fd));
    }

private:
    rlimit m_limit{};
    std::vector<FileDescriptor> m_fds;
};

std::vector<Channel> channels(size_t count)
{
    std::vector<Channel> all;
    for (size_t i = 0; i < count; ++i)
        all.push_back(Channel::socketPair());
    return all;
}

}

void tst_SelectorExhaustion::additionsFail_data()
{
    QTest::addColumn<int>("error");
    QTest::newRow("ELOOP") << ELOOP;
    QTest::newRow("ENOSPC") << ENOSPC;
    QTest::newRow("ENOMEM") << ENOMEM;
    QTest::newRow("EINVAL") << EINVAL;
    QTest::newRow("EPERM") << EPERM;
}

void tst_SelectorExhaustion::additionsFail()
{
    QFETCH(int, error);
    const Channel before = Channel::socketPair();
    const std::vector<Channel> others = channels(10);
    GLibSelector selector;
    const IdleDescriptors idle(selector);
    QVERIFY(!selector.add(before.here, Read));
    look(selector);
    const SystemCalls::FailingAdditions failing(error);
    for (const Channel &other : others)
        QVERIFY(!selector.add(other.here, Read));
    look(selector);
    QCOMPARE(disturbance(selector), QString());
    for (const Channel &other : others) {
        other.write();
        QCOMPARE(select(selector), Ready({{other.here, Read}}));
        drain(other.here);
    }
    before.write();
    QCOMPARE(select(selector), Ready({{before.here, Read}}));
    drain(before.here);
    QVERIFY(!selector.modify(before.here, Read | Write));
    QCOMPARE(select(selector), Ready({{before.here, Write}}));
    QVERIFY(!selector.modify(before.here, Exception));
    QCOMPARE(disturbance(selector), QString());
    QCOMPARE(selector.descriptors().size(), others.size() + 1 + IdleDescriptors::Count);
}

void tst_SelectorExhaustion::descriptorsReturnToTheSet()
{
    const std::vector<Channel> all = channels(10);
    GLibSelector selector;
    {
        const SystemCalls::FailingAdditions failing(ENOSPC);
        for (const Channel &channel : all)
            QVERIFY(!selector.add(channel.here, Read));
        look(selector);
        // It is not asked in each look.
        const int controls = SystemCalls::controls();
        look(selector, 1000);
        QVERIFY2(SystemCalls::controls() - controls < 100,
                 qPrintable(QString::number(SystemCalls::controls() - controls)));
    }
    // Idle ones leave the poll when there is room in the set: then a change is a system call.
    look(selector, 2000);
    const int controls = SystemCalls::controls();
    for (const Channel &channel : all)
        QVERIFY(!selector.remove(channel.here));
    look(selector, 1);
    const bool hasEpoll = qgetenv("GLIBEVENTDISPATCHER_BACKEND") != "poll" && controls > 0;
    QCOMPARE(SystemCalls::controls() - controls, hasEpoll ? int(all.size()) : 0);
}

void tst_SelectorExhaustion::noDescriptorForANewSet_data()
{
    QTest::addColumn<bool>("removesFirst");
    QTest::newRow("removed and closed") << true;
    QTest::newRow("closed") << false;
}

/// A file that cannot be removed from the set takes a new set to get rid of.
void tst_SelectorExhaustion::noDescriptorForANewSet()
{
    QFETCH(bool, removesFirst);
    Channel channel = Channel::socketPair();
    const FileDescriptor duplicate = channel.here.duplicate();
    const std::vector<Channel> others = channels(20);
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    for (const Channel &other : others)
        QVERIFY(!selector.add(other.here, Read));
    look(selector);
    NoDescriptorLeft none;
    if (removesFirst)
        QVERIFY(!selector.remove(channel.here));
    channel.here.close();
    none.takeTheRest();
    channel.write();
    for (int i = 0; i < 3; ++i) {
        select(selector, 5ms);
        none.takeTheRest();
    }
    QCOMPARE(disturbance(selector), QString());
    for (const Channel &other : others) {
        other.write();
        QCOMPARE(select(selector), Ready({{other.here, Read}}));
        drain(other.here);
    }
}

void tst_SelectorExhaustion::noDescriptorFromTheStart()
{
    const std::vector<Channel> all = channels(20);
    GLibSelector selector;
    const NoDescriptorLeft none;
    for (const Channel &channel : all)
        QVERIFY(!selector.add(channel.here, Read));
    look(selector);
    QCOMPARE(disturbance(selector), QString());
    for (const Channel &channel : all) {
        channel.write();
        QCOMPARE(select(selector), Ready({{channel.here, Read}}));
        drain(channel.here);
    }
}

void tst_SelectorExhaustion::forkedChildWithoutADescriptor()
{
    const std::vector<Channel> all = channels(20);
    GLibSelector selector;
    for (const Channel &channel : all)
        QVERIFY(!selector.add(channel.here, Read));
    look(selector);
    NoDescriptorLeft none;
    const pid_t child = ::fork();
    QVERIFY(child >= 0);
    if (child == 0) {
        ::alarm(30);
        for (size_t i = 0; i < all.size(); ++i) {
            if (i % 2)
                selector.remove(all[i].here);
            else
                selector.modify(all[i].here, Write);
            look(selector, 2);
            none.takeTheRest(); // what the set of the parent leaves free in this process
        }
        const bool isGood = select(selector).size() == all.size() / 2;
        ::_exit(isGood ? 0 : 1);
    }
    int status = -1;
    QCOMPARE(::waitpid(child, &status, 0), child);
    QVERIFY(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    // Nothing has changed here.
    QCOMPARE(disturbance(selector), QString());
    for (const Channel &channel : all) {
        channel.write();
        QCOMPARE(select(selector), Ready({{channel.here, Read}}));
        drain(channel.here);
    }
}

void tst_SelectorExhaustion::failingPollIsReported()
{
    const Channel channel = Channel::socketPair();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    channel.write();
    {
        const SystemCalls::FailingPolls failing(ENOMEM);
        const std::error_code error = selector.select(Long);
        QCOMPARE(error.value(), ENOMEM);
        QVERIFY(!selector.takeReady());
    }
    QCOMPARE(select(selector), Ready({{channel.here, Read}}));
}

void tst_SelectorExhaustion::rareWakeUpBesideManyIdleOnes_data()
{
    QTest::addColumn<int>("count");
    QTest::newRow("100") << 100;
    QTest::newRow("2000") << 2000;
}

void tst_SelectorExhaustion::rareWakeUpBesideManyIdleOnes()
{
    QFETCH(int, count);
    const Channel channel = Channel::socketPair();
    std::vector<FileDescriptor> idle;
    GLibSelector selector;
    for (int i = 0; i < count; ++i) {
        idle.push_back(channel.there.duplicate());
        QVERIFY(!selector.add(idle.back(), Read));
    }
    look(selector);
    for (int i = 0; i < 5; ++i) {
        std::this_thread::sleep_for(100ms);
        const int controls = SystemCalls::controls();
        QCOMPARE(select(selector, 1ms), Ready());
        const int made = SystemCalls::controls() - controls;
        QVERIFY2(made <= 100, qPrintable(u"%1 calls of epoll_ctl()"_s.arg(made)));
    }
}

QTEST_APPLESS_MAIN(tst_SelectorExhaustion)

#include "tst_selectorexhaustion.moc"
