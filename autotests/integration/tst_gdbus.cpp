// SPDX-License-Identifier: MIT

#include "countdown.h"
#include "dispatcherundertest.h"
#include "worker.h"

#include <gio/gio.h>

#include <QtCore/QProcess>
#include <QtCore/QStandardPaths>
#include <QtCore/QTemporaryDir>
#include <QtDBus/QDBusConnection>
#include <QtDBus/QDBusConnectionInterface>
#include <QtDBus/QDBusMessage>
#include <QtDBus/QDBusPendingCall>
#include <QtDBus/QDBusServiceWatcher>

#include <functional>
#include <memory>

namespace {

const char objectPath[] = "/Calculator";
const char interfaceName[] = "org.example.Calculator";
const char gdbusName[] = "org.example.GDBus";
const char qtdbusName[] = "org.example.QtDBus";
constexpr int callTimeout = 60'000;

const char interfaceXml[] = R"(
<node>
  <interface name="org.example.Calculator">
    <method name="Add">
      <arg type="i" name="a" direction="in"/>
      <arg type="i" name="b" direction="in"/>
      <arg type="i" name="sum" direction="out"/>
    </method>
    <signal name="Ticked">
      <arg type="i" name="number"/>
    </signal>
  </interface>
</node>
)";

GDBusConnection *connectGDBus(const QByteArray &address)
{
    g_autoptr(GError) error = nullptr;
    const auto flags = GDBusConnectionFlags(G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                            | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION);
    GDBusConnection *connection = g_dbus_connection_new_for_address_sync(
        address.constData(), flags, nullptr, nullptr, &error);
    if (!connection)
        qFatal("GDBus: %s", error->message);
    return connection;
}

/// The calculator as a GDBus service, in the context of the thread that makes it.
class GDBusCalculator
{
public:
    explicit GDBusCalculator(const QByteArray &address)
        : m_connection(connectGDBus(address)),
          m_info(g_dbus_node_info_new_for_xml(interfaceXml, nullptr))
    {
        static const GDBusInterfaceVTable vtable = {&GDBusCalculator::onCall, nullptr, nullptr, {}};
        m_registration = g_dbus_connection_register_object(
            m_connection, objectPath, m_info->interfaces[0], &vtable, this, nullptr, nullptr);
        g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
            m_connection, "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName",
            g_variant_new("(su)", gdbusName, 0u), nullptr, G_DBUS_CALL_FLAGS_NONE, callTimeout,
            nullptr, nullptr);
        if (!m_registration || !reply)
            qFatal("cannot offer %s", gdbusName);
    }

    ~GDBusCalculator()
    {
        g_dbus_connection_unregister_object(m_connection, m_registration);
        g_dbus_connection_close_sync(m_connection, nullptr, nullptr);
        g_dbus_node_info_unref(m_info);
        g_object_unref(m_connection);
    }

    GDBusCalculator(const GDBusCalculator &) = delete;
    GDBusCalculator &operator=(const GDBusCalculator &) = delete;

    void emitTicked(int number)
    {
        g_dbus_connection_emit_signal(m_connection, nullptr, objectPath, interfaceName, "Ticked",
                                      g_variant_new("(i)", number), nullptr);
    }

    GDBusConnection *connection() const { return m_connection; }

    /// Takes the place of the addition; it has to answer the invocation some time.
    std::function<void(GDBusMethodInvocation *, int, int)> add;
    int calls = 0;
    bool inOwnThread = true;

private:
    static void onCall(GDBusConnection *, const char *, const char *, const char *, const char *,
                       GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
    {
        auto self = static_cast<GDBusCalculator *>(data);
        ++self->calls;
        self->inOwnThread &= QThread::currentThread() == self->m_thread;
        int a = 0;
        int b = 0;
        g_variant_get(parameters, "(ii)", &a, &b);
        if (self->add)
            self->add(invocation, a, b);
        else
            g_dbus_method_invocation_return_value(invocation, g_variant_new("(i)", a + b));
    }

    GDBusConnection *m_connection;
    GDBusNodeInfo *m_info;
    guint m_registration = 0;
    QThread *m_thread = QThread::currentThread();
};

/// A connection of QtDBus that is closed at the end.
class QtConnection
{
public:
    explicit QtConnection(const QByteArray &address)
        : m_name(QStringLiteral("connection %1").arg(++s_number)),
          m_connection(QDBusConnection::connectToBus(QString::fromLatin1(address), m_name))
    {
        if (!m_connection.isConnected())
            qFatal("QtDBus: %s", qPrintable(m_connection.lastError().message()));
    }

