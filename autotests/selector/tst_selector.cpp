// SPDX-License-Identifier: MIT

#include "selectortest.h"

#include <limits>
#include <set>
#include <tuple>

#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>

/// The set of descriptors, the errors, and what is reported as ready.
class tst_Selector : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void startsEmpty();
    void addedDescriptorIsListed();
    void modifyReplacesEventsAndData();
    void removedDescriptorIsForgotten();
    void removedDescriptorCanBeAddedAgain();
    void descriptorsAreListedByAscendingNumber();

    void addRefusesWhatIsNotOpen();
    void addRefusesWhatIsThereAlready();
    void modifyRefusesWhatWasNeverAdded();
    void modifyRefusesWhatIsNotOpen_data();
    void modifyRefusesWhatIsNotOpen();
    void impossibleEventsAreRefused_data();
    void impossibleEventsAreRefused();
    void removeRefusesWhatWasNeverAdded();
    void closedDescriptorCanBeRemoved();
    void afterCloseEverythingIsRefused();
    void otherThreadsAreRefused();
    void belongsToTheThreadThatUsesItFirst_data();
    void belongsToTheThreadThatUsesItFirst();

    void reportsWhatWasAskedFor_data();
    void reportsWhatWasAskedFor();
    void reportsTheCallersData();
    void reportsAgainWhatIsStillReady();
    void followsModify();
    void followsRemove();
    void regularFilesAreAlwaysReady_data();
    void regularFilesAreAlwaysReady();
    void regularFilesDoNotHideOthers();
    void hangUpIsReadinessOfWhatWasAskedFor_data();
    void hangUpIsReadinessOfWhatWasAskedFor();
    void errorIsReadinessOfWhatWasAskedFor_data();
    void errorIsReadinessOfWhatWasAskedFor();
    void outOfBandDataIsAnException();
    void twoNumbersOfOneFileAreTwoDescriptors();
    void manyDescriptors();

    void resultsThatWereNotTakenAreFoundAgain();
    void closedDescriptorThatWasNotTakenIsFoundAgain();
    void selectReplacesTheResults();
    void resultOfARemovedDescriptorIsDropped();
    void resultOfAReplacedDescriptorIsDropped();
    void resultThatIsNoLongerAskedForIsDropped();
    void resultIsNotMoreThanWasFound();
    void addingWhileWalkingKeepsTheOtherResults();
    void lastResultsSurviveNothing();
};

namespace {

constexpr auto Read = GLibSelector::Read;
constexpr auto Write = GLibSelector::Write;
constexpr auto Exception = GLibSelector::Exception;
using Events = GLibSelector::Events;

/// A number that stands for no open file.
int closedNumber()
{
    return Channel::pipe().here;
}

using Listed = std::vector<std::tuple<int, Events, void *>>;

Listed list(const GLibSelector &selector)
{
    Listed listed;
    for (const GLibSelector::Descriptor &descriptor : selector.descriptors())
        listed.emplace_back(descriptor.fd, descriptor.events, descriptor.data);
    return listed;
}

/// Two sockets that know out-of-band data.
Channel tcpConnection()
{
    const FileDescriptor server(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto *const generic = reinterpret_cast<sockaddr *>(&address);
    if (::bind(server, generic, length) != 0 || ::listen(server, 1) != 0
        || ::getsockname(server, generic, &length) != 0)
        qFatal("no server: %s", std::strerror(errno));
    const int client = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(client, generic, length) != 0)
        qFatal("connect: %s", std::strerror(errno));
    return Channel({::accept(server, nullptr, nullptr), client});
}

}

void tst_Selector::startsEmpty()
{
    GLibSelector selector;
    QVERIFY(list(selector).empty());
    QVERIFY(!selector.find(0));
    QVERIFY(!selector.find(-1));
    QVERIFY(!selector.takeReady());
    QVERIFY(!selector.select(0ns));
    QVERIFY(!selector.takeReady());
}

void tst_Selector::addedDescriptorIsListed()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    int data = 0;
    QVERIFY(!selector.add(channel.here, Read | Exception, &data));

    const auto found = selector.find(channel.here);
    QVERIFY(found);
    QCOMPARE(found->fd, int(channel.here));
    QCOMPARE(found->events, Read | Exception);
    QCOMPARE(found->data, &data);
    QVERIFY(list(selector) == Listed({{channel.here, Read | Exception, &data}}));
    QVERIFY(!selector.find(channel.there));
}

