// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

#include <QtCore/QTemporaryFile>

#include <arpa/inet.h>
#include <netinet/in.h>

/// When notifiers are activated, on all the kinds of descriptors there are.
class tst_SocketNotifiers : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { settle(); }

    void tellsDescriptorAndType();
    void isActivatedEveryTurnWhileReady();
    void isNotActivatedBeforeReady();
    void isNotActivatedWhileDisabled();
    void withoutDescriptorIsNotEnabled();
    void setSocketDisables();
    void threeTypesOnOneDescriptor();
    void outOfBandDataIsAnException();
    void typesOfOneDescriptorAreIndependent();
    void regularFileIsAlwaysReady_data();
    void regularFileIsAlwaysReady();
    void duplicatesOfOneDescriptor();
    void listeningSocketIsReadable();
    void connectingSocketBecomesWritable();
    void refusedConnectionIsWritable();
    void onlyTheReadyOfManyAreActivated();
    void manyAreTreatedAlike();
    void idleOneIsActivatedBesideABusyOne();
    void registeredTwiceIsActivatedOnce();
    void unregisteredIsNotActivated();
};

namespace {

/// Counts the activations of one notifier.
class Counter : public QSocketNotifier
{
public:
    using QSocketNotifier::QSocketNotifier;
    int activations = 0;

protected:
    bool event(QEvent *event) override
    {
        activations += event->type() == QEvent::SockAct;
        return QSocketNotifier::event(event);
    }
};

FileDescriptor tcpSocket()
{
    return FileDescriptor(::socket(AF_INET, SOCK_STREAM, 0));
}

sockaddr_in loopback(in_port_t port = 0)
{
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = port;
    return address;
}

/// Binds to a free port and returns it, in network order.
in_port_t bindToLoopback(int fd)
{
    sockaddr_in address = loopback();
    socklen_t length = sizeof(address);
    if (::bind(fd, reinterpret_cast<sockaddr *>(&address), length)
        || ::getsockname(fd, reinterpret_cast<sockaddr *>(&address), &length))
        qFatal("bind: %s", std::strerror(errno));
    return address.sin_port;
}

int connectTo(int fd, in_port_t port)
{
    const sockaddr_in address = loopback(port);
    return ::connect(fd, reinterpret_cast<const sockaddr *>(&address), sizeof(address));
}

}

void tst_SocketNotifiers::tellsDescriptorAndType()
{
    Channel channel;
    channel.write();
    for (const auto type : { QSocketNotifier::Read, QSocketNotifier::Write }) {
        QSocketNotifier notifier(channel.reader, type);
        QVERIFY(notifier.isEnabled());
        int descriptor = -1;
        QSocketNotifier::Type told = QSocketNotifier::Exception;
        connect(&notifier, &QSocketNotifier::activated, this,
                [&](QSocketDescriptor socket, QSocketNotifier::Type of) {
                    descriptor = socket;
                    told = of;
                });
        turn();
        QCOMPARE(descriptor, int(channel.reader));
        QCOMPARE(told, type);
    }
}

void tst_SocketNotifiers::isActivatedEveryTurnWhileReady()
{
    Channel channel;
    channel.write();
    Counter notifier(channel.reader, QSocketNotifier::Read);
    for (int i = 1; i <= 10; ++i) {
        turn();
        QCOMPARE(notifier.activations, i);
    }
    channel.drain();
    turn();
    QCOMPARE(notifier.activations, 10);
    channel.write();
    turn();
    QCOMPARE(notifier.activations, 11);
}

void tst_SocketNotifiers::isNotActivatedBeforeReady()
{
    Channel channel;
    Counter notifier(channel.reader, QSocketNotifier::Read);
    for (int i = 0; i < 10; ++i)
        turn();
    QCOMPARE(notifier.activations, 0);
    channel.write();
    QVERIFY(runUntil([&] { return notifier.activations == 1; }));
}

void tst_SocketNotifiers::isNotActivatedWhileDisabled()
{
    Channel channel;
    channel.write();
    Counter notifier(channel.reader, QSocketNotifier::Read);
    for (int i = 0; i < 5; ++i) {
        notifier.activations = 0;
        notifier.setEnabled(false);
        turn();
        QCOMPARE(notifier.activations, 0);
        notifier.setEnabled(true);
        turn();
        QCOMPARE(notifier.activations, 1);
    }
}

void tst_SocketNotifiers::withoutDescriptorIsNotEnabled()
{
    Channel channel;
    channel.write();
    Counter notifier(QSocketNotifier::Read);
    QVERIFY(!notifier.isEnabled());
    turn();
    notifier.setSocket(channel.reader);
    turn();
    QCOMPARE(notifier.activations, 0);
    notifier.setEnabled(true);
    turn();
    QCOMPARE(notifier.activations, 1);
}

void tst_SocketNotifiers::setSocketDisables()
{
    Channel ready;
    ready.write();
    Channel quiet;
    Counter notifier(ready.reader, QSocketNotifier::Read);
    notifier.setSocket(quiet.reader);
    QVERIFY(!notifier.isEnabled());
    notifier.setEnabled(true);
    turn();
    QCOMPARE(notifier.activations, 0);
    notifier.setSocket(ready.reader);
    notifier.setEnabled(true);
    turn();
    QCOMPARE(notifier.activations, 1);
}