    ~QtConnection() { QDBusConnection::disconnectFromBus(m_name); }

    QtConnection(const QtConnection &) = delete;
    QtConnection &operator=(const QtConnection &) = delete;

    QDBusConnection *operator->() { return &m_connection; }

private:
    static inline int s_number = 0;
    QString m_name;
    QDBusConnection m_connection;
};

/// The calculator as a QtDBus service.
class QtCalculator : public QObject
{
    Q_OBJECT
    Q_CLASSINFO("D-Bus Interface", "org.example.Calculator")

public:
    void offer(QtConnection &connection)
    {
        if (!connection->registerObject(QLatin1String(objectPath), this,
                                        QDBusConnection::ExportAllContents)
            || !connection->registerService(QLatin1String(qtdbusName)))
            qFatal("cannot offer %s", qtdbusName);
    }

    int calls = 0;
    bool inOwnThread = true;

public Q_SLOTS:
    int Add(int a, int b)
    {
        ++calls;
        inOwnThread &= QThread::currentThread() == thread();
        return a + b;
    }

Q_SIGNALS:
    void Ticked(int number);
};

/// QDBusConnection::connect() wants a slot.
class SignalRelay : public QObject
{
    Q_OBJECT

public Q_SLOTS:
    void receive(int number) { Q_EMIT received(number); }

Q_SIGNALS:
    void received(int number);
};

QDBusMessage addMessage(const char *service, int a, int b)
{
    QDBusMessage message = QDBusMessage::createMethodCall(
        QLatin1String(service), QLatin1String(objectPath), QLatin1String(interfaceName),
        QStringLiteral("Add"));
    message << a << b;
    return message;
}

/// Asynchronous calls through GDBus, each with the next number.
struct GDBusCalls
{
    void call(GDBusConnection *connection, int a, int b)
    {
        g_dbus_connection_call(connection, qtdbusName, objectPath, interfaceName, "Add",
                               g_variant_new("(ii)", a, b), G_VARIANT_TYPE("(i)"),
                               G_DBUS_CALL_FLAGS_NONE, callTimeout, nullptr, &GDBusCalls::onReply,
                               this);
    }

    static void onReply(GObject *connection, GAsyncResult *result, gpointer data)
    {
        auto self = static_cast<GDBusCalls *>(data);
        self->inOwnThread &= QThread::currentThread() == qApp->thread();
        g_autoptr(GError) error = nullptr;
        g_autoptr(GVariant) reply
            = g_dbus_connection_call_finish(G_DBUS_CONNECTION(connection), result, &error);
        int sum = -1;
        if (reply)
            g_variant_get(reply, "(i)", &sum);
        else
            qWarning("%s", error->message);
        self->sums << sum;
        self->done->step();
    }

    Countdown *done;
    QList<int> sums;
    bool inOwnThread = true;
};

int addSync(GDBusConnection *connection, const char *service, int a, int b)
{
    g_autoptr(GError) error = nullptr;
    g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
        connection, service, objectPath, interfaceName, "Add", g_variant_new("(ii)", a, b),
        G_VARIANT_TYPE("(i)"), G_DBUS_CALL_FLAGS_NONE, callTimeout, nullptr, &error);
    int sum = -1;
    if (reply)
        g_variant_get(reply, "(i)", &sum);
    else
        qWarning("%s", error->message);
    return sum;
}

}

class tst_GDBus : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void cleanupTestCase();

    void qtClientOfAGDBusService();
    void gdbusClientOfAQtService();
    void throughBothAndBack();
    void signalsBothWays();
    void namesComeAndGo();
    void connectedAsynchronously();
    void blockingWithAnEventLoopInASlot();
    void gdbusSyncCallInASlot();
    void gdbusSyncCallInAGLibCallback();
    void qtBlockingCallInASlot();

private:
    QTemporaryDir m_directory;
    QProcess m_daemon;
    QByteArray m_address;
};

void tst_GDBus::initTestCase()
{
    const QString program = QStandardPaths::findExecutable(QStringLiteral("dbus-daemon"));
    if (program.isEmpty())
        QSKIP("dbus-daemon is not installed");
    QVERIFY(m_directory.isValid());
    QFile configuration(m_directory.filePath(QStringLiteral("bus.conf")));
    QVERIFY(configuration.open(QIODevice::WriteOnly));
    configuration.write("<busconfig><type>session</type><listen>unix:path="
                        + QFile::encodeName(m_directory.filePath(QStringLiteral("bus")))
                        + "</listen><auth>EXTERNAL</auth><policy context=\"default\">"
                          "<allow send_destination=\"*\" eavesdrop=\"true\"/>"
                          "<allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>");
    configuration.close();

    Countdown started(1);
    connect(&m_daemon, &QProcess::readyReadStandardOutput, this, [&] {
        m_address += m_daemon.readAllStandardOutput();
        if (m_address.endsWith('\n'))
            started.step();
    });
    m_daemon.start(program,
                   {QStringLiteral("--config-file"), configuration.fileName(),
                    QStringLiteral("--nofork"), QStringLiteral("--print-address")});
    QVERIFY2(started.wait(), m_daemon.readAllStandardError().constData());
    m_address = m_address.trimmed();
}

