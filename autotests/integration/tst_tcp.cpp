// SPDX-License-Identifier: MIT

#include "countdown.h"
#include "dispatcherundertest.h"

#include <QtCore/QRandomGenerator>
#include <QtNetwork/QTcpServer>
#include <QtNetwork/QTcpSocket>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace {

QByteArray randomBytes(qsizetype size, quint32 seed)
{
    QRandomGenerator generator(seed);
    QByteArray bytes(size, Qt::Uninitialized);
    std::generate(bytes.begin(), bytes.end(),
                  [&] { return static_cast<char>(generator.bounded(256)); });
    return bytes;
}

/// Sends back what it gets.
class EchoServer : public QTcpServer
{
public:
    EchoServer()
    {
        // Connections beyond the backlog are tried again by the kernel, but only after a second.
        setListenBacklogSize(1000);
        connect(this, &QTcpServer::newConnection, this, &EchoServer::acceptPending);
        listen(QHostAddress::LocalHost);
    }

    QList<QTcpSocket *> sockets() const { return findChildren<QTcpSocket *>(); }

    int accepted = 0;
    int disconnected = 0;
    qint64 echoed = 0;

private:
    void acceptPending()
    {
        while (QTcpSocket *socket = nextPendingConnection()) {
            ++accepted;
            connect(socket, &QTcpSocket::readyRead, this, [this, socket] {
                const QByteArray data = socket->readAll();
                echoed += data.size();
                socket->write(data);
            });
            connect(socket, &QTcpSocket::disconnected, this, [this, socket] {
                ++disconnected;
                socket->deleteLater();
            });
        }
    }
};

/// Writes all of its data, and reads until it has as much as it waits for.
class Transfer : public QObject
{
public:
    Transfer(QTcpSocket *socket, const QByteArray &data, qsizetype expected, Countdown *done)
        : m_socket(socket), m_toWrite(data), m_expected(expected), m_done(done)
    {
        connect(socket, &QTcpSocket::bytesWritten, this, &Transfer::writeSome);
        connect(socket, &QTcpSocket::readyRead, this, &Transfer::readSome);
        writeSome();
    }

    QByteArray received;
    qint64 written = 0;

private:
    void writeSome()
    {
        if (m_socket->bytesToWrite() > 0)
            return;
        const QByteArray chunk = m_toWrite.mid(written, 50000);
        written += chunk.size();
        m_socket->write(chunk);
    }

    void readSome()
    {
        received += m_socket->readAll();
        if (received.size() == m_expected)
            m_done->step();
    }

    QTcpSocket *m_socket;
    QByteArray m_toWrite;
    qsizetype m_expected;
    Countdown *m_done;
};

}

class tst_Tcp : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void threeHundredConnections();
    void bulkBothWays();
    void nestedLoopInAHandler();
    void deletedInAnothersHandler();
    void resetByThePeer();
    void connectionRefused();
    void waitForFunctionsOfAnotherThread();
};

void tst_Tcp::threeHundredConnections()
{
    constexpr int count = 300;
    EchoServer server;
    QVERIFY(server.isListening());

    struct Client
    {
        QTcpSocket socket;
        QByteArray sent;
        QByteArray received;
        int connected = 0;
        int disconnected = 0;
    };
    std::vector<std::unique_ptr<Client>> clients;
    Countdown echoed(count);
    qint64 total = 0;
    for (int i = 0; i < count; ++i) {
        clients.push_back(std::make_unique<Client>());
        Client *client = clients.back().get();
        client->sent = randomBytes(1 + 131 * i, quint32(i));
        total += client->sent.size();
        connect(&client->socket, &QTcpSocket::connected, this, [client] {
            ++client->connected;
            client->socket.write(client->sent);
        });
        connect(&client->socket, &QTcpSocket::readyRead, this, [client, &echoed] {
            client->received += client->socket.readAll();
            if (client->received.size() == client->sent.size())
                echoed.step();
        });
        client->socket.connectToHost(QHostAddress::LocalHost, server.serverPort());
    }
    QVERIFY(echoed.wait());
    QCOMPARE(server.accepted, count);
    QCOMPARE(server.echoed, total);
    QCOMPARE(server.disconnected, 0);
    for (const auto &client : clients) {
        QCOMPARE(client->connected, 1);
        QCOMPARE(client->received, client->sent);
    }

    // One half is closed by the clients, the other by the server.
    Countdown disconnected(count);
    for (const auto &client : clients) {
        connect(&client->socket, &QTcpSocket::disconnected, this,
                [client = client.get(), &disconnected] {
                    ++client->disconnected;
                    disconnected.step();
                });
    }
    const QList<QTcpSocket *> sockets = server.sockets();
    QCOMPARE(sockets.size(), count);
    QSet<quint16> closedByServer;
    for (int i = 0; i < count / 2; ++i) {
        closedByServer.insert(sockets.at(i)->peerPort());
        sockets.at(i)->disconnectFromHost();
    }
    for (const auto &client : clients) {
        if (!closedByServer.contains(client->socket.localPort()))
            client->socket.disconnectFromHost();
    }
    QVERIFY(disconnected.wait());
    QTRY_COMPARE(server.disconnected, count);
    QTRY_COMPARE(server.sockets().size(), 0);
    for (const auto &client : clients)
        QCOMPARE(client->disconnected, 1);
}