void tst_SocketNotifiers::threeTypesOnOneDescriptor()
{
    Channel channel;
    Counter reader(channel.reader, QSocketNotifier::Read);
    Counter writer(channel.reader, QSocketNotifier::Write);
    Counter exception(channel.reader, QSocketNotifier::Exception);
    turn();
    QCOMPARE(reader.activations, 0);
    QCOMPARE(writer.activations, 1);
    channel.write();
    turn();
    QCOMPARE(reader.activations, 1);
    QCOMPARE(writer.activations, 2);
    QCOMPARE(exception.activations, 0);
}

void tst_SocketNotifiers::outOfBandDataIsAnException()
{
    const FileDescriptor listener = tcpSocket();
    const in_port_t port = bindToLoopback(listener);
    QCOMPARE(::listen(listener, 1), 0);
    const FileDescriptor sender = tcpSocket();
    QCOMPARE(connectTo(sender, port), 0);
    const FileDescriptor receiver(::accept(listener, nullptr, nullptr));

    Counter reader(receiver, QSocketNotifier::Read);
    Counter exception(receiver, QSocketNotifier::Exception);
    QCOMPARE(::send(sender, "!", 1, MSG_OOB), ssize_t(1));
    QVERIFY(runUntil([&] { return exception.activations > 0; }));
    QCOMPARE(reader.activations, 0);

    char byte = 0;
    QCOMPARE(::recv(receiver, &byte, 1, MSG_OOB), ssize_t(1));
    QCOMPARE(byte, '!');
    exception.activations = 0;
    QCOMPARE(::send(sender, "x", 1, 0), ssize_t(1));
    QVERIFY(runUntil([&] { return reader.activations > 0; }));
    QCOMPARE(exception.activations, 0);
}

void tst_SocketNotifiers::typesOfOneDescriptorAreIndependent()
{
    Channel channel;
    channel.write();
    Counter reader(channel.reader, QSocketNotifier::Read);
    Counter writer(channel.reader, QSocketNotifier::Write);
    for (const bool read : { true, false, true }) {
        for (const bool write : { false, true, false }) {
            reader.setEnabled(read);
            writer.setEnabled(write);
            reader.activations = 0;
            writer.activations = 0;
            turn();
            QCOMPARE(reader.activations, int(read));
            QCOMPARE(writer.activations, int(write));
        }
    }
}

void tst_SocketNotifiers::regularFileIsAlwaysReady_data()
{
    QTest::addColumn<QByteArray>("path");
    QTest::newRow("file") << QByteArray();
    QTest::newRow("directory") << QByteArray("/");
    QTest::newRow("/dev/null") << QByteArray("/dev/null");
}

void tst_SocketNotifiers::regularFileIsAlwaysReady()
{
    QFETCH(QByteArray, path);
    QTemporaryFile file;
    if (path.isEmpty()) {
        QVERIFY(file.open());
        path = file.fileName().toLocal8Bit();
    }
    const FileDescriptor fd(::open(path.constData(), O_RDONLY | O_CLOEXEC));
    Counter reader(fd, QSocketNotifier::Read);
    Counter writer(fd, QSocketNotifier::Write);
    Counter exception(fd, QSocketNotifier::Exception);
    for (int i = 1; i <= 3; ++i) {
        turn(QEventLoop::WaitForMoreEvents);
        QCOMPARE(reader.activations, i);
        QCOMPARE(writer.activations, i);
    }
    QCOMPARE(exception.activations, 0);

    reader.setEnabled(false);
    writer.setEnabled(false);
    turn();
    QCOMPARE(reader.activations, 3);
    QCOMPARE(writer.activations, 3);
}

void tst_SocketNotifiers::duplicatesOfOneDescriptor()
{
    Channel channel;
    channel.write();
    const FileDescriptor second(::dup(channel.reader));
    Counter one(channel.reader, QSocketNotifier::Read);
    Counter two(second, QSocketNotifier::Read);
    turn();
    QCOMPARE(one.activations, 1);
    QCOMPARE(two.activations, 1);
    one.setEnabled(false);
    turn();
    QCOMPARE(one.activations, 1);
    QCOMPARE(two.activations, 2);
}

void tst_SocketNotifiers::listeningSocketIsReadable()
{
    const FileDescriptor listener = tcpSocket();
    const in_port_t port = bindToLoopback(listener);
    QCOMPARE(::listen(listener, 1), 0);
    Counter notifier(listener, QSocketNotifier::Read);
    turn();
    QCOMPARE(notifier.activations, 0);
    const FileDescriptor client = tcpSocket();
    QCOMPARE(connectTo(client, port), 0);
    QVERIFY(runUntil([&] { return notifier.activations > 0; }));
}

