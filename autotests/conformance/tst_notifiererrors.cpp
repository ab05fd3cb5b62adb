// SPDX-License-Identifier: MIT

#include "eventlooptest.h"
#include "systemcalls.h"

#include <QtCore/QFile>
#include <QtCore/QLibraryInfo>
#include <QtCore/QRegularExpression>
#include <QtCore/QVersionNumber>

#include <glib.h>

#include <poll.h>
#include <sys/wait.h>
#ifdef Q_OS_LINUX
#    include <sys/epoll.h>
#endif

/// Descriptors that break, vanish or never were, and notifiers that get into each other's way.
class tst_NotifierErrors : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { settle(); }

    void hangUpAndError_data();
    void hangUpAndError();

    void closedDescriptorDisablesItsNotifier_data();
    void closedDescriptorDisablesItsNotifier();
    void closedDescriptorDisablesAllThreeTypes();
    void closedWhileTheLoopRuns();
    void closedWithADuplicateElsewhere();
    void neverOpenedDescriptorDisablesItsNotifier();
    void negativeDescriptorIsRefused();
    void othersGoOnBesideAClosedOne();
    void closedAndDeletedIsNoError();
    void replacedBehindItsBackWatchesTheNewFile();
    void usableAgainAfterAnInvalidDescriptor();
    void closedWhileNotifiersAreExcluded();
    void refusedNumberIsUsableLater();
    void refusedNumberIsOpenedBeforeTheNextTurn();
    void setsNestedTooDeepForEpoll();
    void additionsFailWhileNotifiersAreIdle();
    void forkedChildInALoopOfGLib();

    void secondOfTheSameTypeReplacesTheFirst();
    void cannotBeChangedFromAnotherThread();
};

namespace {

using Type = QSocketNotifier::Type;

const char *nameOf(Type type)
{
    switch (type) {
    case QSocketNotifier::Read:
        return "Read";
    case QSocketNotifier::Write:
        return "Write";
    case QSocketNotifier::Exception:
        return "Exception";
    }
    return nullptr;
}

void expectInvalidSocketWarning(int fd, Type type)
{
    // Qt's two dispatchers quote the type differently.
    const QString text =
        QStringLiteral("^QSocketNotifier: Invalid socket %1 (with|and) type '?%2'?, disabling");
    QTest::ignoreMessage(QtWarningMsg,
                         QRegularExpression(text.arg(fd).arg(QLatin1String(nameOf(type)))));
}

/// In so many turns, idle descriptors are moved to where they cost nothing.
constexpr int ManyTurns = 100;

/// Notifiers that are never activated: enough of them for idle descriptors to be moved to an epoll set.
class IdleNotifiers
{
public:
    IdleNotifiers()
    {
        for (int i = 0; i < 10; ++i) {
            m_channels.push_back(std::make_unique<Channel>());
            m_notifiers.push_back(std::make_unique<QSocketNotifier>(m_channels.back()->reader, QSocketNotifier::Read));
        }
    }

private:
    std::vector<std::unique_ptr<Channel>> m_channels;
    std::vector<std::unique_ptr<QSocketNotifier>> m_notifiers;
};

/// A number that no open descriptor has.
int closedNumber()
{
    const int fd = ::dup(STDERR_FILENO);
    ::close(fd);
    return fd;
}

/// What the epoll sets of this process watch, as far as the system tells.
QByteArray epollSets()
{
    QByteArray all;
    for (int fd = 0; fd < 100; ++fd) {
        QFile file(QStringLiteral("/proc/self/fdinfo/%1").arg(fd));
        if (!file.open(QIODevice::ReadOnly))
            continue;
        const QList<QByteArray> lines = file.readAll().split('\n');
        for (const QByteArray &line : lines) {
            if (line.startsWith("tfd:"))
                all += QByteArray::number(fd) + ' ' + line + '\n';
        }
    }
    return all;
}

int countActivations(QSocketNotifier *notifier, int turns = 1)
{
    int activations = 0;
    const auto connection = QObject::connect(notifier, &QSocketNotifier::activated, notifier,
                                             [&] { ++activations; });
    for (int i = 0; i < turns; ++i)
        turn();
    QObject::disconnect(connection);
    return activations;
}

}

