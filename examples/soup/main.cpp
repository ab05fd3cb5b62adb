// SPDX-License-Identifier: MIT

/*
Downloads by libsoup in a Qt program: `soup-example URL...` fetches all of them at once.

    c++ -std=c++17 -fPIC -DQT_NO_KEYWORDS -o soup-example main.cpp \
        $(pkg-config --cflags --libs glibeventdispatcher libsoup-3.0)

QT_NO_KEYWORDS, because libsoup includes GIO, where a struct has a member called signals, and Qt a
macro of that name. The other cure is to include libsoup's headers before Qt's.
*/

#include <GLibEventDispatcher>

#include <QtCore/QCoreApplication>

#include <libsoup/soup.h>

struct Downloads
{
    int left = 0;
    int status = EXIT_SUCCESS;
};

static void onFinished(GObject *session, GAsyncResult *result, gpointer data)
{
    auto *downloads = static_cast<Downloads *>(data);
    SoupMessage *message = soup_session_get_async_result_message(SOUP_SESSION(session), result);
    g_autofree char *url = g_uri_to_string(soup_message_get_uri(message));
    g_autoptr(GError) error = nullptr;
    g_autoptr(GBytes) body
        = soup_session_send_and_read_finish(SOUP_SESSION(session), result, &error);
    if (body) {
        qInfo("%s: %d %s, %zu bytes", url, int(soup_message_get_status(message)),
              soup_message_get_reason_phrase(message), g_bytes_get_size(body));
    } else {
        qWarning("%s: %s", url, error->message);
        downloads->status = EXIT_FAILURE;
    }
    if (--downloads->left == 0)
        QCoreApplication::exit(downloads->status);
}

int main(int argc, char **argv)
{
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    QCoreApplication app(argc, argv);

    Downloads downloads;
    g_autoptr(SoupSession) session = soup_session_new();
    for (int i = 1; i < argc; ++i) {
        g_autoptr(SoupMessage) message = soup_message_new(SOUP_METHOD_GET, argv[i]);
        if (!message) {
            qWarning("%s: not a URL of HTTP", argv[i]);
            downloads.status = EXIT_FAILURE;
            continue;
        }
        soup_session_send_and_read_async(session, message, G_PRIORITY_DEFAULT, nullptr, &onFinished,
                                         &downloads);
        ++downloads.left;
    }
    return downloads.left > 0 ? app.exec() : downloads.status;
}
