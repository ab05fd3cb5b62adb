// SPDX-License-Identifier: MIT

#include "countdown.h"
#include "dispatcherundertest.h"
#include "worker.h"

#include <QtCore/QFileSystemWatcher>
#include <QtCore/QTemporaryDir>
#include <QtTest/QSignalSpy>

namespace {

void append(const QString &path, const QByteArray &text)
{
    QFile file(path);
    if (!file.open(QIODevice::Append) || file.write(text) != text.size())
        qFatal("cannot write %s", qPrintable(path));
}

}

class tst_FileSystemWatcher : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void directory();
    void fiftyFiles();
    void removedFile();
    void inAWorkerThread();
};

void tst_FileSystemWatcher::directory()
{
    QTemporaryDir directory;
    QVERIFY(directory.isValid());
    QFileSystemWatcher watcher({directory.path()});
    QSignalSpy changed(&watcher, &QFileSystemWatcher::directoryChanged);

    append(directory.filePath(QStringLiteral("new")), "text");
    QVERIFY(changed.wait());
    QCOMPARE(changed.first().first().toString(), directory.path());

    // What the kernel had reported of the first change may come in several parts.
    QTRY_COMPARE(QDir(directory.path()).entryList(QDir::Files).size(), 1);
    QCoreApplication::processEvents();
    changed.clear();
    QVERIFY(QFile::remove(directory.filePath(QStringLiteral("new"))));
    QVERIFY(changed.wait());
}

void tst_FileSystemWatcher::fiftyFiles()
{
    constexpr int count = 50;
    QTemporaryDir directory;
    QVERIFY(directory.isValid());
    QStringList paths;
    for (int i = 0; i < count; ++i) {
        paths << directory.filePath(QString::number(i));
        append(paths.last(), "one");
    }
    QFileSystemWatcher watcher;
    QVERIFY(watcher.addPaths(paths).isEmpty());
    QSet<QString> changed;
    Countdown left(count);
    connect(&watcher, &QFileSystemWatcher::fileChanged, this, [&](const QString &path) {
        QVERIFY(paths.contains(path));
        if (!changed.contains(path)) {
            changed.insert(path);
            left.step();
        }
    });
    for (const QString &path : std::as_const(paths))
        append(path, "two");
    QVERIFY(left.wait());
    QCOMPARE(changed.size(), count);
}

void tst_FileSystemWatcher::removedFile()
{
    QTemporaryDir directory;
    QVERIFY(directory.isValid());
    const QString path = directory.filePath(QStringLiteral("file"));
    append(path, "text");
    QFileSystemWatcher watcher({path});
    Countdown forgotten(1);
    connect(&watcher, &QFileSystemWatcher::fileChanged, this, [&] {
        if (!watcher.files().contains(path))
            forgotten.step();
    });
    QVERIFY(QFile::remove(path));
    QVERIFY(forgotten.wait());
}

void tst_FileSystemWatcher::inAWorkerThread()
{
    QTemporaryDir directory;
    QVERIFY(directory.isValid());
    bool changed = false;
    Worker worker;
    worker.call([&] {
        QFileSystemWatcher watcher({directory.path()});
        QSignalSpy spy(&watcher, &QFileSystemWatcher::directoryChanged);
        append(directory.filePath(QStringLiteral("new")), "text");
        changed = spy.wait();
    });
    QVERIFY(changed);
}

DISPATCHER_TEST_MAIN(tst_FileSystemWatcher)
#include "tst_filesystemwatcher.moc"