void tst_GDBus::cleanupTestCase()
{
    m_daemon.terminate();
    m_daemon.waitForFinished();
}

void tst_GDBus::qtClientOfAGDBusService()
{
    constexpr int count = 100;
    GDBusCalculator calculator(m_address);
    QtConnection client(m_address);
    Countdown answered(count);
    QList<int> sums(count, -1);
    for (int i = 0; i < count; ++i) {
        auto watcher = new QDBusPendingCallWatcher(
            client->asyncCall(addMessage(gdbusName, i, 1000), callTimeout), this);
        connect(watcher, &QDBusPendingCallWatcher::finished, this, [&, watcher, i] {
            QVERIFY2(!watcher->isError(), qPrintable(watcher->error().message()));
            sums[i] = watcher->reply().arguments().constFirst().toInt();
            watcher->deleteLater();
            answered.step();
        });
    }
    QVERIFY(answered.wait());
    QCOMPARE(calculator.calls, count);
    QVERIFY(calculator.inOwnThread);
    for (int i = 0; i < count; ++i)
        QCOMPARE(sums.at(i), i + 1000);
}

void tst_GDBus::gdbusClientOfAQtService()
{
    constexpr int count = 100;
    QtConnection service(m_address);
    QtCalculator calculator;
    calculator.offer(service);
    g_autoptr(GDBusConnection) client = connectGDBus(m_address);
    Countdown answered(count);
    GDBusCalls calls = {&answered, {}, true};
    for (int i = 0; i < count; ++i)
        calls.call(client, i, 1000);
    QVERIFY(answered.wait());
    QCOMPARE(calculator.calls, count);
    QVERIFY(calculator.inOwnThread);
    QVERIFY(calls.inOwnThread);
    for (int i = 0; i < count; ++i)
        QCOMPARE(calls.sums.at(i), i + 1000);
    g_dbus_connection_close_sync(client, nullptr, nullptr);
}

void tst_GDBus::throughBothAndBack()
{
    // QtDBus asks the GDBus service, which asks the QtDBus service before it answers.
    constexpr int count = 50;
    QtConnection service(m_address);
    QtCalculator qtCalculator;
    qtCalculator.offer(service);
    GDBusCalculator gdbusCalculator(m_address);
    gdbusCalculator.add = [&](GDBusMethodInvocation *invocation, int a, int b) {
        g_dbus_connection_call(
            gdbusCalculator.connection(), qtdbusName, objectPath, interfaceName, "Add",
            g_variant_new("(ii)", a, b), G_VARIANT_TYPE("(i)"), G_DBUS_CALL_FLAGS_NONE, callTimeout,
            nullptr,
            [](GObject *connection, GAsyncResult *result, gpointer asked) {
                g_autoptr(GVariant) reply = g_dbus_connection_call_finish(
                    G_DBUS_CONNECTION(connection), result, nullptr);
                g_dbus_method_invocation_return_value(static_cast<GDBusMethodInvocation *>(asked),
                                                      reply);
            },
            invocation);
    };
    QtConnection client(m_address);
    Countdown answered(count);
    int total = 0;
    for (int i = 0; i < count; ++i) {
        auto watcher = new QDBusPendingCallWatcher(
            client->asyncCall(addMessage(gdbusName, i, 1), callTimeout), this);
        connect(watcher, &QDBusPendingCallWatcher::finished, this, [&, watcher] {
            QVERIFY2(!watcher->isError(), qPrintable(watcher->error().message()));
            total += watcher->reply().arguments().constFirst().toInt();
            watcher->deleteLater();
            answered.step();
        });
    }
    QVERIFY(answered.wait());
    QCOMPARE(gdbusCalculator.calls, count);
    QCOMPARE(qtCalculator.calls, count);
    QCOMPARE(total, count * (count + 1) / 2);
}