void tst_Tcp::bulkBothWays()
{
    // Read buffers this small make QTcpSocket turn its notifiers off and on all the time.
    constexpr qint64 readBuffer = 4096;
    const QByteArray up = randomBytes(5'000'000, 1);
    const QByteArray down = randomBytes(3'000'000, 2);

    QTcpServer server;
    QVERIFY(server.listen(QHostAddress::LocalHost));
    QTcpSocket client;
    client.setReadBufferSize(readBuffer);
    Countdown connected(2);
    connect(&server, &QTcpServer::newConnection, this, [&] { connected.step(); });
    connect(&client, &QTcpSocket::connected, this, [&] { connected.step(); });
    client.connectToHost(QHostAddress::LocalHost, server.serverPort());
    QVERIFY(connected.wait());
    QTcpSocket *peer = server.nextPendingConnection();
    peer->setReadBufferSize(readBuffer);

    Countdown done(2);
    Transfer upstream(&client, up, down.size(), &done);
    Transfer downstream(peer, down, up.size(), &done);
    QVERIFY(done.wait());
    QCOMPARE(upstream.received, down);
    QCOMPARE(downstream.received, up);
    QCOMPARE(upstream.written, up.size());
    QCOMPARE(downstream.written, down.size());
}

void tst_Tcp::nestedLoopInAHandler()
{
    // Each handler asks the next connection, and waits for its answer in a loop of its own.
    constexpr int depth = 20;
    EchoServer server;
    std::vector<std::unique_ptr<QTcpSocket>> sockets;
    std::vector<std::unique_ptr<Countdown>> answers;
    Countdown connected(depth);
    int running = 0;
    int deepest = 0;
    for (int i = 0; i < depth; ++i) {
        answers.push_back(std::make_unique<Countdown>(1));
        sockets.push_back(std::make_unique<QTcpSocket>());
        QTcpSocket *socket = sockets.back().get();
        connect(socket, &QTcpSocket::connected, this, [&] { connected.step(); });
        connect(socket, &QTcpSocket::readyRead, this, [&, i, socket] {
            QCOMPARE(socket->readAll(), QByteArray::number(i));
            deepest = qMax(deepest, ++running);
            if (i + 1 < depth) {
                const auto next = std::size_t(i + 1);
                sockets[next]->write(QByteArray::number(i + 1));
                QVERIFY(answers[next]->wait());
            }
            --running;
            answers[std::size_t(i)]->step();
        });
        socket->connectToHost(QHostAddress::LocalHost, server.serverPort());
    }
    QVERIFY(connected.wait());
    sockets.front()->write("0");
    QVERIFY(answers.front()->wait());
    QCOMPARE(deepest, depth);
    QCOMPARE(running, 0);
}