void tst_Selector::modifyReplacesEventsAndData()
{
    const Channel channel = Channel::socketPair();
    GLibSelector selector;
    int data = 0;
    int otherData = 0;
    QVERIFY(!selector.add(channel.here, Read, &data));
    QVERIFY(!selector.modify(channel.here, Read | Write, &otherData));
    QVERIFY(list(selector) == Listed({{channel.here, Read | Write, &otherData}}));
    QVERIFY(!selector.modify(channel.here, Exception, &otherData));
    QVERIFY(list(selector) == Listed({{channel.here, Exception, &otherData}}));
    QVERIFY(!selector.modify(channel.here, Exception));
    QVERIFY(list(selector) == Listed({{channel.here, Exception, nullptr}}));
}

void tst_Selector::removedDescriptorIsForgotten()
{
    const Channel channel = Channel::socketPair();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    QVERIFY(!selector.add(channel.there, Read));
    QVERIFY(!selector.remove(channel.here));
    QVERIFY(!selector.find(channel.here));
    QVERIFY(list(selector) == Listed({{channel.there, Read, nullptr}}));
}

void tst_Selector::removedDescriptorCanBeAddedAgain()
{
    const Channel channel = Channel::socketPair();
    GLibSelector selector;
    channel.write();
    for (int i = 0; i < 3; ++i) {
        QVERIFY(!selector.add(channel.here, i % 2 ? Read : Write));
        QCOMPARE(select(selector), Ready({{channel.here, i % 2 ? Read : Write}}));
        QVERIFY(!selector.remove(channel.here));
    }
}

void tst_Selector::descriptorsAreListedByAscendingNumber()
{
    const Channel first = Channel::pipe();
    const Channel second = Channel::pipe();
    GLibSelector selector;
    std::set<int> numbers;
    for (const int fd : {int(second.there), int(first.here), int(second.here), int(first.there)}) {
        numbers.insert(fd);
        QVERIFY(!selector.add(fd, Read));
    }
    std::vector<int> listed;
    for (const GLibSelector::Descriptor &descriptor : selector.descriptors())
        listed.push_back(descriptor.fd);
    QVERIFY(listed == std::vector<int>(numbers.begin(), numbers.end()));
}

void tst_Selector::addRefusesWhatIsNotOpen()
{
    GLibSelector selector;
    const int closed = closedNumber();
    for (const int fd : {-1, -1000, std::numeric_limits<int>::min(), closed,
                         std::numeric_limits<int>::max()}) {
        QVERIFY(selector.add(fd, Read) == std::errc::bad_file_descriptor);
        QVERIFY(!selector.find(fd));
    }
    QVERIFY(list(selector).empty());
    QCOMPARE(disturbance(selector), QString());
}

void tst_Selector::addRefusesWhatIsThereAlready()
{
    const Channel channel = Channel::socketPair();
    GLibSelector selector;
    int data = 0;
    QVERIFY(!selector.add(channel.here, Read, &data));
    QVERIFY(selector.add(channel.here, Read, &data) == std::errc::file_exists);
    QVERIFY(selector.add(channel.here, Write) == std::errc::file_exists);
    QVERIFY(list(selector) == Listed({{channel.here, Read, &data}}));
    QCOMPARE(disturbance(selector), QString());
}

void tst_Selector::modifyRefusesWhatWasNeverAdded()
{
    const Channel channel = Channel::socketPair();
    GLibSelector selector;
    QVERIFY(selector.modify(channel.here, Read) == std::errc::no_such_file_or_directory);
    QVERIFY(selector.modify(-1, Read) == std::errc::bad_file_descriptor);
    QVERIFY(!selector.add(channel.here, Read));
    QVERIFY(!selector.remove(channel.here));
    QVERIFY(selector.modify(channel.here, Read) == std::errc::no_such_file_or_directory);
    QVERIFY(list(selector).empty());
}

void tst_Selector::modifyRefusesWhatIsNotOpen_data()
{
    QTest::addColumn<Events>("events");
    QTest::newRow("same") << Events(Read | Write);
    QTest::newRow("fewer") << Events(Read);
    QTest::newRow("more") << Events(Read | Write | Exception);
    QTest::newRow("others") << Events(Exception);
}