void tst_GDBus::signalsBothWays()
{
    constexpr int count = 100;
    struct Received
    {
        static void onSignal(GDBusConnection *, const char *, const char *, const char *,
                             const char *, GVariant *parameters, gpointer data)
        {
            auto self = static_cast<Received *>(data);
            int number = -1;
            g_variant_get(parameters, "(i)", &number);
            self->byGDBus << number;
            self->done->step();
        }

        Countdown *done;
        QList<int> byGDBus;
        QList<int> byQt;
    };
    Countdown done(2 * count);
    Received received = {&done, {}, {}};

    GDBusCalculator gdbusCalculator(m_address);
    QtConnection qtConnection(m_address);
    QtCalculator qtCalculator;
    qtCalculator.offer(qtConnection);

    SignalRelay relay;
    QVERIFY(qtConnection->connect(QLatin1String(gdbusName), QLatin1String(objectPath),
                                  QLatin1String(interfaceName), QStringLiteral("Ticked"), &relay,
                                  SLOT(receive(int))));
    connect(&relay, &SignalRelay::received, this, [&](int number) {
        received.byQt << number;
        done.step();
    });
    const guint subscription = g_dbus_connection_signal_subscribe(
        gdbusCalculator.connection(), qtdbusName, interfaceName, "Ticked", objectPath, nullptr,
        G_DBUS_SIGNAL_FLAGS_NONE, &Received::onSignal, &received, nullptr);
    // The bus serves each connection's requests in order: when it has answered the next one, the
    // subscription is in force.
    QVERIFY(qtConnection->interface()->isServiceRegistered(QLatin1String(qtdbusName)));
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        gdbusCalculator.connection(), "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId",
        nullptr, nullptr, G_DBUS_CALL_FLAGS_NONE, callTimeout, nullptr, nullptr);
    QVERIFY(answer);

    for (int i = 0; i < count; ++i) {
        gdbusCalculator.emitTicked(i);
        Q_EMIT qtCalculator.Ticked(i);
    }
    QVERIFY(done.wait());
    g_dbus_connection_signal_unsubscribe(gdbusCalculator.connection(), subscription);
    QCOMPARE(received.byQt.size(), count);
    QCOMPARE(received.byGDBus.size(), count);
    for (int i = 0; i < count; ++i) {
        QCOMPARE(received.byQt.at(i), i);
        QCOMPARE(received.byGDBus.at(i), i);
    }
}

void tst_GDBus::namesComeAndGo()
{
    // Each side sees the other's name vanish with its connection.
    auto gdbusCalculator = std::make_unique<GDBusCalculator>(m_address);
    auto service = std::make_unique<QtConnection>(m_address);
    QtCalculator qtCalculator;
    qtCalculator.offer(*service);

    QtConnection qtClient(m_address);
    g_autoptr(GDBusConnection) gdbusClient = connectGDBus(m_address);
    struct Seen
    {
        Countdown appeared{1};
        Countdown vanished{2};
    } seen;
    const guint watch = g_bus_watch_name_on_connection(
        gdbusClient, qtdbusName, G_BUS_NAME_WATCHER_FLAGS_NONE,
        [](GDBusConnection *, const char *, const char *, gpointer data) {
            static_cast<Seen *>(data)->appeared.step();
        },
        [](GDBusConnection *, const char *, gpointer data) {
            static_cast<Seen *>(data)->vanished.step();
        },
        &seen, nullptr);
    QDBusServiceWatcher watcher(QLatin1String(gdbusName), *qtClient.operator->(),
                                QDBusServiceWatcher::WatchForUnregistration);
    connect(&watcher, &QDBusServiceWatcher::serviceUnregistered, this,
            [&] { seen.vanished.step(); });
    QVERIFY(seen.appeared.wait());
    // The bus serves requests in order: when it has answered this, the watcher is in force.
    QVERIFY(qtClient->interface()->isServiceRegistered(QLatin1String(gdbusName)));

    gdbusCalculator.reset();
    service.reset();
    QVERIFY(seen.vanished.wait());
    g_bus_unwatch_name(watch);
    g_dbus_connection_close_sync(gdbusClient, nullptr, nullptr);
}

void tst_GDBus::connectedAsynchronously()
{
    struct Connecting
    {
        static void onConnected(GObject *, GAsyncResult *result, gpointer data)
        {
            auto self = static_cast<Connecting *>(data);
            self->connection = g_dbus_connection_new_for_address_finish(result, nullptr);
            self->done.step();
        }

        static void onClosed(GObject *connection, GAsyncResult *result, gpointer data)
        {
            auto self = static_cast<Connecting *>(data);
            self->closed = g_dbus_connection_close_finish(G_DBUS_CONNECTION(connection), result,
                                                          nullptr);
            self->closing.step();
        }

        Countdown done{1};
        Countdown closing{1};
        GDBusConnection *connection = nullptr;
        bool closed = false;
    } connecting;
    const auto flags = GDBusConnectionFlags(G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                            | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION);
    g_dbus_connection_new_for_address(m_address.constData(), flags, nullptr, nullptr,
                                      &Connecting::onConnected, &connecting);
    QVERIFY(connecting.done.wait());
    QVERIFY(connecting.connection);
    g_dbus_connection_close(connecting.connection, nullptr, &Connecting::onClosed, &connecting);
    QVERIFY(connecting.closing.wait());
    QVERIFY(connecting.closed);
    g_object_unref(connecting.connection);
}

