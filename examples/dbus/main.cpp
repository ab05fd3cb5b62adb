// SPDX-License-Identifier: MIT

/*
One thread that offers a GDBus service and calls it through QtDBus, on a bus of its own.

    c++ -std=c++17 -fPIC -DQT_NO_KEYWORDS -o dbus-example main.cpp \
        $(pkg-config --cflags --libs glibeventdispatcher Qt6DBus gio-2.0)

QT_NO_KEYWORDS, because a GIO struct has a member called signals, and Qt a macro of that name. The
other cure is to include GIO's headers before Qt's.
*/

#include <GLibEventDispatcher>

#include <QtCore/QCoreApplication>
#include <QtCore/QTimer>
#include <QtDBus/QDBusConnection>
#include <QtDBus/QDBusError>
#include <QtDBus/QDBusMessage>
#include <QtDBus/QDBusPendingCall>
#include <QtDBus/QDBusPendingReply>

#include <gio/gio.h>

#include <cstdio>
#include <functional>

constexpr int Calls = 10;

const char interfaceXml[] = R"(
<node>
  <interface name="org.example.Calculator">
    <method name="Square">
      <arg type="i" name="number" direction="in"/>
      <arg type="i" name="square" direction="out"/>
    </method>
  </interface>
</node>
)";

/// GLib's side: the service.
class Calculator
{
public:
    /// Calls @p whenReady when the service can be called.
    Calculator(GDBusConnection *connection, std::function<void()> whenReady)
        : m_connection(connection)
        , m_info(g_dbus_node_info_new_for_xml(interfaceXml, nullptr))
        , m_whenReady(std::move(whenReady))
    {
        static const GDBusInterfaceVTable functions = { &Calculator::answer, nullptr, nullptr, {} };
        m_object = g_dbus_connection_register_object(m_connection, "/calculator",
                                                     m_info->interfaces[0], &functions, this,
                                                     nullptr, nullptr);
        m_name = g_bus_own_name_on_connection(
            m_connection, "org.example.GDBus", G_BUS_NAME_OWNER_FLAGS_NONE,
            [](GDBusConnection *, const char *, gpointer self) {
                static_cast<Calculator *>(self)->m_whenReady();
            },
            nullptr, this, nullptr);
    }
    ~Calculator()
    {
        g_bus_unown_name(m_name);
        g_dbus_connection_unregister_object(m_connection, m_object);
        g_dbus_node_info_unref(m_info);
    }
    Calculator(const Calculator &) = delete;
    Calculator &operator=(const Calculator &) = delete;

    int calls() const { return m_calls; }

private:
    static void answer(GDBusConnection *, const char *, const char *, const char *, const char *,
                       GVariant *arguments, GDBusMethodInvocation *call, gpointer self)
    {
        ++static_cast<Calculator *>(self)->m_calls;
        int number = 0;
        g_variant_get(arguments, "(i)", &number);
        g_dbus_method_invocation_return_value(call, g_variant_new("(i)", number * number));
    }

    GDBusConnection *const m_connection;
    GDBusNodeInfo *const m_info;
    const std::function<void()> m_whenReady;
    guint m_object = 0;
    guint m_name = 0;
    int m_calls = 0;
};

/// Qt's side: the client. A timer paces the calls, which are asynchronous.
class Client
{
public:
    explicit Client(const QDBusConnection &connection)
        : m_connection(connection)
    {
        m_timer.callOnTimeout([this] { call(); });
    }

    void start() { m_timer.start(20); }
    int replies() const { return m_replies; }

private:
    void call()
    {
        QDBusMessage message = QDBusMessage::createMethodCall(
            QStringLiteral("org.example.GDBus"), QStringLiteral("/calculator"),
            QStringLiteral("org.example.Calculator"), QStringLiteral("Square"));
        message << ++m_calls;
        if (m_calls == Calls)
            m_timer.stop();
        auto *watcher = new QDBusPendingCallWatcher(m_connection.asyncCall(message), &m_timer);
        QObject::connect(watcher, &QDBusPendingCallWatcher::finished, watcher,
                         [this, watcher, number = m_calls] {
                             watcher->deleteLater();
                             const QDBusPendingReply<int> reply = *watcher;
                             if (reply.isError())
                                 return fail(reply.error().message());
                             std::printf("%d * %d = %d\n", number, number, reply.value());
                             if (++m_replies == Calls)
                                 QCoreApplication::quit();
                         });
    }

    void fail(const QString &problem)
    {
        std::fprintf(stderr, "dbus-example: %s\n", qPrintable(problem));
        QCoreApplication::exit(EXIT_FAILURE);
    }

    QDBusConnection m_connection;
    QTimer m_timer;
    int m_calls = 0;
    int m_replies = 0;
};

int main(int argc, char **argv)
{
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    QCoreApplication app(argc, argv);

    g_autofree char *daemon = g_find_program_in_path("dbus-daemon");
    if (!daemon) {
        std::fputs("dbus-example: dbus-daemon is not installed\n", stderr);
        return EXIT_FAILURE;
    }
    // GIO's way to start a bus that nobody else is on.
    g_autoptr(GTestDBus) bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(bus);
    const char *address = g_test_dbus_get_bus_address(bus);

    g_autoptr(GError) error = nullptr;
    g_autoptr(GDBusConnection) connection = g_dbus_connection_new_for_address_sync(
        address,
        GDBusConnectionFlags(G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                             | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION),
        nullptr, nullptr, &error);
    if (!connection) {
        std::fprintf(stderr, "dbus-example: %s\n", error->message);
        return EXIT_FAILURE;
    }

    const QString clientName = QStringLiteral("client");
    int status = EXIT_FAILURE;
    {
        Client client(QDBusConnection::connectToBus(QString::fromLatin1(address), clientName));
        const Calculator calculator(connection, [&client] { client.start(); });
        status = app.exec();
        std::printf("end: %d calls answered by GDBus, %d replies received by QtDBus\n",
                    calculator.calls(), client.replies());
    }
    QDBusConnection::disconnectFromBus(clientName);
    g_dbus_connection_close_sync(connection, nullptr, nullptr);
    g_test_dbus_stop(bus);
    return status;
}