void tst_SocketNotifiers::connectingSocketBecomesWritable()
{
    const FileDescriptor listener = tcpSocket();
    const in_port_t port = bindToLoopback(listener);
    QCOMPARE(::listen(listener, 1), 0);
    const FileDescriptor client = tcpSocket();
    ::fcntl(client, F_SETFL, O_NONBLOCK);
    Counter notifier(client, QSocketNotifier::Write);
    notifier.setEnabled(false);
    QVERIFY(connectTo(client, port) == 0 || errno == EINPROGRESS);
    notifier.setEnabled(true);
    QVERIFY(runUntil([&] { return notifier.activations > 0; }));
}

void tst_SocketNotifiers::refusedConnectionIsWritable()
{
    // Bound but not listening, so that nobody else takes the port.
    const FileDescriptor nobody = tcpSocket();
    const in_port_t port = bindToLoopback(nobody);
    const FileDescriptor client = tcpSocket();
    ::fcntl(client, F_SETFL, O_NONBLOCK);
    QCOMPARE(connectTo(client, port), -1);
    Counter notifier(client, QSocketNotifier::Write);
    QVERIFY(runUntil([&] { return notifier.activations > 0; }));
}

void tst_SocketNotifiers::onlyTheReadyOfManyAreActivated()
{
    constexpr int Count = 200;
    std::vector<std::unique_ptr<Channel>> channels;
    std::vector<std::unique_ptr<Counter>> notifiers;
    for (int i = 0; i < Count; ++i) {
        channels.push_back(std::make_unique<Channel>());
        notifiers.push_back(std::make_unique<Counter>(channels.back()->reader,
                                                      QSocketNotifier::Read));
    }
    for (int modulus : { 7, 1, 13, 200 }) {
        for (int i = 0; i < Count; i += modulus)
            channels[size_t(i)]->write();
        turn();
        for (int i = 0; i < Count; ++i) {
            QCOMPARE(notifiers[size_t(i)]->activations, int(i % modulus == 0));
            notifiers[size_t(i)]->activations = 0;
            channels[size_t(i)]->drain();
        }
    }
}

void tst_SocketNotifiers::manyAreTreatedAlike()
{
    // More than are usually fetched from the kernel in one go.
    constexpr size_t Count = 600;
    constexpr int Rounds = 20;
    Channel channel;
    std::vector<std::unique_ptr<FileDescriptor>> fds;
    std::vector<std::unique_ptr<Counter>> notifiers;
    for (size_t i = 0; i < Count; ++i) {
        fds.push_back(std::make_unique<FileDescriptor>(::dup(channel.writer)));
        notifiers.push_back(std::make_unique<Counter>(*fds.back(), QSocketNotifier::Write));
    }
    const auto fewer = [](const auto &a, const auto &b) { return a->activations < b->activations; };
    QVERIFY(runUntil([&] {
        const auto least = std::min_element(notifiers.cbegin(), notifiers.cend(), fewer);
        return (*least)->activations >= Rounds;
    }));
    const auto most = std::max_element(notifiers.cbegin(), notifiers.cend(), fewer);
    QVERIFY2((*most)->activations <= Rounds + 2, qPrintable(QString::number((*most)->activations)));
}

/// Descriptors that were idle for long are not waited for in the same way as busy ones.
void tst_SocketNotifiers::idleOneIsActivatedBesideABusyOne()
{
    std::vector<std::unique_ptr<Channel>> channels;
    std::vector<std::unique_ptr<Counter>> idle;
    for (int i = 0; i < 20; ++i) {
        channels.push_back(std::make_unique<Channel>());
        idle.push_back(std::make_unique<Counter>(channels.back()->reader, QSocketNotifier::Read));
    }
    Channel channel;
    channel.write();
    Counter busy(channel.reader, QSocketNotifier::Read);
    QVERIFY(runUntil([&] { return busy.activations > 1000; }));
    for (const auto &counter : idle)
        QCOMPARE(counter->activations, 0);

    channels.back()->write();
    busy.activations = 0;
    QVERIFY(runUntil([&] { return idle.back()->activations > 0; }));
    QVERIFY2(busy.activations <= 1000, qPrintable(QString::number(busy.activations)));
}

void tst_SocketNotifiers::registeredTwiceIsActivatedOnce()
{
    if (isQtGLib())
        QSKIP("Qt's GLib dispatcher polls for such a notifier twice");
    Channel channel;
    channel.write();
    Counter notifier(channel.reader, QSocketNotifier::Read);
    dispatcher()->registerSocketNotifier(&notifier);
    turn();
    QCOMPARE(notifier.activations, 1);
    dispatcher()->unregisterSocketNotifier(&notifier);
    turn();
    QCOMPARE(notifier.activations, 1);
}

void tst_SocketNotifiers::unregisteredIsNotActivated()
{
    Channel channel;
    channel.write();
    Counter notifier(channel.reader, QSocketNotifier::Read);
    dispatcher()->unregisterSocketNotifier(&notifier);
    dispatcher()->unregisterSocketNotifier(&notifier);
    turn();
    QCOMPARE(notifier.activations, 0);
    dispatcher()->registerSocketNotifier(&notifier);
    turn();
    QCOMPARE(notifier.activations, 1);
}

DISPATCHER_TEST_MAIN(tst_SocketNotifiers)

#include "tst_socketnotifiers.moc"