void tst_NotifierErrors::hangUpAndError_data()
{
    QTest::addColumn<Channel::Kind>("kind");
    QTest::addColumn<bool>("closeReader");
    QTest::addColumn<Type>("type");
    QTest::addColumn<bool>("activated");

    // Each notifier watches the end that is left. Hang-up and error are readiness of every type, as
    // in poll(2); in Qt's GLib dispatcher hang-up was for readers only, up to Qt 6.8 at least, and is not in 6.11.
    const bool isForAll = !isQtGLib() || QLibraryInfo::version() > QVersionNumber(6, 9);
    QTest::newRow("pipe, writer gone, Read")
        << Channel::Pipe << false << QSocketNotifier::Read << true;
    QTest::newRow("pipe, writer gone, Write")
        << Channel::Pipe << false << QSocketNotifier::Write << isForAll;
    QTest::newRow("pipe, writer gone, Exception")
        << Channel::Pipe << false << QSocketNotifier::Exception << isForAll;
    QTest::newRow("pipe, reader gone, Read")
        << Channel::Pipe << true << QSocketNotifier::Read << true;
    QTest::newRow("pipe, reader gone, Write")
        << Channel::Pipe << true << QSocketNotifier::Write << true;
    QTest::newRow("pipe, reader gone, Exception")
        << Channel::Pipe << true << QSocketNotifier::Exception << true;
    QTest::newRow("socket, peer gone, Read")
        << Channel::SocketPair << false << QSocketNotifier::Read << true;
    QTest::newRow("socket, peer gone, Write")
        << Channel::SocketPair << false << QSocketNotifier::Write << true;
    QTest::newRow("socket, peer gone, Exception")
        << Channel::SocketPair << false << QSocketNotifier::Exception << isForAll;
}

void tst_NotifierErrors::hangUpAndError()
{
    QFETCH(Channel::Kind, kind);
    QFETCH(bool, closeReader);
    QFETCH(Type, type);
    QFETCH(bool, activated);
    Channel channel(kind);
    QSocketNotifier notifier(closeReader ? channel.writer : channel.reader, type);
    notifier.setEnabled(false);
    (closeReader ? channel.reader : channel.writer).close();
    notifier.setEnabled(true);
    QCOMPARE(countActivations(&notifier, 3), activated ? 3 : 0);
    QVERIFY(notifier.isEnabled());
}

void tst_NotifierErrors::closedDescriptorDisablesItsNotifier_data()
{
    QTest::addColumn<Type>("type");
    for (const Type type : { QSocketNotifier::Read, QSocketNotifier::Write,
                             QSocketNotifier::Exception })
        QTest::newRow(nameOf(type)) << type;
}

void tst_NotifierErrors::closedDescriptorDisablesItsNotifier()
{
    QFETCH(Type, type);
    Channel channel;
    QSocketNotifier notifier(channel.reader, type);
    int activations = 0;
    turn();
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    expectInvalidSocketWarning(channel.reader, type);
    channel.reader.close();
    QTRY_VERIFY(!notifier.isEnabled());
    QCOMPARE(activations, 0);
}

void tst_NotifierErrors::closedDescriptorDisablesAllThreeTypes()
{
    Channel channel;
    QSocketNotifier reader(channel.reader, QSocketNotifier::Read);
    QSocketNotifier writer(channel.reader, QSocketNotifier::Write);
    QSocketNotifier exception(channel.reader, QSocketNotifier::Exception);
    turn();
    for (const QSocketNotifier *notifier : { &reader, &writer, &exception })
        expectInvalidSocketWarning(channel.reader, notifier->type());
    channel.reader.close();
    QTRY_VERIFY(!reader.isEnabled() && !writer.isEnabled() && !exception.isEnabled());
}

void tst_NotifierErrors::closedWhileTheLoopRuns()
{
    if (isQtGLib())
        QSKIP("Qt's GLib dispatcher disables the notifier, but does not end the wait for that");
    Channel channel;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    expectInvalidSocketWarning(channel.reader, QSocketNotifier::Read);
    post([&] { channel.reader.close(); });
    QVERIFY(runUntil([&] { return !notifier.isEnabled(); }));
}

