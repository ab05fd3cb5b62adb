// SPDX-License-Identifier: MIT

/*
A GApplication whose main loop is GLib's: QCoreApplication::exec() is never called. A QTcpServer and a
QTimer live in it all the same, and talk to a client of GIO's.

    c++ -std=c++17 -fPIC -DQT_NO_KEYWORDS -o gapplication main.cpp \
        $(pkg-config --cflags --libs glibeventdispatcher Qt6Network gio-2.0)

QT_NO_KEYWORDS, because a GIO struct has a member called signals, and Qt a macro of that name. The
other cure is to include GIO's headers before Qt's.
*/

#include <GLibEventDispatcher>

#include <QtCore/QCoreApplication>
#include <QtCore/QTimer>
#include <QtNetwork/QTcpServer>
#include <QtNetwork/QTcpSocket>

#include <gio/gio.h>

#include <cstdio>

constexpr int Answers = 10;

/// Qt's side: greets whoever connects, and counts the time.
class Server
{
public:
    Server()
    {
        QObject::connect(&m_server, &QTcpServer::newConnection, &m_server, [this] {
            QTcpSocket *client = m_server.nextPendingConnection();
            QObject::connect(client, &QTcpSocket::disconnected, client, &QObject::deleteLater);
            client->write("hello number " + QByteArray::number(++m_greetings));
            client->disconnectFromHost();
        });
        m_timer.callOnTimeout([this] { ++m_ticks; });
        m_timer.start(20);
    }

    bool listen() { return m_server.listen(QHostAddress::LocalHost); }
    quint16 port() const { return m_server.serverPort(); }
    int greetings() const { return m_greetings; }
    int ticks() const { return m_ticks; }

private:
    QTcpServer m_server;
    QTimer m_timer;
    int m_greetings = 0;
    int m_ticks = 0;
};

/// GLib's side: connects ten times, one after the other. The application runs as long as it is held.
class Client
{
public:
    Client(GApplication *application, quint16 port)
        : m_application(application)
        , m_port(port)
    {
        g_socket_client_set_enable_proxy(m_client, false);
        g_application_hold(m_application);
        g_timeout_add(50, &Client::connect, this);
    }
    ~Client()
    {
        g_clear_object(&m_connection);
        g_object_unref(m_client);
    }
    Client(const Client &) = delete;
    Client &operator=(const Client &) = delete;

    int answers() const { return m_answers; }

private:
    static gboolean connect(gpointer data)
    {
        auto *self = static_cast<Client *>(data);
        g_socket_client_connect_to_host_async(self->m_client, "127.0.0.1", self->m_port, nullptr,
                                              &Client::onConnected, self);
        return G_SOURCE_REMOVE;
    }

    static void onConnected(GObject *, GAsyncResult *result, gpointer data)
    {
        auto *self = static_cast<Client *>(data);
        g_autoptr(GError) error = nullptr;
        self->m_connection = g_socket_client_connect_finish(self->m_client, result, &error);
        if (!self->m_connection)
            return self->fail(error);
        g_input_stream_read_bytes_async(
            g_io_stream_get_input_stream(G_IO_STREAM(self->m_connection)), 1024,
            G_PRIORITY_DEFAULT, nullptr, &Client::onRead, self);
    }

    static void onRead(GObject *stream, GAsyncResult *result, gpointer data)
    {
        auto *self = static_cast<Client *>(data);
        g_autoptr(GError) error = nullptr;
        g_autoptr(GBytes) bytes
            = g_input_stream_read_bytes_finish(G_INPUT_STREAM(stream), result, &error);
        if (!bytes)
            return self->fail(error);
        std::printf("%.*s\n", int(g_bytes_get_size(bytes)),
                    static_cast<const char *>(g_bytes_get_data(bytes, nullptr)));
        g_clear_object(&self->m_connection);
        if (++self->m_answers == Answers)
            g_application_quit(self->m_application);
        else
            g_timeout_add(50, &Client::connect, self);
    }

    void fail(const GError *error)
    {
        std::fprintf(stderr, "gapplication: %s\n", error->message);
        g_application_quit(m_application);
    }

    GApplication *const m_application;
    GSocketClient *const m_client = g_socket_client_new();
    GSocketConnection *m_connection = nullptr;
    const quint16 m_port;
    int m_answers = 0;
};

int main(int argc, char **argv)
{
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    QCoreApplication app(argc, argv);

    Server server;
    if (!server.listen()) {
        std::fputs("gapplication: cannot listen on a local port\n", stderr);
        return EXIT_FAILURE;
    }

    g_autoptr(GApplication) application
        = g_application_new("org.example.GApplication", G_APPLICATION_NON_UNIQUE);
    g_signal_connect(application, "activate", G_CALLBACK(+[](GApplication *, gpointer) {
                         std::puts("GLib's main loop runs");
                     }),
                     nullptr);
    const Client client(application, server.port());
    const int status = g_application_run(application, argc, argv);

    std::printf("end: %d greetings from Qt, %d answers in GLib, %d ticks of a QTimer\n",
                server.greetings(), client.answers(), server.ticks());
    return client.answers() == Answers ? status : EXIT_FAILURE;
}