void tst_Selector::modifyRefusesWhatIsNotOpen()
{
    QFETCH(Events, events);
    Channel channel = Channel::socketPair();
    GLibSelector selector;
    const int number = channel.here;
    int data = 0;
    QVERIFY(!selector.add(number, Read | Write, &data));
    QCOMPARE(select(selector), Ready({{number, Write}}));
    channel.here.close();
    QVERIFY(selector.modify(number, events) == std::errc::bad_file_descriptor);
    QVERIFY(list(selector) == Listed({{number, Read | Write, &data}}));
}

void tst_Selector::impossibleEventsAreRefused_data()
{
    QTest::addColumn<Events>("events");
    QTest::newRow("none") << Events(0);
    QTest::newRow("invalid") << Events(GLibSelector::Invalid);
    QTest::newRow("read and invalid") << Events(Read | GLibSelector::Invalid);
    QTest::newRow("hang-up") << Events(G_IO_HUP);
    QTest::newRow("write and error") << (Events(Write) | G_IO_ERR);
    QTest::newRow("read and a bit that epoll knows") << Events(Read | 1U << 31);
}

void tst_Selector::impossibleEventsAreRefused()
{
    QFETCH(Events, events);
    const Channel channel = Channel::socketPair();
    GLibSelector selector;
    QVERIFY(selector.add(channel.here, events) == std::errc::invalid_argument);
    QVERIFY(list(selector).empty());

    int data = 0;
    QVERIFY(!selector.add(channel.here, Read, &data));
    QVERIFY(selector.modify(channel.here, events) == std::errc::invalid_argument);
    QVERIFY(list(selector) == Listed({{channel.here, Read, &data}}));
    QCOMPARE(disturbance(selector), QString());
    channel.write();
    QCOMPARE(select(selector), Ready({{channel.here, Read}}));
}

void tst_Selector::removeRefusesWhatWasNeverAdded()
{
    const Channel channel = Channel::socketPair();
    GLibSelector selector;
    QVERIFY(selector.remove(channel.here) == std::errc::no_such_file_or_directory);
    QVERIFY(selector.remove(std::numeric_limits<int>::max())
            == std::errc::no_such_file_or_directory);
    QVERIFY(selector.remove(-1));
    QVERIFY(!selector.add(channel.here, Read));
    QVERIFY(!selector.remove(channel.here));
    QVERIFY(selector.remove(channel.here) == std::errc::no_such_file_or_directory);
}

void tst_Selector::closedDescriptorCanBeRemoved()
{
    Channel channel = Channel::socketPair();
    GLibSelector selector;
    const int number = channel.here;
    QVERIFY(!selector.add(number, Read));
    channel.here.close();
    QVERIFY(!selector.remove(number));
    QVERIFY(list(selector).empty());
    QCOMPARE(disturbance(selector), QString());
}

void tst_Selector::afterCloseEverythingIsRefused()
{
    const Channel channel = Channel::socketPair();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Write));
    QVERIFY(!selector.select(0ns));
    selector.close();

    QVERIFY(!selector.takeReady());
    QVERIFY(selector.add(channel.there, Read) == std::errc::bad_file_descriptor);
    QVERIFY(selector.add(channel.here, Read) == std::errc::bad_file_descriptor);
    QVERIFY(selector.modify(channel.here, Read) == std::errc::bad_file_descriptor);
    QVERIFY(selector.remove(channel.here) == std::errc::bad_file_descriptor);
    QVERIFY(selector.select() == std::errc::bad_file_descriptor);
    QVERIFY(selector.select(0ns) == std::errc::bad_file_descriptor);
    QVERIFY(!selector.find(channel.here));
    QVERIFY(list(selector).empty());
    selector.wakeUp();
    selector.close();
    // The descriptor itself stays open.
    QVERIFY(::fcntl(channel.here, F_GETFD) >= 0);
}

void tst_Selector::otherThreadsAreRefused()
{
    const Channel channel = Channel::socketPair();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Write));
    QVERIFY(!selector.select(0ns));

    QList<std::error_code> errors;
    bool foundAnything = true;
    inAnotherThread([&] {
        errors = {selector.add(channel.there, Read), selector.add(channel.here, Read),
                  selector.modify(channel.here, Read), selector.remove(channel.here),
                  selector.select(), selector.select(0ns)};
        foundAnything = selector.find(channel.here) || selector.takeReady()
            || !selector.descriptors().empty();
    });
    for (const std::error_code &error : std::as_const(errors))
        QVERIFY(error == std::errc::operation_not_permitted);
    QVERIFY(!foundAnything);

    QVERIFY(list(selector) == Listed({{channel.here, Write, nullptr}}));
    QCOMPARE(takeAll(selector), Ready({{channel.here, Write}}));
}

