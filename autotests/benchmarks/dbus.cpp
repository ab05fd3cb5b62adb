// SPDX-License-Identifier: MIT

// D-Bus: calls of a service in another thread, one after the other, by QtDBus and by GDBus.

#include "measure.h"

#include <QtDBus/QDBusConnection>
#include <QtDBus/QDBusMessage>
#include <QtDBus/QDBusPendingCallWatcher>

#include <gio/gio.h>

#include <thread>

#include <unistd.h>

using namespace Qt::StringLiterals;

namespace {

const char objectPath[] = "/Echo";
const char interfaceName[] = "org.example.Echo";
const char method[] = "Echo";
const char interfaceXml[] = R"(
<node>
  <interface name="org.example.Echo">
    <method name="Echo">
      <arg type="i" name="number" direction="in"/>
      <arg type="i" name="number" direction="out"/>
    </method>
  </interface>
</node>
)";

/// Returns each number that it is called with. It has a thread and a context of its own, and needs no bus.
class Service
{
public:
    Service()
    {
        g_main_context_push_thread_default(m_context);
        const QByteArray address = "unix:abstract=dispatcherbench-" + QByteArray::number(getpid());
        char *const guid = g_dbus_generate_guid();
        m_server = g_dbus_server_new_sync(address.constData(), G_DBUS_SERVER_FLAGS_NONE, guid, nullptr, nullptr,
                                          nullptr);
        g_free(guid);
        g_main_context_pop_thread_default(m_context);
        if (!m_server)
            throw Unavailable("cannot listen for D-Bus connections");
        g_signal_connect(m_server, "new-connection", G_CALLBACK(connected), this);
        g_dbus_server_start(m_server);
        m_thread = std::thread([this] {
            g_main_context_push_thread_default(m_context);
            g_main_loop_run(m_loop);
            g_main_context_pop_thread_default(m_context);
        });
    }

    ~Service()
    {
        g_main_loop_quit(m_loop);
        m_thread.join();
        g_dbus_server_stop(m_server);
        g_object_unref(m_server);
        g_dbus_node_info_unref(m_interface);
        g_main_loop_unref(m_loop);
        g_main_context_unref(m_context);
    }
    Service(const Service &) = delete;
    Service &operator=(const Service &) = delete;

    const char *address() const { return g_dbus_server_get_client_address(m_server); }

private:
    static gboolean connected(GDBusServer *, GDBusConnection *connection, void *self)
    {
        static const GDBusInterfaceVTable functions { called, nullptr, nullptr, {} };
        g_dbus_connection_register_object(connection, objectPath,
                                          static_cast<Service *>(self)->m_interface->interfaces[0],
                                          &functions, nullptr, nullptr, nullptr);
        g_object_ref(connection); // As long as the process.
        return TRUE;
    }

    static void called(GDBusConnection *, const char *, const char *, const char *, const char *,
                       GVariant *parameters, GDBusMethodInvocation *invocation, void *)
    {
        g_dbus_method_invocation_return_value(invocation, parameters);
    }

    GMainContext *const m_context = g_main_context_new();
    GMainLoop *const m_loop = g_main_loop_new(m_context, FALSE);
    GDBusNodeInfo *const m_interface = g_dbus_node_info_new_for_xml(interfaceXml, nullptr);
    GDBusServer *m_server = nullptr;
    std::thread m_thread;
};

/// The figures of calls, each of which is made when the reply to the one before has come.
class Calls
{
public:
    explicit Calls(const Task &task) : m_loop(task) { }

    Values measure(const Task &task, const std::function<void(int)> &call)
    {
        return perOperation(task, [&](qint64 count) -> Values {
            m_next = 0;
            m_left = count;
            m_call = call;
            const qint64 start = now();
            call(m_next);
            m_loop.run();
            require(m_left == 0, "a reply was wrong");
            return { static_cast<double>(now() - start) };
        });
    }

    void replied(bool isRight, int number)
    {
        if (isRight && number == m_next && --m_left > 0)
            m_call(++m_next);
        else
            m_loop.quit();
    }

private:
    Loop m_loop;
    std::function<void(int)> m_call;
    int m_next = 0;
    qint64 m_left = 0;
};

Values qtCalls(const Task &task)
{
    const Service service;
    const QString name = u"peer"_s;
    QDBusConnection connection
        = QDBusConnection::connectToPeer(QString::fromUtf8(service.address()), name);
    require(connection.isConnected(), "connecting failed");
    Calls calls(task);
    const Values values = calls.measure(task, [&](int number) {
        QDBusMessage message = QDBusMessage::createMethodCall(
            {}, QLatin1StringView(objectPath), QLatin1StringView(interfaceName), QLatin1StringView(method));
        message << number;
        auto *const watcher = new QDBusPendingCallWatcher(connection.asyncCall(message));
        QObject::connect(watcher, &QDBusPendingCallWatcher::finished, [&calls, watcher] {
            const QDBusMessage reply = watcher->reply();
            watcher->deleteLater();
            calls.replied(reply.type() == QDBusMessage::ReplyMessage, reply.arguments().value(0).toInt());
        });
    });
    QDBusConnection::disconnectFromPeer(name);
    return values;
}

Values glibCalls(const Task &task)
{
    const Service service;
    GDBusConnection *const connection = g_dbus_connection_new_for_address_sync(
        service.address(), G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, nullptr, nullptr, nullptr);
    require(connection, "connecting failed");
    Calls calls(task);
    const auto replied = [](GObject *source, GAsyncResult *result, void *data) {
        GVariant *const reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, nullptr);
        int number = -1;
        if (reply) {
            g_variant_get(reply, "(i)", &number);
            g_variant_unref(reply);
        }
        static_cast<Calls *>(data)->replied(reply, number);
    };
    const Values values = calls.measure(task, [&](int number) {
        g_dbus_connection_call(connection, nullptr, objectPath, interfaceName, method,
                               g_variant_new("(i)", number), nullptr, G_DBUS_CALL_FLAGS_NONE, -1, nullptr,
                               replied, &calls);
    });
    g_object_unref(connection);
    return values;
}

}

Family dbusFamily()
{
    const QString title = u"call of a service in another thread"_s;
    Workload qt { u"dbus/qtdbus"_s, u"QtDBus, "_s + title, { { u"per call"_s } }, qtCalls };
    Workload gdbus { u"dbus/gdbus"_s, u"GDBus, "_s + title, { { u"per call"_s } }, glibCalls, glibCalls,
                     u"bare GMainLoop"_s };
    gdbus.needsGLib = true;
    return { u"D-Bus"_s, { qt, gdbus } };
}