void tst_NotifierErrors::closedWithADuplicateElsewhere()
{
    Channel channel;
    const FileDescriptor duplicate(::dup(channel.reader));
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    turn();
    expectInvalidSocketWarning(channel.reader, QSocketNotifier::Read);
    channel.reader.close();
    channel.write();
    // Not one activation, although the file is open, and ready, under its other number.
    QCOMPARE(countActivations(&notifier, 3), 0);
    QTRY_VERIFY(!notifier.isEnabled());

    QSocketNotifier other(duplicate, QSocketNotifier::Read);
    QCOMPARE(countActivations(&other), 1);
    other.setEnabled(false);
    QTRY_VERIFY(!turn());
}

void tst_NotifierErrors::neverOpenedDescriptorDisablesItsNotifier()
{
    const int fd = closedNumber();
    expectInvalidSocketWarning(fd, QSocketNotifier::Read);
    QSocketNotifier notifier(fd, QSocketNotifier::Read);
    QTRY_VERIFY(!notifier.isEnabled());
}

void tst_NotifierErrors::negativeDescriptorIsRefused()
{
    QTest::ignoreMessage(QtWarningMsg, "QSocketNotifier: Invalid socket specified");
    QSocketNotifier notifier(-1, QSocketNotifier::Read);
    QVERIFY(!notifier.isValid());
    QCOMPARE(countActivations(&notifier), 0);
}

void tst_NotifierErrors::othersGoOnBesideAClosedOne()
{
    Channel broken;
    Channel intact;
    QSocketNotifier closed(broken.reader, QSocketNotifier::Read);
    QSocketNotifier other(intact.reader, QSocketNotifier::Read);
    turn();
    expectInvalidSocketWarning(broken.reader, QSocketNotifier::Read);
    broken.reader.close();
    intact.write();
    QCOMPARE(countActivations(&other, 3), 3);
    QTRY_VERIFY(!closed.isEnabled());
    QCOMPARE(countActivations(&other, 3), 3);
    intact.drain();
    QTRY_VERIFY(!turn());
}

void tst_NotifierErrors::closedAndDeletedIsNoError()
{
    QTest::failOnWarning(QRegularExpression(QStringLiteral(".*")));
    for (int i = 0; i < 10; ++i) {
        Channel channel;
        auto notifier = std::make_unique<QSocketNotifier>(channel.reader, QSocketNotifier::Read);
        turn();
        channel.reader.close();
        notifier.reset();
        turn();
    }
}

void tst_NotifierErrors::replacedBehindItsBackWatchesTheNewFile()
{
    Channel old;
    Channel replacement;
    QSocketNotifier notifier(old.reader, QSocketNotifier::Read);
    turn();
    QCOMPARE(::dup2(replacement.reader, old.reader), int(old.reader));
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    turn();
    QCOMPARE(activations, 0);
    replacement.write();
    // Nobody has promised when a dispatcher finds out; so without blocking.
    QTRY_VERIFY(activations > 0);
    QVERIFY(notifier.isEnabled());
}

void tst_NotifierErrors::usableAgainAfterAnInvalidDescriptor()
{
    Channel channel;
    Channel replacement;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    turn();
    expectInvalidSocketWarning(channel.reader, QSocketNotifier::Read);
    const int number = channel.reader;
    channel.reader.close();
    QTRY_VERIFY(!notifier.isEnabled());

    const FileDescriptor reused(::fcntl(replacement.reader, F_DUPFD, number));
    QCOMPARE(int(reused), number);
    replacement.write();
    notifier.setEnabled(true);
    QCOMPARE(countActivations(&notifier), 1);
}

void tst_NotifierErrors::closedWhileNotifiersAreExcluded()
{
    const IdleNotifiers idle;
    Channel channel;
    Channel other;
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    QSocketNotifier busy(other.writer, QSocketNotifier::Write);
    for (int i = 0; i < ManyTurns; ++i)
        turn();
    expectInvalidSocketWarning(channel.reader, QSocketNotifier::Read);

    // The closed one is found in the turn of the outer loop that activates the other.
    int turns = 0;
    bool isDone = false;
    TimerObject object;
    connect(&busy, &QSocketNotifier::activated, this, [&] {
        busy.setEnabled(false);
        QObject counter;
        connect(dispatcher(), &QAbstractEventDispatcher::awake, &counter, [&] { ++turns; });
        object.startTimer(200);
        runUntil([&] { return object.fired.size() >= 2; }, RunningLoop | QEventLoop::ExcludeSocketNotifiers);
        isDone = true;
    });
    channel.reader.close();
    QVERIFY(runUntil([&] { return isDone; }));
    QVERIFY2(turns < 100, qPrintable(QString::number(turns)));
    QTRY_VERIFY(!notifier.isEnabled());
}