void tst_Tcp::deletedInAnothersHandler()
{
    constexpr int count = 100;
    EchoServer server;
    Countdown connected(count);
    std::vector<std::unique_ptr<QTcpSocket>> sockets;
    for (int i = 0; i < count; ++i) {
        sockets.push_back(std::make_unique<QTcpSocket>());
        connect(sockets.back().get(), &QTcpSocket::connected, this, [&] { connected.step(); });
        sockets.back()->connectToHost(QHostAddress::LocalHost, server.serverPort());
    }
    QVERIFY(connected.wait());
    QTRY_COMPARE(server.accepted, count);

    // Of each pair, the one that is served first deletes the other, whose data is there as well.
    Countdown handled(count / 2);
    for (int i = 0; i < count; ++i) {
        connect(sockets[std::size_t(i)].get(), &QTcpSocket::readyRead, this, [&, i] {
            QVERIFY(sockets[std::size_t(i ^ 1)]);
            sockets[std::size_t(i ^ 1)].reset();
            handled.step();
        });
    }
    const auto serverSockets = server.sockets();
    for (QTcpSocket *socket : serverSockets) {
        socket->write("x");
        QVERIFY(socket->waitForBytesWritten());
    }
    QVERIFY(handled.wait());
    QTRY_COMPARE(server.disconnected, count / 2);
    QCOMPARE(std::count(sockets.begin(), sockets.end(), nullptr), count / 2);
}

void tst_Tcp::resetByThePeer()
{
    class Server : public QTcpServer
    {
    public:
        explicit Server(Countdown *connected) : m_connected(connected) { }
        int descriptor = -1;

    protected:
        void incomingConnection(qintptr handle) override
        {
            descriptor = int(handle);
            m_connected->step();
        }

    private:
        Countdown *m_connected;
    };
    Countdown connected(2);
    Server server(&connected);
    QVERIFY(server.listen(QHostAddress::LocalHost));
    QTcpSocket client;
    Countdown disconnected(1);
    QList<QAbstractSocket::SocketError> errors;
    connect(&client, &QTcpSocket::errorOccurred, this,
            [&](QAbstractSocket::SocketError error) { errors << error; });
    connect(&client, &QTcpSocket::disconnected, this, [&] { disconnected.step(); });
    connect(&client, &QTcpSocket::connected, this, [&] { connected.step(); });
    client.connectToHost(QHostAddress::LocalHost, server.serverPort());
    QVERIFY(connected.wait());

    // Closed without lingering, it answers with a reset: an error as well as a hang-up for poll().
    const linger withoutLingering = {1, 0};
    QCOMPARE(setsockopt(server.descriptor, SOL_SOCKET, SO_LINGER, &withoutLingering,
                        sizeof withoutLingering),
             0);
    QCOMPARE(close(server.descriptor), 0);
    QVERIFY(disconnected.wait());
    QCOMPARE(errors, {QAbstractSocket::RemoteHostClosedError});
    QCOMPARE(client.state(), QAbstractSocket::UnconnectedState);
}

void tst_Tcp::connectionRefused()
{
    quint16 port;
    {
        QTcpServer server;
        QVERIFY(server.listen(QHostAddress::LocalHost));
        port = server.serverPort();
    }
    QTcpSocket client;
    Countdown failed(1);
    connect(&client, &QTcpSocket::errorOccurred, this, [&] { failed.step(); });
    client.connectToHost(QHostAddress::LocalHost, port);
    QVERIFY(failed.wait());
    QCOMPARE(client.error(), QAbstractSocket::ConnectionRefusedError);
}

void tst_Tcp::waitForFunctionsOfAnotherThread()
{
    // The client has no event loop; the server lives on that of this thread.
    const QByteArray data = randomBytes(200'000, 3);
    EchoServer server;
    QByteArray received;
    std::unique_ptr<QThread> thread(QThread::create([&] {
        QTcpSocket client;
        client.connectToHost(QHostAddress::LocalHost, server.serverPort());
        if (!client.waitForConnected())
            return;
        client.write(data);
        while (received.size() < data.size() && client.waitForReadyRead())
            received += client.readAll();
        client.disconnectFromHost();
    }));
    Countdown finished(1);
    connect(thread.get(), &QThread::finished, this, [&] { finished.step(); });
    thread->start();
    QVERIFY(finished.wait());
    QVERIFY(thread->wait());
    QCOMPARE(received, data);
    QTRY_COMPARE(server.disconnected, 1);
}

DISPATCHER_TEST_MAIN(tst_Tcp)
#include "tst_tcp.moc"
