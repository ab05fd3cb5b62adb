// SPDX-License-Identifier: MIT

#include "countdown.h"
#include "dispatcherundertest.h"
#include "httpserver.h"

#include <libsoup/soup.h>

#include <QtNetwork/QNetworkAccessManager>
#include <QtNetwork/QNetworkProxy>
#include <QtNetwork/QNetworkReply>

#include <memory>
#include <vector>

namespace {

/// A request through libsoup, and what became of it.
class Fetch
{
public:
    Fetch(SoupSession *session, const char *method, const QByteArray &url, Countdown *done,
          const QByteArray &body = {})
        : m_message(soup_message_new(method, url.constData())),
          m_cancellable(g_cancellable_new()), m_done(done)
    {
        if (!body.isEmpty()) {
            g_autoptr(GBytes) bytes = g_bytes_new(body.constData(), gsize(body.size()));
            soup_message_set_request_body_from_bytes(m_message, "text/plain", bytes);
        }
        soup_session_send_and_read_async(session, m_message, G_PRIORITY_DEFAULT, m_cancellable,
                                         &Fetch::onFinished, this);
    }

    ~Fetch()
    {
        g_clear_error(&error);
        g_object_unref(m_cancellable);
        g_object_unref(m_message);
    }

    Fetch(const Fetch &) = delete;
    Fetch &operator=(const Fetch &) = delete;

    void cancel() { g_cancellable_cancel(m_cancellable); }
    int status() const { return int(soup_message_get_status(m_message)); }

    int finishes = 0;
    QByteArray received;
    GError *error = nullptr;
    bool inOwnThread = false;

private:
    static void onFinished(GObject *session, GAsyncResult *result, gpointer data)
    {
        auto self = static_cast<Fetch *>(data);
        self->inOwnThread = QThread::currentThread() == qApp->thread();
        g_autoptr(GBytes) bytes
            = soup_session_send_and_read_finish(SOUP_SESSION(session), result, &self->error);
        if (bytes) {
            gsize size = 0;
            const gconstpointer start = g_bytes_get_data(bytes, &size);
            self->received = QByteArray(static_cast<const char *>(start), qsizetype(size));
        }
        ++self->finishes;
        self->m_done->step();
    }

    SoupMessage *m_message;
    GCancellable *m_cancellable;
    Countdown *m_done;
};

}

// GLib's client or server on one side, Qt's on the other, all served by the same thread.
class tst_Soup : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();

    void sixtyRequestsAtOnce();
    void post();
    void chunked();
    void redirected();
    void notFound();
    void serverHangsUp();
    void cancelled();
    void besideNetworkAccessManager();
    void soupServerForAQtClient();

private:
    std::unique_ptr<HttpServer> m_server;
    SoupSession *m_session = nullptr;
};

void tst_Soup::init()
{
    m_server = std::make_unique<HttpServer>();
    m_session = soup_session_new_with_options("proxy-resolver", nullptr, "max-conns", 20,
                                              "max-conns-per-host", 10, nullptr);
}

void tst_Soup::cleanup()
{
    soup_session_abort(m_session);
    g_clear_object(&m_session);
    m_server.reset();
}

void tst_Soup::sixtyRequestsAtOnce()
{
    constexpr int count = 60;
    Countdown finished(count);
    std::vector<std::unique_ptr<Fetch>> fetches;
    for (int i = 0; i < count; ++i) {
        const QByteArray url = m_server->url("/bytes/" + QByteArray::number(997 * i));
        fetches.push_back(std::make_unique<Fetch>(m_session, "GET", url, &finished));
    }
    QVERIFY(finished.wait());
    QCOMPARE(m_server->requests, count);
    for (int i = 0; i < count; ++i) {
        const Fetch &fetch = *fetches[std::size_t(i)];
        QVERIFY2(!fetch.error, fetch.error ? fetch.error->message : "");
        QVERIFY(fetch.inOwnThread);
        QCOMPARE(fetch.finishes, 1);
        QCOMPARE(fetch.received, HttpServer::bytes(997 * i));
    }
}

void tst_Soup::post()
{
    const QByteArray body = HttpServer::bytes(1'000'000);
    Countdown finished(1);
    Fetch fetch(m_session, "POST", m_server->url("/echo"), &finished, body);
    QVERIFY(finished.wait());
    QCOMPARE(fetch.status(), 200);
    QVERIFY(fetch.received == body);
}

