// SPDX-License-Identifier: MIT

#include "countdown.h"
#include "dispatcherundertest.h"
#include "httpserver.h"

#include <QtNetwork/QNetworkAccessManager>
#include <QtNetwork/QNetworkProxy>
#include <QtNetwork/QNetworkReply>

#include <functional>
#include <memory>

// Client and server are served by the same thread.
class tst_NetworkAccess : public QObject
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
    void aborted();
    void nestedLoopInAHandler();

private:
    QNetworkRequest request(const QByteArray &path) const
    {
        return QNetworkRequest(QUrl(QString::fromLatin1(m_server->url(path))));
    }

    /// Waits for @p reply in a loop of its own.
    static bool finish(QNetworkReply *reply)
    {
        Countdown finished(1);
        QObject::connect(reply, &QNetworkReply::finished, reply, [&] { finished.step(); });
        return finished.wait();
    }

    std::unique_ptr<HttpServer> m_server;
    std::unique_ptr<QNetworkAccessManager> m_manager;
};

void tst_NetworkAccess::init()
{
    m_server = std::make_unique<HttpServer>();
    m_manager = std::make_unique<QNetworkAccessManager>();
    m_manager->setProxy(QNetworkProxy::NoProxy);
}

void tst_NetworkAccess::cleanup()
{
    m_manager.reset();
    m_server.reset();
}

void tst_NetworkAccess::sixtyRequestsAtOnce()
{
    constexpr int count = 60;
    Countdown finished(count);
    QList<QNetworkReply *> replies;
    QList<int> finishes(count, 0);
    for (int i = 0; i < count; ++i) {
        QNetworkReply *reply = m_manager->get(request("/bytes/" + QByteArray::number(997 * i)));
        connect(reply, &QNetworkReply::finished, this, [&, i] {
            ++finishes[i];
            finished.step();
        });
        replies << reply;
    }
    QVERIFY(finished.wait());
    QCOMPARE(m_server->requests, count);
    QCOMPARE(finishes, QList<int>(count, 1));
    for (int i = 0; i < count; ++i) {
        QCOMPARE(replies.at(i)->error(), QNetworkReply::NoError);
        QCOMPARE(replies.at(i)->readAll(), HttpServer::bytes(997 * i));
    }
}

void tst_NetworkAccess::post()
{
    const QByteArray body = HttpServer::bytes(1'000'000);
    QNetworkRequest post = request("/echo");
    post.setHeader(QNetworkRequest::ContentTypeHeader, QByteArray("text/plain"));
    QNetworkReply *reply = m_manager->post(post, body);
    qint64 uploaded = 0;
    connect(reply, &QNetworkReply::uploadProgress, this,
            [&](qint64 sent) { uploaded = qMax(uploaded, sent); });
    QVERIFY(finish(reply));
    QCOMPARE(reply->error(), QNetworkReply::NoError);
    QVERIFY(reply->readAll() == body);
    QCOMPARE(uploaded, body.size());
}

void tst_NetworkAccess::chunked()
{
    QNetworkReply *reply = m_manager->get(request("/chunked/300000"));
    QByteArray received;
    connect(reply, &QNetworkReply::readyRead, this, [&] { received += reply->readAll(); });
    QVERIFY(finish(reply));
    QCOMPARE(reply->error(), QNetworkReply::NoError);
    QVERIFY(received == HttpServer::bytes(300'000));
}

void tst_NetworkAccess::redirected()
{
    QNetworkReply *reply = m_manager->get(request("/redirect"));
    QVERIFY(finish(reply));
    QCOMPARE(reply->error(), QNetworkReply::NoError);
    QCOMPARE(reply->readAll(), HttpServer::bytes(1000));
    // On a busy machine, Qt's HTTP thread may ask for the first page again before it goes on.
    QVERIFY(m_server->requests >= 2);
}

void tst_NetworkAccess::notFound()
{
    QNetworkReply *reply = m_manager->get(request("/nothing"));
    QVERIFY(finish(reply));
    QCOMPARE(reply->error(), QNetworkReply::ContentNotFoundError);
}

void tst_NetworkAccess::serverHangsUp()
{
    QNetworkReply *reply = m_manager->get(request("/cut"));
    QVERIFY(finish(reply));
    QCOMPARE(reply->error(), QNetworkReply::RemoteHostClosedError);
}

void tst_NetworkAccess::aborted()
{
    QNetworkReply *reply = m_manager->get(request("/silence"));
    QTRY_COMPARE(m_server->requests, 1);
    Countdown finished(1);
    connect(reply, &QNetworkReply::finished, this, [&] { finished.step(); });
    QTimer::singleShot(0, reply, &QNetworkReply::abort);
    QVERIFY(finished.wait());
    QCOMPARE(reply->error(), QNetworkReply::OperationCanceledError);
}

void tst_NetworkAccess::nestedLoopInAHandler()
{
    constexpr int depth = 10;
    int running = 0;
    int deepest = 0;
    std::function<void()> fetch = [&] {
        deepest = qMax(deepest, ++running);
        QNetworkReply *reply = m_manager->get(request("/bytes/" + QByteArray::number(running)));
        const qsizetype size = running;
        connect(reply, &QNetworkReply::finished, this, [&] {
            if (running < depth)
                fetch();
        });
        QVERIFY(finish(reply));
        QCOMPARE(reply->readAll().size(), size);
        --running;
    };
    fetch();
    QCOMPARE(deepest, depth);
    QCOMPARE(running, 0);
    QCOMPARE(m_server->requests, depth);
}

DISPATCHER_TEST_MAIN(tst_NetworkAccess)
#include "tst_networkaccess.moc"
