// SPDX-License-Identifier: MIT

#include "countdown.h"
#include "dispatcherundertest.h"

#include <QtCore/QTemporaryDir>
#include <QtNetwork/QLocalServer>
#include <QtNetwork/QLocalSocket>
#include <QtTest/QSignalSpy>

#include <memory>
#include <vector>

class tst_LocalSockets : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void hundredConnections();
    void bulkThroughSmallBuffers();
    void abortedByThePeer();
    void noServer();

private:
    QTemporaryDir m_directory;
    QString m_name;
};

void tst_LocalSockets::initTestCase()
{
    QVERIFY(m_directory.isValid());
    m_name = m_directory.filePath(QStringLiteral("socket"));
}

void tst_LocalSockets::hundredConnections()
{
    // More than fit into the backlog, so some sockets have to wait until they can connect.
    constexpr int count = 100;
    QLocalServer server;
    server.setListenBacklogSize(10);
    int accepted = 0;
    int closed = 0;
    connect(&server, &QLocalServer::newConnection, this, [&] {
        while (QLocalSocket *peer = server.nextPendingConnection()) {
            ++accepted;
            connect(peer, &QLocalSocket::readyRead, this,
                    [peer] { peer->write(peer->readAll().toUpper()); });
            connect(peer, &QLocalSocket::disconnected, this, [&, peer] {
                ++closed;
                peer->deleteLater();
            });
        }
    });
    QVERIFY2(server.listen(m_name), qPrintable(server.errorString()));

    struct Client
    {
        QLocalSocket socket;
        QByteArray received;
    };
    std::vector<std::unique_ptr<Client>> clients;
    Countdown answered(count);
    Countdown disconnected(count);
    for (int i = 0; i < count; ++i) {
        clients.push_back(std::make_unique<Client>());
        Client *client = clients.back().get();
        const QByteArray message = "message " + QByteArray::number(i);
        connect(&client->socket, &QLocalSocket::connected, this,
                [client, message] { client->socket.write(message); });
        connect(&client->socket, &QLocalSocket::readyRead, this, [client, message, &answered] {
            client->received += client->socket.readAll();
            if (client->received.size() == message.size())
                answered.step();
        });
        connect(&client->socket, &QLocalSocket::disconnected, this, [&] { disconnected.step(); });
        client->socket.connectToServer(m_name);
    }
    QVERIFY(answered.wait());
    QCOMPARE(accepted, count);
    for (int i = 0; i < count; ++i) {
        QCOMPARE(clients[std::size_t(i)]->received, "MESSAGE " + QByteArray::number(i));
        clients[std::size_t(i)]->socket.disconnectFromServer();
    }
    QVERIFY(disconnected.wait());
    QTRY_COMPARE(closed, count);
}

void tst_LocalSockets::bulkThroughSmallBuffers()
{
    QLocalServer server;
    QVERIFY2(server.listen(m_name), qPrintable(server.errorString()));
    QLocalSocket client;
    client.setReadBufferSize(1000);
    Countdown connected(2);
    connect(&server, &QLocalServer::newConnection, this, [&] { connected.step(); });
    connect(&client, &QLocalSocket::connected, this, [&] { connected.step(); });
    client.connectToServer(m_name);
    QVERIFY(connected.wait());

    QByteArray sent;
    for (int i = 0; sent.size() < 2'000'000; ++i)
        sent += QByteArray::number(i) + '\n';
    QByteArray received;
    Countdown transferred(1);
    connect(&client, &QLocalSocket::readyRead, this, [&] {
        received += client.readAll();
        if (received.size() == sent.size())
            transferred.step();
    });
    QLocalSocket *peer = server.nextPendingConnection();
    qint64 written = 0;
    connect(peer, &QLocalSocket::bytesWritten, this, [&](qint64 bytes) { written += bytes; });
    peer->write(sent);
    QVERIFY(transferred.wait());
    QVERIFY(received == sent);
    QTRY_COMPARE(written, sent.size());
}

void tst_LocalSockets::abortedByThePeer()
{
    QLocalServer server;
    QVERIFY2(server.listen(m_name), qPrintable(server.errorString()));
    QLocalSocket client;
    Countdown disconnected(1);
    connect(&server, &QLocalServer::newConnection, this, [&] {
        QLocalSocket *peer = server.nextPendingConnection();
        peer->write("last words");
        peer->flush();
        peer->abort();
    });
    connect(&client, &QLocalSocket::disconnected, this, [&] { disconnected.step(); });
    client.connectToServer(m_name);
    QVERIFY(disconnected.wait());
    QCOMPARE(client.readAll(), QByteArray("last words"));
    QCOMPARE(client.state(), QLocalSocket::UnconnectedState);
}

void tst_LocalSockets::noServer()
{
    QLocalSocket client;
    QSignalSpy failed(&client, &QLocalSocket::errorOccurred);
    client.connectToServer(m_directory.filePath(QStringLiteral("nobody")));
    QTRY_COMPARE(failed.count(), 1);
    QCOMPARE(client.error(), QLocalSocket::ServerNotFoundError);
}

DISPATCHER_TEST_MAIN(tst_LocalSockets)
#include "tst_localsockets.moc"
