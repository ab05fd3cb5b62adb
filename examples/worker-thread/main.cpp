// SPDX-License-Identifier: MIT

/*
A QThread with a GLib context of its own: GIO's asynchronous calls that are started in it complete in
it, and the main thread hears of them through signals. This is its CMakeLists.txt elsewhere:

    cmake_minimum_required(VERSION 3.22)
    project(worker-thread LANGUAGES CXX)
    find_package(GLibEventDispatcher REQUIRED)
    find_package(PkgConfig REQUIRED)
    pkg_check_modules(GIO REQUIRED IMPORTED_TARGET gio-2.0)
    set(CMAKE_AUTOMOC ON)
    add_executable(worker-thread main.cpp)
    target_compile_definitions(worker-thread PRIVATE QT_NO_KEYWORDS)
    target_link_libraries(worker-thread
        PRIVATE GLibEventDispatcher::GLibEventDispatcher PkgConfig::GIO)

QT_NO_KEYWORDS, because a GIO struct has a member called signals, and Qt a macro of that name. The
other cure is to include GIO's headers before Qt's.
*/

#include <GLibEventDispatcher>

#include <QtCore/QCoreApplication>
#include <QtCore/QThread>

#include <gio/gio.h>

#include <cstdio>

/// Lists a directory, some files at a time. It lives in the thread that does the work.
class Lister : public QObject
{
    Q_OBJECT

public:
    void list(const QByteArray &path)
    {
        g_autoptr(GFile) directory = g_file_new_for_path(path.constData());
        g_file_enumerate_children_async(
            directory, G_FILE_ATTRIBUTE_STANDARD_NAME "," G_FILE_ATTRIBUTE_STANDARD_SIZE,
            G_FILE_QUERY_INFO_NONE, G_PRIORITY_DEFAULT, nullptr,
            [](GObject *file, GAsyncResult *result, gpointer data) {
                auto *self = static_cast<Lister *>(data);
                g_autoptr(GError) error = nullptr;
                g_autoptr(GFileEnumerator) files
                    = g_file_enumerate_children_finish(G_FILE(file), result, &error);
                if (files)
                    self->readOn(files);
                else
                    Q_EMIT self->failed(QString::fromUtf8(error->message));
            },
            this);
    }

    /// Whether every answer came in the thread that asked.
    bool isAnsweredInItsThread() const { return m_isAnsweredInItsThread; }

Q_SIGNALS:
    void found(const QString &name, qint64 size);
    void finished();
    void failed(const QString &problem);

private:
    void readOn(GFileEnumerator *files)
    {
        m_isAnsweredInItsThread &= QThread::currentThread() == thread();
        g_file_enumerator_next_files_async(
            files, 10, G_PRIORITY_DEFAULT, nullptr,
            [](GObject *object, GAsyncResult *result, gpointer data) {
                auto *self = static_cast<Lister *>(data);
                GFileEnumerator *enumerator = G_FILE_ENUMERATOR(object);
                g_autoptr(GError) error = nullptr;
                GList *infos = g_file_enumerator_next_files_finish(enumerator, result, &error);
                if (error)
                    return Q_EMIT self->failed(QString::fromUtf8(error->message));
                if (!infos)
                    return Q_EMIT self->finished();
                for (const GList *info = infos; info; info = info->next) {
                    auto *fileInfo = G_FILE_INFO(info->data);
                    Q_EMIT self->found(QString::fromUtf8(g_file_info_get_name(fileInfo)),
                                       g_file_info_get_size(fileInfo));
                }
                g_list_free_full(infos, g_object_unref);
                self->readOn(enumerator);
            },
            this);
    }

    bool m_isAnsweredInItsThread = true;
};

int main(int argc, char **argv)
{
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    QCoreApplication app(argc, argv);
    const QByteArray path = argc > 1 ? QByteArray(argv[1]) : QByteArray("/");

    QThread thread;
    thread.setEventDispatcher(new GLibEventDispatcher);
    Lister lister;
    lister.moveToThread(&thread);

    int count = 0;
    QObject::connect(&lister, &Lister::found, &app, [&count](const QString &name, qint64 size) {
        ++count;
        std::printf("%10lld %s\n", static_cast<long long>(size), qUtf8Printable(name));
    });
    QObject::connect(&lister, &Lister::finished, &app, &QCoreApplication::quit);
    QObject::connect(&lister, &Lister::failed, &app, [](const QString &problem) {
        std::fprintf(stderr, "worker-thread: %s\n", qUtf8Printable(problem));
        QCoreApplication::exit(EXIT_FAILURE);
    });

    thread.start();
    QMetaObject::invokeMethod(&lister, [&lister, path] { lister.list(path); },
                              Qt::QueuedConnection);
    const int status = app.exec();
    thread.quit();
    thread.wait();

    if (status == EXIT_SUCCESS)
        std::printf("end: %d files, %s\n", count,
                    lister.isAnsweredInItsThread() ? "all answers in the worker thread"
                                                   : "some answers in another thread");
    return status;
}

#include "main.moc"