void tst_GDBus::blockingWithAnEventLoopInASlot()
{
    // BlockWithGui waits in an event loop, so even a service of the same thread can answer.
    GDBusCalculator calculator(m_address);
    QtConnection client(m_address);
    Countdown done(3);
    QTimer timer;
    int sum = 0;
    int left = 3;
    timer.callOnTimeout([&] {
        if (left-- <= 0)
            return;
        const QDBusMessage reply
            = client->call(addMessage(gdbusName, 1, 2), QDBus::BlockWithGui, callTimeout);
        sum += reply.arguments().value(0).toInt();
        done.step();
    });
    timer.start(1);
    QVERIFY(done.wait());
    QCOMPARE(sum, 9);
    QCOMPARE(calculator.calls, 3);
}

void tst_GDBus::gdbusSyncCallInASlot()
{
    // The synchronous calls wait in a private context, which serves nothing of this thread's: the
    // service has to live elsewhere. The thread's own context and timers are as before afterwards.
    std::unique_ptr<QtConnection> service;
    std::unique_ptr<QtCalculator> calculator;
    Worker worker;
    worker.call([&] {
        service = std::make_unique<QtConnection>(m_address);
        calculator = std::make_unique<QtCalculator>();
        calculator->offer(*service);
    });
    g_autoptr(GDBusConnection) client = connectGDBus(m_address);
    constexpr int count = 20;
    Countdown done(count);
    QList<int> sums;
    QTimer timer;
    timer.callOnTimeout([&] {
        if (sums.size() == count)
            return;
        sums << addSync(client, qtdbusName, int(sums.size()), 1);
        done.step();
    });
    timer.start(1);
    QVERIFY(done.wait());
    for (int i = 0; i < count; ++i)
        QCOMPARE(sums.at(i), i + 1);
    g_dbus_connection_close_sync(client, nullptr, nullptr);
    worker.call([&] {
        QVERIFY(calculator->inOwnThread);
        QCOMPARE(calculator->calls, count);
        calculator.reset();
        service.reset();
    });
}

void tst_GDBus::gdbusSyncCallInAGLibCallback()
{
    std::unique_ptr<QtConnection> service;
    std::unique_ptr<QtCalculator> calculator;
    Worker worker;
    worker.call([&] {
        service = std::make_unique<QtConnection>(m_address);
        calculator = std::make_unique<QtCalculator>();
        calculator->offer(*service);
    });
    struct State
    {
        static gboolean onIdle(gpointer data)
        {
            auto self = static_cast<State *>(data);
            self->sum = addSync(self->client, qtdbusName, 40, 2);
            self->done.step();
            return G_SOURCE_REMOVE;
        }

        GDBusConnection *client;
        Countdown done{1};
        int sum = -1;
    } state = {connectGDBus(m_address)};
    g_idle_add(&State::onIdle, &state);
    QVERIFY(state.done.wait());
    QCOMPARE(state.sum, 42);
    g_dbus_connection_close_sync(state.client, nullptr, nullptr);
    g_object_unref(state.client);
    worker.call([&] {
        calculator.reset();
        service.reset();
    });
}

void tst_GDBus::qtBlockingCallInASlot()
{
    // QDBus::Block sleeps until the answer is there. A worker's GLib context goes on meanwhile.
    std::unique_ptr<GDBusCalculator> calculator;
    Worker worker;
    worker.call([&] { calculator = std::make_unique<GDBusCalculator>(m_address); });
    QtConnection client(m_address);
    Countdown done(1);
    int sum = 0;
    QTimer::singleShot(0, this, [&] {
        const QDBusMessage reply
            = client->call(addMessage(gdbusName, 40, 2), QDBus::Block, callTimeout);
        sum = reply.arguments().value(0).toInt();
        done.step();
    });
    QVERIFY(done.wait());
    QCOMPARE(sum, 42);
    worker.call([&] {
        QVERIFY(calculator->inOwnThread);
        calculator.reset();
    });
}

DISPATCHER_TEST_MAIN(tst_GDBus)
#include "tst_gdbus.moc"