void tst_Selector::belongsToTheThreadThatUsesItFirst_data()
{
    QTest::addColumn<bool>("bySelect");
    QTest::newRow("adds") << false;
    QTest::newRow("selects") << true;
}

void tst_Selector::belongsToTheThreadThatUsesItFirst()
{
    QFETCH(bool, bySelect);
    const Channel channel = Channel::socketPair();
    GLibSelector selector;
    // Not yet a use that counts.
    QVERIFY(!selector.find(channel.here));
    QVERIFY(list(selector).empty());

    std::error_code error;
    inAnotherThread([&] {
        error = bySelect ? selector.select(0ns) : selector.add(channel.here, Read);
    });
    QVERIFY(!error);
    QVERIFY(selector.select(0ns) == std::errc::operation_not_permitted);
    QVERIFY(selector.add(channel.here, Read) == std::errc::operation_not_permitted);
    QVERIFY(selector.remove(channel.here) == std::errc::operation_not_permitted);
}

void tst_Selector::reportsWhatWasAskedFor_data()
{
    QTest::addColumn<bool>("dataIsThere");
    QTest::addColumn<bool>("bufferIsFull");
    QTest::addColumn<Events>("asked");
    QTest::addColumn<Events>("expected");
    for (const bool dataIsThere : {false, true}) {
        for (const bool bufferIsFull : {false, true}) {
            for (const Events asked : {Events(Read), Events(Write), Events(Exception),
                                       Read | Write, Read | Exception, Write | Exception,
                                       Read | Write | Exception}) {
                const Events expected =
                    asked & ((dataIsThere ? Read : 0U) | (bufferIsFull ? 0U : Write));
                QTest::addRow("%s, %s, asked for %u", dataIsThere ? "data" : "no data",
                              bufferIsFull ? "full" : "not full", asked)
                    << dataIsThere << bufferIsFull << asked << expected;
            }
        }
    }
}

void tst_Selector::reportsWhatWasAskedFor()
{
    QFETCH(bool, dataIsThere);
    QFETCH(bool, bufferIsFull);
    QFETCH(Events, asked);
    QFETCH(Events, expected);

    const Channel channel = Channel::socketPair();
    if (dataIsThere)
        channel.write();
    if (bufferIsFull) {
        const QByteArray block(4096, 'x');
        while (::write(channel.here, block.constData(), size_t(block.size())) > 0) { }
    }
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, asked));
    const Ready ready = expected ? Ready({{channel.here, expected}}) : Ready();
    QCOMPARE(select(selector, 0ns), ready);
    QCOMPARE(select(selector, 1ms), ready);
}

void tst_Selector::reportsTheCallersData()
{
    const Channel first = Channel::socketPair();
    const Channel second = Channel::socketPair();
    GLibSelector selector;
    int one = 1;
    int two = 2;
    QVERIFY(!selector.add(first.here, Write, &one));
    QVERIFY(!selector.add(second.here, Write, &two));
    QVERIFY(!selector.select(0ns));
    QVERIFY(!selector.modify(second.here, Write, &one));
    std::map<int, void *> reported;
    while (const auto ready = selector.takeReady())
        reported.emplace(ready->fd, ready->data);
    QVERIFY(reported == (std::map<int, void *>{{first.here, &one}, {second.here, &one}}));
}

void tst_Selector::reportsAgainWhatIsStillReady()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    channel.write();
    for (int i = 0; i < 3; ++i)
        QCOMPARE(select(selector), Ready({{channel.here, Read}}));
    drain(channel.here);
    QCOMPARE(disturbance(selector), QString());
    channel.write();
    QCOMPARE(select(selector), Ready({{channel.here, Read}}));
}

