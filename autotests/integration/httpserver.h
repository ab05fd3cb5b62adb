// SPDX-License-Identifier: MIT

#ifndef HTTPSERVER_H
#define HTTPSERVER_H

#include <QtCore/QHash>
#include <QtNetwork/QTcpServer>
#include <QtNetwork/QTcpSocket>

/**
 * As much of an HTTP server as the tests of HTTP clients need.
 *
 *     /bytes/N     N bytes, as bytes() has them
 *     /chunked/N   the same, in chunks
 *     /echo        the body of the request
 *     /redirect    sends on to /bytes/1000
 *     /cut         promises more than it sends before it hangs up
 *     /silence     no answer
 *     else         404
 */
class HttpServer : public QTcpServer
{
public:
    HttpServer()
    {
        connect(this, &QTcpServer::newConnection, this, [this] {
            while (QTcpSocket *socket = nextPendingConnection()) {
                connect(socket, &QTcpSocket::readyRead, this, [this, socket] { read(socket); });
                connect(socket, &QTcpSocket::disconnected, this, [this, socket] {
                    m_received.remove(socket);
                    socket->deleteLater();
                });
            }
        });
        if (!listen(QHostAddress::LocalHost))
            qFatal("cannot listen: %s", qPrintable(errorString()));
    }

    QByteArray url(const QByteArray &path) const
    {
        return "http://127.0.0.1:" + QByteArray::number(serverPort()) + path;
    }

    static QByteArray bytes(qsizetype size)
    {
        QByteArray text;
        while (text.size() < size)
            text += QByteArray::number(text.size()) + ' ';
        text.truncate(size);
        return text;
    }

    int requests = 0;

private:
    void read(QTcpSocket *socket)
    {
        QByteArray &received = m_received[socket];
        received += socket->readAll();
        for (;;) {
            const qsizetype headerEnd = received.indexOf("\r\n\r\n");
            if (headerEnd < 0)
                return;
            const QByteArray header = received.left(headerEnd).toLower();
            qsizetype bodySize = 0;
            const qsizetype field = header.indexOf("content-length:");
            if (field >= 0)
                bodySize = header.mid(field + 15).split('\r').first().trimmed().toLongLong();
            if (received.size() < headerEnd + 4 + bodySize)
                return;
            const QByteArray path = received.split(' ').value(1);
            const QByteArray body = received.mid(headerEnd + 4, bodySize);
            received.remove(0, headerEnd + 4 + bodySize);
            ++requests;
            answer(socket, path, body);
            if (socket->state() != QAbstractSocket::ConnectedState)
                return;
        }
    }

    void answer(QTcpSocket *socket, const QByteArray &path, const QByteArray &body)
    {
        const qsizetype number = path.mid(path.lastIndexOf('/') + 1).toLongLong();
        if (path.startsWith("/bytes/")) {
            send(socket, "200 OK", bytes(number));
        } else if (path == "/echo") {
            send(socket, "200 OK", body);
        } else if (path == "/redirect") {
            send(socket, "302 Found", {}, "Location: " + url("/bytes/1000") + "\r\n");
        } else if (path.startsWith("/chunked/")) {
            socket->write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            const QByteArray whole = bytes(number);
            for (qsizetype sent = 0; sent < whole.size(); sent += 1000) {
                const QByteArray chunk = whole.mid(sent, 1000);
                socket->write(QByteArray::number(chunk.size(), 16) + "\r\n" + chunk + "\r\n");
                socket->flush();
            }
            socket->write("0\r\n\r\n");
        } else if (path == "/cut") {
            socket->write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot as much");
            socket->disconnectFromHost();
        } else if (path != "/silence") {
            send(socket, "404 Not Found", "there is no such page");
        }
    }

    static void send(QTcpSocket *socket, const QByteArray &status, const QByteArray &body,
                     const QByteArray &fields = {})
    {
        socket->write("HTTP/1.1 " + status + "\r\nContent-Length: "
                      + QByteArray::number(body.size()) + "\r\n" + fields + "\r\n" + body);
    }

    QHash<QTcpSocket *, QByteArray> m_received;
};

#endif
