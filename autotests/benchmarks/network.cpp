// SPDX-License-Identifier: MIT

// TCP echo: QTcpServer and QTcpSocket in the measured thread, clients on bare sockets in another; and
// downloads by QNetworkAccessManager from a server on bare sockets.

#include "measure.h"

#include <QtNetwork/QNetworkAccessManager>
#include <QtNetwork/QNetworkReply>
#include <QtNetwork/QTcpServer>
#include <QtNetwork/QTcpSocket>

#include <cstring>
#include <map>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace Qt::StringLiterals;

namespace {

constexpr size_t messageSize = 64;

void addToSet(int set, int fd)
{
    epoll_event event {};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

/// Blocking clients; each has one message under way at any time.
class Clients
{
public:
    Clients() : m_set(epoll_create1(EPOLL_CLOEXEC)) { }
    ~Clients()
    {
        for (const int fd : m_sockets)
            close(fd);
        close(m_set);
    }
    Clients(const Clients &) = delete;
    Clients &operator=(const Clients &) = delete;

    /// Connects one after the other, so that the server's backlog never overflows.
    bool connectAll(quint16 port, int count)
    {
        for (int i = 0; i < count; ++i) {
            const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            m_sockets.push_back(fd);
            sockaddr_in address {};
            address.sin_family = AF_INET;
            address.sin_port = htons(port);
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            if (connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof address) < 0)
                return false;
            const int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            addToSet(m_set, fd);
            if (!send(fd) || !receive(fd))
                return false;
        }
        return true;
    }

    /// So many messages there and back, over all connections together. Whether none was damaged.
    bool echo(qint64 count)
    {
        qint64 sent = 0;
        bool intact = true;
        for (const int fd : m_sockets) {
            if (sent < count)
                intact = send(fd) && intact;
            sent += sent < count;
        }
        std::array<epoll_event, 64> events;
        for (qint64 received = 0; received < count && intact;) {
            const int ready = epoll_wait(m_set, events.data(), static_cast<int>(events.size()), -1);
            for (int i = 0; i < ready; ++i) {
                const int fd = events[static_cast<size_t>(i)].data.fd;
                intact = receive(fd) && intact;
                ++received;
                if (sent < count) {
                    intact = send(fd) && intact;
                    ++sent;
                }
            }
        }
        return intact;
    }

private:
    using Message = std::array<char, messageSize>;

    bool send(int fd)
    {
        Message message;
        message.fill(static_cast<char>(++m_lastByte));
        m_underWay[fd] = message;
        return write(fd, message.data(), message.size()) == ssize_t(message.size());
    }

    bool receive(int fd)
    {
        Message message;
        const ssize_t length = recv(fd, message.data(), message.size(), MSG_WAITALL);
        return length == ssize_t(message.size()) && message == m_underWay[fd];
    }

    const int m_set;
    std::vector<int> m_sockets;
    std::map<int, Message> m_underWay;
    quint8 m_lastByte = 0;
};

/// The figures of echoing: @p serve calls the function it is given in another thread and serves
/// the connections in this one until that returns.
using Serve = std::function<void(const std::function<void()> &)>;

Values echo(const Task &task, quint16 port, const Serve &serve)
{
    Clients clients;
    bool intact = true;
    serve([&] { intact = clients.connectAll(port, task.size); });
    require(intact, "connecting failed");
    return perOperation(task, [&](qint64 count) -> Values {
        const Usage before = usageOfThread();
        const qint64 start = now();
        qint64 end = 0;
        serve([&] {
            intact = clients.echo(count);
            end = now();
        });
        const Usage used = usageOfThread() - before;
        require(intact, "an echo was damaged");
        return { static_cast<double>(end - start), used.cpu };
    });
}

Values tcpEcho(const Task &task)
{
    QTcpServer server;
    server.setListenBacklogSize(task.size + 1);
    if (!server.listen(QHostAddress::LocalHost))
        throw Unavailable("cannot listen on the loopback address");
    QObject::connect(&server, &QTcpServer::newConnection, [&server] {
        while (QTcpSocket *const connection = server.nextPendingConnection()) {
            connection->setSocketOption(QAbstractSocket::LowDelayOption, 1);
            QObject::connect(connection, &QTcpSocket::readyRead,
                             [connection] { connection->write(connection->readAll()); });
        }
    });
    Loop loop(task);
    return echo(task, server.serverPort(), [&](const std::function<void()> &client) {
        std::thread other([&] {
            useProcessor(task.round + 1);
            client();
            QMetaObject::invokeMethod(&server, [&loop] { loop.quit(); }, Qt::QueuedConnection);
        });
        loop.run();
        other.join();
    });
}

/// A file descriptor that is closed at the end.
class Fd
{
public:
    explicit Fd(int fd) : m_fd(fd) { }
    ~Fd() { close(m_fd); }
    Fd(const Fd &) = delete;
    Fd &operator=(const Fd &) = delete;
    operator int() const { return m_fd; }

private:
    const int m_fd;
};

/// A bare socket that listens on a free port.
class Listener : public Fd
{
public:
    explicit Listener(int backlog) : Fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))
    {
        sockaddr_in address {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        if (bind(*this, reinterpret_cast<sockaddr *>(&address), length) < 0 || listen(*this, backlog) < 0
            || getsockname(*this, reinterpret_cast<sockaddr *>(&address), &length) < 0) {
            throw Unavailable("cannot listen on the loopback address");
        }
        port = ntohs(address.sin_port);
    }

    quint16 port;
};