void tst_Selector::followsModify()
{
    const Channel channel = Channel::socketPair();
    channel.write();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Exception));
    QCOMPARE(disturbance(selector), QString());
    // More, less, others, the same; with and without a look in between.
    for (const Events events : {Events(Read), Read | Write, Events(Write), Read | Exception,
                                Read | Exception, Events(Exception)}) {
        QVERIFY(!selector.modify(channel.here, events));
        const Events expected = events & (Read | Write);
        QCOMPARE(select(selector, 0ns), expected ? Ready({{channel.here, expected}}) : Ready());
    }
    QVERIFY(!selector.modify(channel.here, Read | Write));
    QVERIFY(!selector.modify(channel.here, Exception));
    QCOMPARE(disturbance(selector), QString());
    QVERIFY(!selector.modify(channel.here, Read));
    QVERIFY(!selector.modify(channel.here, Exception));
    QVERIFY(!selector.modify(channel.here, Write));
    QCOMPARE(select(selector), Ready({{channel.here, Write}}));
}

void tst_Selector::followsRemove()
{
    const Channel first = Channel::socketPair();
    const Channel second = Channel::socketPair();
    first.write();
    second.write();
    GLibSelector selector;
    QVERIFY(!selector.add(first.here, Read));
    QVERIFY(!selector.add(second.here, Read));
    QCOMPARE(select(selector), Ready({{first.here, Read}, {second.here, Read}}));
    QVERIFY(!selector.remove(first.here));
    QCOMPARE(select(selector), Ready({{second.here, Read}}));
    QVERIFY(!selector.remove(second.here));
    QCOMPARE(disturbance(selector), QString());
    // Removed before the selector has ever looked.
    QVERIFY(!selector.add(first.here, Read));
    QVERIFY(!selector.remove(first.here));
    QCOMPARE(disturbance(selector), QString());
}

void tst_Selector::regularFilesAreAlwaysReady_data()
{
    QTest::addColumn<QString>("path");
    const QString file = QFINDTESTDATA("tst_selector.cpp");
    QVERIFY(!file.isEmpty());
    for (const QString &path : {file, QFileInfo(file).path(), u"/dev/null"_s})
        QTest::newRow(qPrintable(QFileInfo(path).fileName())) << path;
}

void tst_Selector::regularFilesAreAlwaysReady()
{
    QFETCH(QString, path);
    const FileDescriptor fd(::open(path.toLocal8Bit().constData(), O_RDONLY | O_CLOEXEC));
    GLibSelector selector;
    QVERIFY(!selector.add(fd, Read));
    for (const Events events : {Events(Read), Events(Write), Read | Write, Read | Exception,
                                Read | Write | Exception}) {
        QVERIFY(!selector.modify(fd, events));
        for (const auto timeout : {std::optional<Duration>(0ns), std::optional<Duration>()})
            QCOMPARE(select(selector, timeout), Ready({{fd, events & (Read | Write)}}));
    }
    // They never have what poll(2) calls exceptional.
    QVERIFY(!selector.modify(fd, Exception));
    QCOMPARE(disturbance(selector), QString());
    QVERIFY(!selector.modify(fd, Read));
    QCOMPARE(select(selector), Ready({{fd, Read}}));
    QVERIFY(!selector.remove(fd));
    QCOMPARE(disturbance(selector), QString());
}

void tst_Selector::regularFilesDoNotHideOthers()
{
    const FileDescriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    const Channel channel = Channel::socketPair();
    GLibSelector selector;
    QVERIFY(!selector.add(null, Write));
    QVERIFY(!selector.add(channel.here, Read));
    QCOMPARE(select(selector), Ready({{null, Write}}));
    channel.write();
    QCOMPARE(select(selector), Ready({{null, Write}, {channel.here, Read}}));
}

void tst_Selector::hangUpIsReadinessOfWhatWasAskedFor_data()
{
    QTest::addColumn<Events>("asked");
    QTest::newRow("read") << Events(Read);
    QTest::newRow("write") << Events(Write);
    QTest::newRow("exception") << Events(Exception);
    QTest::newRow("all") << (Read | Write | Exception);
}

void tst_Selector::hangUpIsReadinessOfWhatWasAskedFor()
{
    QFETCH(Events, asked);
    Channel channel = Channel::socketPair();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Exception));
    QCOMPARE(select(selector, 0ns), Ready());
    QVERIFY(!selector.modify(channel.here, asked));
    channel.there.close();
    pollfd polled{channel.here, POLLIN, 0};
    QCOMPARE(::poll(&polled, 1, 0), 1);
    QVERIFY(polled.revents & POLLHUP);
    for (int i = 0; i < 2; ++i)
        QCOMPARE(select(selector), Ready({{channel.here, asked}}));
}

void tst_Selector::errorIsReadinessOfWhatWasAskedFor_data()
{
    hangUpIsReadinessOfWhatWasAskedFor_data();
}

