// SPDX-License-Identifier: MIT

// Sockets that come and go; each byte is sent to another one and back.

#include "load.h"

#include "eventlooptest.h"

#include <QtCore/QSocketNotifier>

#include <glib-unix.h>

namespace {

constexpr int Connections = 1000;
constexpr int GLibsShare = 8; // of so many connections one has a GLib source at its far end
constexpr int ReplacedAtOnce = 10;
constexpr int SentAtOnce = 50;
constexpr auto Interval = 10ms;
constexpr auto LongestEcho = 10s;

void pass(int fd)
{
    char byte = 0;
    if (::read(fd, &byte, 1) == 1 && ::write(fd, &byte, 1) != 1)
        qFatal("write: %s", std::strerror(errno));
}

class Connection
{
public:
    Connection(Measured &measured, bool isGLibs)
        : m_measured(measured)
        , m_near(m_channel.reader, QSocketNotifier::Read)
    {
        QObject::connect(&m_near, &QSocketNotifier::activated, &m_near, [this] { receive(); });
        if (isGLibs) {
            m_source = g_unix_fd_add(m_channel.writer, G_IO_IN, &Connection::echo, nullptr);
        } else {
            m_far = std::make_unique<QSocketNotifier>(m_channel.writer, QSocketNotifier::Read);
            QObject::connect(m_far.get(), &QSocketNotifier::activated, m_far.get(),
                             [this] { pass(m_channel.writer); });
        }
    }
    ~Connection()
    {
        if (m_source)
            g_source_remove(m_source);
    }
    Q_DISABLE_COPY_MOVE(Connection)

    void send()
    {
        m_isSent = true;
        m_sent = Clock::now();
        if (::write(m_channel.reader, "x", 1) != 1)
            qFatal("write: %s", std::strerror(errno));
    }
    bool isSent() const { return m_isSent; }
    bool isLost() const { return m_isSent && Clock::now() - m_sent > LongestEcho; }

private:
    static gboolean echo(int fd, GIOCondition, void *)
    {
        pass(fd);
        return G_SOURCE_CONTINUE;
    }

    void receive()
    {
        char byte = 0;
        if (::read(m_channel.reader, &byte, 1) != 1)
            return;
        m_isSent = false;
        m_measured.echoes.add(Clock::now() - m_sent);
    }

    Measured &m_measured;
    const Channel m_channel; // closed after its notifiers
    QSocketNotifier m_near;
    std::unique_ptr<QSocketNotifier> m_far;
    guint m_source = 0;
    bool m_isSent = false;
    Clock::time_point m_sent;
};

class Sockets : public Load
{
public:
    explicit Sockets(Measured &measured)
        : m_measured(measured)
    {
        for (int i = 0; i < Connections; ++i)
            m_connections.push_back(make(i));
        repeat(Interval, [this] { work(); });
    }

    int pending() const override { return int(count(&Connection::isSent)); }
    QByteArray loss() const override
    {
        const auto lost = count(&Connection::isLost);
        return lost ? QByteArray::number(qint64(lost)) + " bytes did not come back" : QByteArray();
    }

private:
    std::unique_ptr<Connection> make(int index)
    {
        return std::make_unique<Connection>(m_measured, index % GLibsShare == 0);
    }

    std::ptrdiff_t count(bool (Connection::*is)() const) const
    {
        return std::count_if(m_connections.begin(), m_connections.end(),
                             [is](const auto &connection) { return (connection.get()->*is)(); });
    }

    void work()
    {
        for (int i = 0; i < SentAtOnce + ReplacedAtOnce; ++i) {
            const int index = random(Connections);
            auto &connection = m_connections[std::size_t(index)];
            if (connection->isSent())
                continue;
            if (i >= SentAtOnce)
                connection = make(index);
            connection->send();
            ++operations;
        }
    }

    Measured &m_measured;
    std::vector<std::unique_ptr<Connection>> m_connections;
};

}

std::unique_ptr<Load> makeSockets(Measured &measured)
{
    return std::make_unique<Sockets>(measured);
}