Values tcpEchoLimit(const Task &task)
{
    const Listener listener(task.size + 1);
    const Fd set(epoll_create1(EPOLL_CLOEXEC));
    const Fd end(eventfd(0, EFD_CLOEXEC));
    const auto add = [&set](int fd) { addToSet(set, fd); };
    add(listener);
    add(end);
    std::vector<std::unique_ptr<Fd>> connections;
    return echo(task, listener.port, [&](const std::function<void()> &client) {
        std::thread other([&] {
            useProcessor(task.round + 1);
            client();
            eventfd_write(end, 1);
        });
        std::array<epoll_event, 64> events;
        for (bool running = true; running;) {
            const int ready = epoll_wait(set, events.data(), static_cast<int>(events.size()), -1);
            for (int i = 0; i < ready; ++i) {
                const int fd = events[static_cast<size_t>(i)].data.fd;
                if (fd == listener) {
                    const int accepted = accept4(listener, nullptr, nullptr,
                                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
                    const int on = 1;
                    setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                    connections.push_back(std::make_unique<Fd>(accepted));
                    add(accepted);
                } else if (fd == end) {
                    eventfd_t value;
                    eventfd_read(end, &value);
                    running = false;
                } else {
                    std::array<char, 4096> buffer;
                    const ssize_t size = read(fd, buffer.data(), buffer.size());
                    if (size <= 0 || write(fd, buffer.data(), static_cast<size_t>(size)) != size)
                        throw Failure("the connection broke");
                }
            }
        }
        other.join();
    });
}

constexpr qsizetype downloadSize = 64 * 1024;
constexpr int downloadsAtOnce = 6; // So many connections has QNetworkAccessManager for a host.

/// Sends the same content whatever is asked for, from a thread of its own.
class HttpServer
{
public:
    HttpServer() : m_thread([this] { run(); }) { }
    ~HttpServer()
    {
        eventfd_write(m_end, 1);
        m_thread.join();
    }
    HttpServer(const HttpServer &) = delete;
    HttpServer &operator=(const HttpServer &) = delete;

    quint16 port() const { return m_listener.port; }

private:
    void run()
    {
        const QByteArray response = "HTTP/1.1 200 OK\r\nContent-Length: " + QByteArray::number(downloadSize)
            + "\r\n\r\n" + QByteArray(downloadSize, 'x');
        const Fd set(epoll_create1(EPOLL_CLOEXEC));
        const auto add = [&set](int fd) { addToSet(set, fd); };
        add(m_listener);
        add(m_end);
        std::map<int, std::unique_ptr<Fd>> connections;
        std::map<int, QByteArray> requests;
        for (;;) {
            epoll_event event;
            if (epoll_wait(set, &event, 1, -1) < 1)
                continue;
            const int fd = event.data.fd;
            if (fd == m_end)
                return;
            if (fd == m_listener) {
                const int accepted = accept4(m_listener, nullptr, nullptr, SOCK_CLOEXEC);
                connections[accepted] = std::make_unique<Fd>(accepted);
                add(accepted);
                continue;
            }
            std::array<char, 4096> buffer;
            const ssize_t size = read(fd, buffer.data(), buffer.size());
            if (size <= 0) {
                requests.erase(fd);
                connections.erase(fd);
                continue;
            }
            QByteArray &request = requests[fd];
            request.append(buffer.data(), size);
            for (qsizetype end = request.indexOf("\r\n\r\n"); end >= 0; end = request.indexOf("\r\n\r\n")) {
                request.remove(0, end + 4);
                for (qsizetype sent = 0; sent < response.size();) {
                    const ssize_t written = send(fd, response.constData() + sent,
                                                 static_cast<size_t>(response.size() - sent), MSG_NOSIGNAL);
                    if (written <= 0)
                        break;
                    sent += written;
                }
            }
        }
    }

    const Listener m_listener { downloadsAtOnce };
    const Fd m_end { eventfd(0, EFD_CLOEXEC) };
    std::thread m_thread;
};

Values downloads(const Task &task)
{
    const HttpServer server;
    const QNetworkRequest request(QUrl(u"http://127.0.0.1:%1/"_s.arg(server.port())));
    QNetworkAccessManager manager;
    Loop loop(task);
    const auto download = [&](int count) {
        int started = 0;
        int finished = 0;
        qint64 received = 0;
        std::function<void()> startNext = [&] {
            ++started;
            QNetworkReply *const reply = manager.get(request);
            QObject::connect(reply, &QNetworkReply::readyRead, [&, reply] { received += reply->readAll().size(); });
            QObject::connect(reply, &QNetworkReply::finished, [&, reply] {
                reply->deleteLater();
                if (started < count)
                    startNext();
                if (++finished == count)
                    loop.quit();
            });
        };
        while (started < downloadsAtOnce)
            startNext();
        loop.run();
        require(received == count * downloadSize, "a download was incomplete");
    };
    download(4 * downloadsAtOnce); // connects
    // In one go: how six downloads begin and end, one thread faster than the other, varies a lot.
    const int count = sized(task, 3000, 4 * downloadsAtOnce);
    const Usage before = usageOfThread();
    const qint64 start = now();
    download(count);
    const double elapsed = static_cast<double>(now() - start);
    const Usage used = usageOfThread() - before;
    return { elapsed / count, used.cpu / count };
}

}

Family networkFamily()
{
    Family family { u"Network: echo of 64 bytes through QTcpServer, downloads"_s, {} };
    for (const int size : { 1, 10, 100, 1000 }) {
        Workload workload { u"tcp-echo/%1"_s.arg(size),
                            size == 1 ? u"TCP echo, 1 connection"_s
                                      : u"TCP echo, %1 connections"_s.arg(size),
                            { { u"per echo"_s }, { u"server's CPU per echo"_s } },
                            tcpEcho, tcpEchoLimit, u"bare epoll server"_s };
        workload.size = size;
        workload.descriptors = 2 * size;
        workload.seconds = 0.5;
        workload.isPinned = true;
        family.workloads.append(workload);
    }
    Workload manager { u"downloads"_s, u"QNetworkAccessManager, 64 KiB, 6 at a time"_s,
                       { { u"per download"_s }, { u"thread's CPU per download"_s } }, downloads };
    manager.seconds = 0.5;
    family.workloads.append(manager);
    return family;
}