void tst_Selector::errorIsReadinessOfWhatWasAskedFor()
{
    QFETCH(Events, asked);
    // The writing end of a pipe that nobody can read any more.
    Channel channel = Channel::pipe();
    channel.here.close();
    pollfd polled{channel.there, POLLIN, 0};
    QCOMPARE(::poll(&polled, 1, 0), 1);
    QVERIFY(polled.revents & POLLERR);
    GLibSelector selector;
    QVERIFY(!selector.add(channel.there, asked));
    for (int i = 0; i < 2; ++i)
        QCOMPARE(select(selector), Ready({{channel.there, asked}}));
}

void tst_Selector::outOfBandDataIsAnException()
{
    const Channel connection = tcpConnection();
    GLibSelector selector;
    QVERIFY(!selector.add(connection.here, Exception));
    QCOMPARE(disturbance(selector), QString());
    QCOMPARE(::send(connection.there, "x", 1, MSG_OOB), 1);
    QCOMPARE(select(selector), Ready({{connection.here, Exception}}));
    QVERIFY(!selector.modify(connection.here, Read));
    QCOMPARE(disturbance(selector), QString());
    QVERIFY(!selector.modify(connection.here, Read | Write | Exception));
    QCOMPARE(select(selector), Ready({{connection.here, Write | Exception}}));
    char byte = 0;
    QCOMPARE(::recv(connection.here, &byte, 1, MSG_OOB), 1);
    QVERIFY(!selector.modify(connection.here, Exception));
    QCOMPARE(disturbance(selector), QString());
}

void tst_Selector::twoNumbersOfOneFileAreTwoDescriptors()
{
    const Channel channel = Channel::socketPair();
    FileDescriptor duplicate = channel.here.duplicate();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    QVERIFY(!selector.add(duplicate, Write));
    QCOMPARE(select(selector), Ready({{duplicate, Write}}));
    channel.write();
    QCOMPARE(select(selector), Ready({{channel.here, Read}, {duplicate, Write}}));
    QVERIFY(!selector.remove(duplicate));
    duplicate.close();
    QCOMPARE(select(selector), Ready({{channel.here, Read}}));
}

void tst_Selector::manyDescriptors()
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const int pairs = limit.rlim_cur < 1000 ? 100 : 400;

    GLibSelector selector;
    std::vector<Channel> channels;
    for (int i = 0; i < pairs; ++i) {
        channels.push_back(Channel::socketPair());
        QVERIFY(!selector.add(channels.back().here, Read));
    }
    QCOMPARE(disturbance(selector), QString());

    for (const int step : {1, 2, 7, pairs - 1}) {
        Ready expected;
        for (int i = 0; i < pairs; i += step) {
            channels[size_t(i)].write();
            expected.emplace(channels[size_t(i)].here, Read);
        }
        QCOMPARE(select(selector), expected);
        for (const auto &[fd, events] : expected)
            drain(fd);
        QCOMPARE(select(selector, 0ns), Ready());
    }
    // What is removed in the middle does not confuse the rest.
    for (int i = 0; i < pairs; i += 3)
        QVERIFY(!selector.remove(channels[size_t(i)].here));
    Ready expected;
    for (int i = 0; i < pairs; ++i) {
        channels[size_t(i)].write();
        if (i % 3)
            expected.emplace(channels[size_t(i)].here, Read);
    }
    QCOMPARE(select(selector), expected);
}

void tst_Selector::resultsThatWereNotTakenAreFoundAgain()
{
    const Channel first = Channel::socketPair();
    const Channel second = Channel::socketPair();
    GLibSelector selector;
    QVERIFY(!selector.add(first.here, Write));
    QVERIFY(!selector.add(second.here, Write));
    for (int i = 0; i < 3; ++i) {
        QVERIFY(!selector.select());
        QVERIFY(selector.takeReady());
    }
    QCOMPARE(select(selector), Ready({{first.here, Write}, {second.here, Write}}));
}

void tst_Selector::closedDescriptorThatWasNotTakenIsFoundAgain()
{
    Channel channel = Channel::socketPair();
    GLibSelector selector;
    const int number = channel.here;
    QVERIFY(!selector.add(number, Read));
    channel.here.close();
    QVERIFY(!selector.select());
    // At once: there is nothing else to wait for.
    QCOMPARE(select(selector), Ready({{number, GLibSelector::Invalid}}));
    QVERIFY(list(selector).empty());
    QCOMPARE(disturbance(selector), QString());
}

