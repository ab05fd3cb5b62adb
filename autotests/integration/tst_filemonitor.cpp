// SPDX-License-Identifier: MIT

#include "countdown.h"
#include "dispatcherundertest.h"

#include <gio/gio.h>

#include <QtCore/QFileSystemWatcher>
#include <QtCore/QTemporaryDir>

class tst_FileMonitor : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void besideAFileSystemWatcher();
};

void tst_FileMonitor::besideAFileSystemWatcher()
{
    constexpr int count = 20;
    QTemporaryDir temporary;
    QVERIFY(temporary.isValid());
    const QDir directory(temporary.path());
    QSet<QString> names;
    for (int i = 0; i < count; ++i)
        names << QString::number(i);

    // GIO's monitor tells of each file.
    struct Monitored
    {
        Countdown allCreated{count};
        Countdown allDeleted{count};
        QSet<QString> created;
        QSet<QString> deleted;
        bool inOwnThread = true;
    } monitored;
    g_autoptr(GFile) file = g_file_new_for_path(QFile::encodeName(directory.path()).constData());
    g_autoptr(GFileMonitor) monitor
        = g_file_monitor_directory(file, G_FILE_MONITOR_NONE, nullptr, nullptr);
    QVERIFY(monitor);
    const auto onChanged = +[](GFileMonitor *, GFile *changed, GFile *, GFileMonitorEvent event,
                               gpointer data) {
        auto state = static_cast<Monitored *>(data);
        state->inOwnThread &= QThread::currentThread() == qApp->thread();
        g_autofree char *name = g_file_get_basename(changed);
        if (event == G_FILE_MONITOR_EVENT_CREATED) {
            state->created << QFile::decodeName(name);
            state->allCreated.step();
        } else if (event == G_FILE_MONITOR_EVENT_DELETED) {
            state->deleted << QFile::decodeName(name);
            state->allDeleted.step();
        }
    };
    g_signal_connect(monitor, "changed", G_CALLBACK(onChanged), &monitored);

    // Qt's watcher only says that something has changed: it is done when it has said so of the
    // directory in its final state.
    QFileSystemWatcher watcher({directory.path()});
    qsizetype expectedFiles = count;
    Countdown sawAll(1);
    Countdown sawNone(1);
    connect(&watcher, &QFileSystemWatcher::directoryChanged, this, [&] {
        if (directory.entryList(QDir::Files).size() != expectedFiles)
            return;
        if (expectedFiles == count)
            sawAll.step();
        else
            sawNone.step();
        expectedFiles = -1;
    });

    for (const QString &name : std::as_const(names)) {
        QFile created(directory.filePath(name));
        QVERIFY(created.open(QIODevice::WriteOnly));
    }
    QVERIFY(monitored.allCreated.wait());
    QVERIFY(sawAll.wait());
    QCOMPARE(monitored.created, names);
    QVERIFY(monitored.deleted.isEmpty());

    expectedFiles = 0;
    for (const QString &name : std::as_const(names))
        QVERIFY(QFile::remove(directory.filePath(name)));
    QVERIFY(monitored.allDeleted.wait());
    QVERIFY(sawNone.wait());
    QCOMPARE(monitored.deleted, names);
    QCOMPARE(monitored.created, names);
    QVERIFY(monitored.inOwnThread);
    g_file_monitor_cancel(monitor);
}

DISPATCHER_TEST_MAIN(tst_FileMonitor)
#include "tst_filemonitor.moc"