void tst_Soup::chunked()
{
    Countdown finished(1);
    Fetch fetch(m_session, "GET", m_server->url("/chunked/300000"), &finished);
    QVERIFY(finished.wait());
    QCOMPARE(fetch.status(), 200);
    QVERIFY(fetch.received == HttpServer::bytes(300'000));
}

void tst_Soup::redirected()
{
    Countdown finished(1);
    Fetch fetch(m_session, "GET", m_server->url("/redirect"), &finished);
    QVERIFY(finished.wait());
    QCOMPARE(fetch.status(), 200);
    QCOMPARE(fetch.received, HttpServer::bytes(1000));
    QCOMPARE(m_server->requests, 2);
}

void tst_Soup::notFound()
{
    Countdown finished(1);
    Fetch fetch(m_session, "GET", m_server->url("/nothing"), &finished);
    QVERIFY(finished.wait());
    QVERIFY(!fetch.error);
    QCOMPARE(fetch.status(), 404);
}

void tst_Soup::serverHangsUp()
{
    Countdown finished(1);
    Fetch fetch(m_session, "GET", m_server->url("/cut"), &finished);
    QVERIFY(finished.wait());
    QVERIFY(fetch.error);
}

void tst_Soup::cancelled()
{
    Countdown finished(1);
    Fetch fetch(m_session, "GET", m_server->url("/silence"), &finished);
    QTRY_COMPARE(m_server->requests, 1);
    QTimer::singleShot(0, this, [&] { fetch.cancel(); });
    QVERIFY(finished.wait());
    QVERIFY(g_error_matches(fetch.error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
}

void tst_Soup::besideNetworkAccessManager()
{
    constexpr int count = 30;
    QNetworkAccessManager manager;
    manager.setProxy(QNetworkProxy::NoProxy);
    Countdown finished(2 * count);
    std::vector<std::unique_ptr<Fetch>> fetches;
    QList<QNetworkReply *> replies;
    const QByteArray url = m_server->url("/bytes/10000");
    for (int i = 0; i < count; ++i) {
        fetches.push_back(std::make_unique<Fetch>(m_session, "GET", url, &finished));
        replies << manager.get(QNetworkRequest(QUrl(QString::fromLatin1(url))));
        connect(replies.last(), &QNetworkReply::finished, this, [&] { finished.step(); });
    }
    QVERIFY(finished.wait());
    QCOMPARE(m_server->requests, 2 * count);
    for (const auto &fetch : fetches)
        QCOMPARE(fetch->received, HttpServer::bytes(10'000));
    for (QNetworkReply *reply : std::as_const(replies))
        QCOMPARE(reply->readAll(), HttpServer::bytes(10'000));
}

void tst_Soup::soupServerForAQtClient()
{
    constexpr int count = 30;
    g_autoptr(SoupServer) server = SOUP_SERVER(g_object_new(SOUP_TYPE_SERVER, nullptr));
    int served = 0;
    soup_server_add_handler(
        server, nullptr,
        [](SoupServer *, SoupServerMessage *message, const char *path, GHashTable *,
           gpointer data) {
            ++*static_cast<int *>(data);
            soup_server_message_set_status(message, SOUP_STATUS_OK, nullptr);
            soup_server_message_set_response(message, "text/plain", SOUP_MEMORY_COPY, path,
                                             strlen(path));
        },
        &served, nullptr);
    g_autoptr(GError) error = nullptr;
    QVERIFY2(soup_server_listen_local(server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error),
             error ? error->message : "");
    GSList *uris = soup_server_get_uris(server);
    const int port = g_uri_get_port(static_cast<GUri *>(uris->data));
    g_slist_free_full(uris, [](gpointer uri) { g_uri_unref(static_cast<GUri *>(uri)); });

    QNetworkAccessManager manager;
    manager.setProxy(QNetworkProxy::NoProxy);
    Countdown finished(count);
    QList<QNetworkReply *> replies;
    for (int i = 0; i < count; ++i) {
        const QUrl url(QStringLiteral("http://127.0.0.1:%1/page/%2").arg(port).arg(i));
        replies << manager.get(QNetworkRequest(url));
        connect(replies.last(), &QNetworkReply::finished, this, [&] { finished.step(); });
    }
    QVERIFY(finished.wait());
    soup_server_disconnect(server);
    QCOMPARE(served, count);
    for (int i = 0; i < count; ++i)
        QCOMPARE(replies.at(i)->readAll(), "/page/" + QByteArray::number(i));
}

DISPATCHER_TEST_MAIN(tst_Soup)
#include "tst_soup.moc"
