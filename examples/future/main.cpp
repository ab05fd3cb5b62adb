// SPDX-License-Identifier: MIT

/*
A QFuture for the result of a GIO call, with then(), onFailed() and cancel(). The program waits
three seconds for a line of its standard input.

    c++ -std=c++17 -fPIC -DQT_NO_KEYWORDS -o future-example main.cpp \
        $(pkg-config --cflags --libs glibeventdispatcher gio-unix-2.0)

QT_NO_KEYWORDS, because a GIO struct has a member called signals, and Qt a macro of that name. The
other cure is to include GIO's headers before Qt's.
*/

#include <GLibEventDispatcher>

#include <QtCore/QCoreApplication>
#include <QtCore/QFutureWatcher>
#include <QtCore/QPromise>
#include <QtCore/QTimer>

#include <gio/gio.h>
#include <gio/gunixinputstream.h>

#include <memory>
#include <stdexcept>

/// Calls @p start, which starts an asynchronous call of GIO's, and later @p finish for its result.
/// GIO's errors become exceptions of the future; cancelling the future cancels the call.
template <typename Start, typename Finish> auto gioFuture(Start start, Finish finish)
{
    using Result = std::invoke_result_t<Finish, GObject *, GAsyncResult *, GError **>;
    struct Call
    {
        Finish finish;
        QPromise<Result> promise{};
        QFutureWatcher<Result> watcher{};
        GCancellable *cancellable = g_cancellable_new();
        ~Call() { g_object_unref(cancellable); }
    };
    auto *call = new Call{std::move(finish)};
    call->promise.start();
    QObject::connect(&call->watcher, &QFutureWatcherBase::canceled,
                     [call] { g_cancellable_cancel(call->cancellable); });
    call->watcher.setFuture(call->promise.future());
    const QFuture<Result> future = call->promise.future();
    start(
        call->cancellable,
        [](GObject *source, GAsyncResult *result, gpointer data) {
            const std::unique_ptr<Call> done(static_cast<Call *>(data));
            g_autoptr(GError) error = nullptr;
            Result value = done->finish(source, result, &error);
            if (error)
                done->promise.setException(
                    std::make_exception_ptr(std::runtime_error(error->message)));
            else
                done->promise.addResult(std::move(value));
            done->promise.finish();
        },
        call);
    return future;
}

static QFuture<QByteArray> readLine(GDataInputStream *stream)
{
    return gioFuture(
        [stream](GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data) {
            g_data_input_stream_read_line_async(stream, G_PRIORITY_DEFAULT, cancellable, callback,
                                                data);
        },
        [](GObject *source, GAsyncResult *result, GError **error) {
            g_autofree char *line = g_data_input_stream_read_line_finish(
                G_DATA_INPUT_STREAM(source), result, nullptr, error);
            return QByteArray(line);
        });
}

int main(int argc, char **argv)
{
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    QCoreApplication app(argc, argv);

    g_autoptr(GInputStream) input = g_unix_input_stream_new(0, false);
    g_autoptr(GDataInputStream) lines = g_data_input_stream_new(input);
    QFuture<QByteArray> line = readLine(lines);
    QTimer::singleShot(3000, &app, [&line] { line.cancel(); });

    line.then(&app, [](const QByteArray &text) { qInfo("read: %s", text.constData()); })
        .onCanceled(&app, [] { qInfo("cancelled"); }) // first: onFailed() of Qt 6.4 hides it
        .onFailed(&app, [](const std::exception &error) { qWarning("failed: %s", error.what()); })
        .then(&app, [] { QCoreApplication::quit(); });
    return app.exec();
}