void tst_Selector::selectReplacesTheResults()
{
    const Channel first = Channel::socketPair();
    const Channel second = Channel::socketPair();
    GLibSelector selector;
    QVERIFY(!selector.add(first.here, Read));
    QVERIFY(!selector.add(second.here, Read));
    first.write();
    QVERIFY(!selector.select());
    drain(first.here);
    second.write();
    QVERIFY(!selector.select());
    QCOMPARE(takeAll(selector), Ready({{second.here, Read}}));
}

void tst_Selector::resultOfARemovedDescriptorIsDropped()
{
    std::vector<Channel> channels;
    GLibSelector selector;
    for (int i = 0; i < 4; ++i) {
        channels.push_back(Channel::socketPair());
        QVERIFY(!selector.add(channels.back().here, Write));
    }
    QVERIFY(!selector.select());
    const auto first = selector.takeReady();
    QVERIFY(first);
    for (const Channel &channel : channels) {
        if (channel.here != first->fd)
            QVERIFY(!selector.remove(channel.here));
    }
    QVERIFY(!selector.takeReady());
    QCOMPARE(select(selector), Ready({{first->fd, Write}}));

    // The very one that was taken can go, too.
    QVERIFY(!selector.select());
    QVERIFY(selector.takeReady());
    QVERIFY(!selector.remove(first->fd));
    QVERIFY(!selector.takeReady());
    QCOMPARE(disturbance(selector), QString());
}

void tst_Selector::resultOfAReplacedDescriptorIsDropped()
{
    // The number is the same, but what was found out was about the file before.
    Channel channel = Channel::socketPair();
    const Channel other = Channel::socketPair();
    GLibSelector selector;
    const int number = channel.here;
    channel.write();
    QVERIFY(!selector.add(number, Read));
    QVERIFY(!selector.select());
    QVERIFY(!selector.remove(number));
    reuse(number, other.here);
    QVERIFY(!selector.add(number, Read));
    QVERIFY(!selector.takeReady());
    QCOMPARE(disturbance(selector), QString());
    other.write();
    QCOMPARE(select(selector), Ready({{number, Read}}));
}

void tst_Selector::resultThatIsNoLongerAskedForIsDropped()
{
    const Channel channel = Channel::socketPair();
    channel.write();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read | Write));
    QVERIFY(!selector.select());
    QVERIFY(!selector.modify(channel.here, Write));
    QCOMPARE(takeAll(selector), Ready({{channel.here, Write}}));

    QVERIFY(!selector.modify(channel.here, Read | Write));
    QVERIFY(!selector.select());
    QVERIFY(!selector.modify(channel.here, Exception));
    QCOMPARE(takeAll(selector), Ready());
}

void tst_Selector::resultIsNotMoreThanWasFound()
{
    const Channel channel = Channel::socketPair();
    channel.write();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    QVERIFY(!selector.select());
    QVERIFY(!selector.modify(channel.here, Read | Write));
    QCOMPARE(takeAll(selector), Ready({{channel.here, Read}}));
    QCOMPARE(select(selector), Ready({{channel.here, Read | Write}}));
}

void tst_Selector::addingWhileWalkingKeepsTheOtherResults()
{
    std::vector<Channel> channels;
    GLibSelector selector;
    Ready expected;
    for (int i = 0; i < 3; ++i) {
        channels.push_back(Channel::socketPair());
        QVERIFY(!selector.add(channels.back().here, Write));
        expected.emplace(channels.back().here, Write);
    }
    QVERIFY(!selector.select());
    Ready walked;
    // Enough of them to move whatever the selector keeps its descriptors and results in.
    while (const auto ready = selector.takeReady()) {
        walked.emplace(ready->fd, ready->events);
        for (int i = 0; i < 50; ++i) {
            channels.push_back(Channel::pipe());
            QVERIFY(!selector.add(channels.back().there, Write));
        }
    }
    QCOMPARE(walked, expected);
}

void tst_Selector::lastResultsSurviveNothing()
{
    const Channel channel = Channel::socketPair();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Write));
    QCOMPARE(select(selector), Ready({{channel.here, Write}}));
    QVERIFY(!selector.takeReady());
    QVERIFY(!selector.takeReady());
}

QTEST_APPLESS_MAIN(tst_Selector)

#include "tst_selector.moc"
