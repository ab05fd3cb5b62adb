// SPDX-License-Identifier: MIT

#include "countdown.h"
#include "dispatcherundertest.h"

#include <QtNetwork/QNetworkDatagram>
#include <QtNetwork/QUdpSocket>

#include <memory>
#include <vector>

class tst_Udp : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void manyClientsPingPong();
    void burst();
    void boundariesAreKept();
    void connectedSocket();
};

void tst_Udp::manyClientsPingPong()
{
    // One datagram in flight for each client, so that none is dropped.
    constexpr int clientCount = 30;
    constexpr int rounds = 50;
    QUdpSocket server;
    QVERIFY(server.bind(QHostAddress::LocalHost));
    int served = 0;
    connect(&server, &QUdpSocket::readyRead, this, [&] {
        while (server.hasPendingDatagrams()) {
            const QNetworkDatagram datagram = server.receiveDatagram();
            server.writeDatagram(datagram.makeReply(datagram.data() + '!'));
            ++served;
        }
    });

    std::vector<std::unique_ptr<QUdpSocket>> clients;
    std::vector<int> received(clientCount, 0);
    Countdown finished(clientCount);
    for (int i = 0; i < clientCount; ++i) {
        clients.push_back(std::make_unique<QUdpSocket>());
        QUdpSocket *client = clients.back().get();
        QVERIFY(client->bind(QHostAddress::LocalHost));
        const auto send = [client, i, &server](int round) {
            const QByteArray message = QByteArray::number(i) + ' ' + QByteArray::number(round);
            client->writeDatagram(message, QHostAddress::LocalHost, server.localPort());
        };
        connect(client, &QUdpSocket::readyRead, this, [&, client, i, send] {
            int &round = received[std::size_t(i)];
            QCOMPARE(client->receiveDatagram().data(),
                     QByteArray::number(i) + ' ' + QByteArray::number(round) + '!');
            if (++round == rounds)
                finished.step();
            else
                send(round);
        });
        send(0);
    }
    QVERIFY(finished.wait());
    QCOMPARE(served, clientCount * rounds);
    QCOMPARE(received, std::vector<int>(clientCount, rounds));
}

void tst_Udp::burst()
{
    constexpr int count = 200;
    QUdpSocket receiver;
    QVERIFY(receiver.bind(QHostAddress::LocalHost));
    QUdpSocket sender;
    qint64 written = 0;
    connect(&sender, &QUdpSocket::bytesWritten, this, [&](qint64 bytes) { written += bytes; });
    for (int i = 0; i < count; ++i)
        sender.writeDatagram(QByteArray::number(1000 + i), QHostAddress::LocalHost,
                             receiver.localPort());
    QCOMPARE(written, 4 * count);

    // One a turn: what is left has to be reported again.
    Countdown received(count);
    int next = 0;
    connect(&receiver, &QUdpSocket::readyRead, this, [&] {
        QCOMPARE(receiver.receiveDatagram().data(), QByteArray::number(1000 + next));
        ++next;
        received.step();
    });
    QVERIFY(received.wait());
    QVERIFY(!receiver.hasPendingDatagrams());
}

void tst_Udp::boundariesAreKept()
{
    const QList<qsizetype> sizes = {0, 1, 1472, 9000, 65507};
    QUdpSocket receiver;
    QVERIFY(receiver.bind(QHostAddress::LocalHost));
    QList<qsizetype> received;
    Countdown done(int(sizes.size()));
    connect(&receiver, &QUdpSocket::readyRead, this, [&] {
        while (receiver.hasPendingDatagrams()) {
            const QByteArray data = receiver.receiveDatagram().data();
            QCOMPARE(data, QByteArray(data.size(), 'x'));
            received << data.size();
            done.step();
        }
    });
    QUdpSocket sender;
    for (qsizetype size : sizes) {
        QCOMPARE(sender.writeDatagram(QByteArray(size, 'x'), QHostAddress::LocalHost,
                                      receiver.localPort()),
                 size);
    }
    QVERIFY(done.wait());
    QCOMPARE(received, sizes);
}

void tst_Udp::connectedSocket()
{
    QUdpSocket peer;
    QVERIFY(peer.bind(QHostAddress::LocalHost));
    connect(&peer, &QUdpSocket::readyRead, this, [&] {
        const QNetworkDatagram datagram = peer.receiveDatagram();
        peer.writeDatagram(datagram.makeReply(datagram.data().toUpper()));
    });
    QUdpSocket client;
    Countdown connected(1);
    connect(&client, &QUdpSocket::connected, this, [&] { connected.step(); });
    client.connectToHost(QHostAddress::LocalHost, peer.localPort());
    QVERIFY(connected.wait());
    Countdown answered(1);
    QByteArray answer;
    connect(&client, &QUdpSocket::readyRead, this, [&] {
        answer += client.readAll();
        answered.step();
    });
    client.write("hello");
    QVERIFY(answered.wait());
    QCOMPARE(answer, QByteArray("HELLO"));
}

DISPATCHER_TEST_MAIN(tst_Udp)
#include "tst_udp.moc"