void tst_NotifierErrors::refusedNumberIsUsableLater()
{
    QTest::failOnWarning(QRegularExpression(QStringLiteral(".*")));
    Channel channel;
    // Higher than all numbers before.
    const int number = ::fcntl(channel.reader, F_DUPFD_CLOEXEC, 400);
    ::close(number);
    auto refused = std::make_unique<QSocketNotifier>(number, QSocketNotifier::Read);
    refused.reset();

    FileDescriptor reused(::fcntl(channel.reader, F_DUPFD_CLOEXEC, number));
    QCOMPARE(int(reused), number);
    QSocketNotifier reader(reused, QSocketNotifier::Read);
    QSocketNotifier writer(reused, QSocketNotifier::Write);
    QCOMPARE(countActivations(&writer, 3), 3);
    channel.write();
    QCOMPARE(countActivations(&reader, 3), 3);
    QVERIFY(reader.isEnabled() && writer.isEnabled());

    // One that is never looked at does not take others of its number with it.
    reader.setEnabled(false);
    writer.setEnabled(false);
    turn();
    reused.close();
    const int next = number + 1;
    QSocketNotifier early(next, QSocketNotifier::Write);
    expectInvalidSocketWarning(next, QSocketNotifier::Write);
    turn();
    QVERIFY(!early.isEnabled());
    reused = FileDescriptor(::fcntl(channel.reader, F_DUPFD_CLOEXEC, next));
    QCOMPARE(int(reused), next);
    QSocketNotifier late(reused, QSocketNotifier::Read);
    QCOMPARE(countActivations(&late, 3), 3);
    QVERIFY(late.isEnabled());
}

void tst_NotifierErrors::refusedNumberIsOpenedBeforeTheNextTurn()
{
    QTest::failOnWarning(QRegularExpression(QStringLiteral(".*")));
    Channel channel;
    const int number = ::fcntl(channel.reader, F_DUPFD_CLOEXEC, 500);
    ::close(number);
    QSocketNotifier notifier(number, QSocketNotifier::Write);
    const FileDescriptor reused(::fcntl(channel.reader, F_DUPFD_CLOEXEC, number));
    QCOMPARE(int(reused), number);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    QVERIFY(runUntil([&] { return activations >= 3; }));
    QVERIFY(notifier.isEnabled());
}

/// epoll refuses such a set, which is valid: poll(2) takes it.
void tst_NotifierErrors::setsNestedTooDeepForEpoll()
{
#ifdef Q_OS_LINUX
    QTest::failOnWarning(QRegularExpression(QStringLiteral(".*")));
    const IdleNotifiers idle;
    Channel channel;
    std::vector<std::unique_ptr<FileDescriptor>> sets;
    int inner = channel.reader;
    for (int depth = 0; depth < 5; ++depth) {
        sets.push_back(std::make_unique<FileDescriptor>(::epoll_create1(EPOLL_CLOEXEC)));
        epoll_event event{};
        event.events = EPOLLIN;
        QCOMPARE(::epoll_ctl(*sets.back(), EPOLL_CTL_ADD, inner, &event), 0);
        inner = *sets.back();
    }
    QSocketNotifier notifier(inner, QSocketNotifier::Read);
    QCOMPARE(countActivations(&notifier, ManyTurns), 0);
    channel.write();
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    QVERIFY(runUntil([&] { return activations > 0; }));
    channel.drain();
    activations = 0;
    turn();
    QCOMPARE(activations, 0);
    QVERIFY(notifier.isEnabled());
#else
    QSKIP("Only Linux has epoll");
#endif
}

