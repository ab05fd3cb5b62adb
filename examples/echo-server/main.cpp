// SPDX-License-Identifier: MIT

/*
A server without windows: Qt's sockets, and UNIX signals as GLib's sources, which end it in order.
`echo-server [PORT]` sends back what it receives from programs on the same machine.

    c++ -std=c++17 -fPIC -o echo-server main.cpp \
        $(pkg-config --cflags --libs glibeventdispatcher Qt6Network)
*/

#include <GLibEventDispatcher>

#include <QtCore/QCoreApplication>
#include <QtNetwork/QTcpServer>
#include <QtNetwork/QTcpSocket>

#include <glib-unix.h>

#include <csignal>

static void serve(QTcpSocket *client, qint64 *bytes)
{
    QObject::connect(client, &QTcpSocket::readyRead, client, [client, bytes] {
        const QByteArray data = client->readAll();
        *bytes += data.size();
        client->write(data);
    });
    QObject::connect(client, &QTcpSocket::disconnected, client, &QObject::deleteLater);
}

int main(int argc, char **argv)
{
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    QCoreApplication app(argc, argv);

    qint64 bytes = 0;
    QTcpServer server;
    QObject::connect(&server, &QTcpServer::newConnection, &server, [&server, &bytes] {
        while (QTcpSocket *client = server.nextPendingConnection())
            serve(client, &bytes);
    });
    if (!server.listen(QHostAddress::LocalHost, app.arguments().value(1).toUShort())) {
        qWarning("cannot listen: %s", qPrintable(server.errorString()));
        return EXIT_FAILURE;
    }
    qInfo("listening on port %d", server.serverPort());

    const auto stop = [](gpointer) -> gboolean {
        QCoreApplication::quit();
        return G_SOURCE_CONTINUE;
    };
    for (const int signal : { SIGINT, SIGTERM })
        g_unix_signal_add(signal, stop, nullptr);

    const int status = app.exec();
    qInfo("end: %lld bytes", static_cast<long long>(bytes));
    return status;
}