/// ENOSPC is what epoll says when another program of the user has taken all watches.
void tst_NotifierErrors::additionsFailWhileNotifiersAreIdle()
{
    QTest::failOnWarning(QRegularExpression(QStringLiteral(".*")));
    for (const int error : { ENOSPC, ENOMEM }) {
        const SystemCalls::FailingAdditions failing(error);
        std::vector<std::unique_ptr<Channel>> channels;
        std::vector<std::unique_ptr<QSocketNotifier>> notifiers;
        int activations = 0;
        for (int i = 0; i < 20; ++i) {
            channels.push_back(std::make_unique<Channel>());
            notifiers.push_back(std::make_unique<QSocketNotifier>(channels.back()->reader, QSocketNotifier::Read));
            connect(notifiers.back().get(), &QSocketNotifier::activated, this, [&] { ++activations; });
        }
        for (int i = 0; i < ManyTurns; ++i)
            turn();
        QCOMPARE(activations, 0);
        for (const auto &channel : channels)
            channel->write();
        QVERIFY(runUntil([&] { return activations >= 20; }));
        for (const auto &notifier : notifiers)
            QVERIFY(notifier->isEnabled());
    }
}

/// An epoll set is shared with the child, which has to leave it alone.
void tst_NotifierErrors::forkedChildInALoopOfGLib()
{
    const IdleNotifiers idle;
    std::vector<std::unique_ptr<Channel>> channels;
    std::vector<std::unique_ptr<QSocketNotifier>> readers;
    for (int i = 0; i < 5; ++i) {
        channels.push_back(std::make_unique<Channel>());
        readers.push_back(std::make_unique<QSocketNotifier>(channels.back()->reader, QSocketNotifier::Read));
    }
    const QSocketNotifier exception(channels.back()->reader, QSocketNotifier::Exception);
    for (int i = 0; i < ManyTurns; ++i)
        turn();
    Channel start;
    const pid_t child = ::fork();
    QVERIFY(child >= 0);
    if (child == 0) {
        ::alarm(30);
        pollfd fd{start.reader, POLLIN, 0};
        ::poll(&fd, 1, -1);
        for (int i = 0; i < 5; ++i)
            g_main_context_iteration(nullptr, FALSE);
        ::_exit(0);
    }
    readers.back()->setEnabled(false);
    for (int i = 0; i < ManyTurns; ++i)
        turn();
    const QByteArray before = epollSets();
    start.write();
    int status = -1;
    QCOMPARE(::waitpid(child, &status, 0), child);
    QCOMPARE(status, 0);
    QCOMPARE(epollSets(), before);
}

void tst_NotifierErrors::secondOfTheSameTypeReplacesTheFirst()
{
    Channel channel;
    channel.write();
    auto first = std::make_unique<QSocketNotifier>(channel.reader, QSocketNotifier::Read);
    const auto expectWarning = [&] {
        // Qt's GLib dispatcher serves both, without a word.
        if (isQtGLib())
            return;
        const QString text =
            QStringLiteral("Multiple socket notifiers for same socket %1 and type Read");
        QTest::ignoreMessage(QtWarningMsg, QRegularExpression(text.arg(int(channel.reader))));
    };
    expectWarning();
    QSocketNotifier second(channel.reader, QSocketNotifier::Read);
    int activationsOfFirst = 0;
    connect(first.get(), &QSocketNotifier::activated, this, [&] { ++activationsOfFirst; });
    QCOMPARE(countActivations(&second), 1);
    QCOMPARE(activationsOfFirst, isQtGLib() ? 1 : 0);

    // The first one's end is not the second's.
    expectWarning();
    first.reset();
    QCOMPARE(countActivations(&second), 1);
}

void tst_NotifierErrors::cannotBeChangedFromAnotherThread()
{
    Channel channel;
    channel.write();
    QSocketNotifier notifier(channel.reader, QSocketNotifier::Read);
    QTest::ignoreMessage(QtWarningMsg, "QSocketNotifier: Socket notifiers cannot be enabled or "
                                       "disabled from another thread");
    std::thread([&] { notifier.setEnabled(false); }).join();
    QCOMPARE(countActivations(&notifier), 1);
}

DISPATCHER_TEST_MAIN(tst_NotifierErrors)

#include "tst_notifiererrors.moc"
