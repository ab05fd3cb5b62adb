// SPDX-License-Identifier: MIT

#include "eventlooptest.h"

#include <QtCore/QTemporaryDir>
#include <QtCore/QTimer>

#include <glib-unix.h>

#ifdef Q_OS_LINUX
#    include <sched.h>
#    include <sys/epoll.h>
#    include <sys/mount.h>
#endif

/**
 * Files that report a change to one poll only: whoever polls them twice and looks at the second result misses it.
 *
 * The changes are made in namespaces of this process. Elsewhere, it is only reported that some host's name has changed.
 */
class tst_FileNotifiers : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();

    void everyChangeIsReported_data();
    void everyChangeIsReported();
    void changeIsKeptWhileTheNotifierIsOff_data();
    void changeIsKeptWhileTheNotifierIsOff();
    void everyChangeIsReportedToAGLibSource_data();
    void everyChangeIsReportedToAGLibSource();
    void changeIsReportedToBoth();
    void changeAtABadMoment_data();
    void changeAtABadMoment();
    void changesAreReportedInASetOfTheProgram_data();
    void changesAreReportedInASetOfTheProgram();
};

namespace {

bool hasNamespaces = false;

/// Makes namespaces for this process, which must not have threads yet.
void enterNamespaces()
{
#ifdef Q_OS_LINUX
    constexpr int Flags = CLONE_NEWUTS | CLONE_NEWNS;
    // What is mounted in a namespace of its own may still spread to others if that is not ended.
    hasNamespaces = (::unshare(Flags) == 0 || ::unshare(Flags | CLONE_NEWUSER) == 0)
        && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
#endif
}

enum class File { HostName, Mounts };

constexpr const char *pathOf(File file)
{
    return file == File::HostName ? "/proc/sys/kernel/hostname" : "/proc/self/mountinfo";
}

/// Changes what a file tells.
class Changer
{
public:
    explicit Changer(File file)
        : m_file(file)
    {
    }
    ~Changer()
    {
#ifdef Q_OS_LINUX
        if (m_isMounted)
            ::umount(path().constData());
#endif
    }
    Q_DISABLE_COPY_MOVE(Changer)

    void change()
    {
        if (!(m_file == File::HostName ? changeHostName() : changeMounts()))
            qFatal("%s cannot be changed: %s", pathOf(m_file), std::strerror(errno));
    }

private:
    bool changeHostName()
    {
        const QByteArray name = "name-" + QByteArray::number(++m_count);
        return ::sethostname(name.constData(), size_t(name.size())) == 0;
    }

    bool changeMounts()
    {
#ifdef Q_OS_LINUX
        m_isMounted = !m_isMounted;
        return (m_isMounted ? ::mount("none", path().constData(), "tmpfs", 0, nullptr)
                            : ::umount(path().constData()))
            == 0;
#else
        return false;
#endif
    }

    QByteArray path() const { return m_folder.path().toLocal8Bit(); }

    const File m_file;
    int m_count = 0;
    bool m_isMounted = false;
    QTemporaryDir m_folder;
};

/// A GLib source that is ready all the time, to the end of its scope.
class BusySource
{
public:
    explicit BusySource(int priority)
        : m_id(g_idle_add_full(
              priority, [](gpointer) -> gboolean { return G_SOURCE_CONTINUE; }, nullptr, nullptr))
    {
    }
    ~BusySource() { g_source_remove(m_id); }
    Q_DISABLE_COPY_MOVE(BusySource)

private:
    guint m_id;
};

/// A GLib source that counts the reports of a file, to the end of its scope.
class ReportSource
{
public:
    explicit ReportSource(int fd)
        : m_id(g_unix_fd_add(fd, G_IO_PRI, report, this))
    {
    }
    ~ReportSource() { g_source_remove(m_id); }
    Q_DISABLE_COPY_MOVE(ReportSource)

    int reports = 0;
    std::function<void()> onReport = [] { };

private:
    static gboolean report(int, GIOCondition, gpointer data)
    {
        auto *const source = static_cast<ReportSource *>(data);
        ++source->reports;
        source->onReport();
        return G_SOURCE_CONTINUE;
    }

    const guint m_id;
};

enum class Beside { Nothing, BusySource, ReadySocket, ZeroTimer, ManyNotifiers };

/// What goes on in the loop while the file changes.
class Situation
{
public:
    explicit Situation(Beside beside)
    {
        switch (beside) {
        case Beside::Nothing:
            break;
        case Beside::BusySource:
            m_source.emplace(G_PRIORITY_DEFAULT);
            break;
        case Beside::ReadySocket:
            m_channels.push_back(std::make_unique<Channel>());
            m_channels.back()->write();
            watch(*m_channels.back());
            break;
        case Beside::ZeroTimer:
            m_object.startTimer(0);
            break;
        case Beside::ManyNotifiers:
            for (int i = 0; i < 50; ++i) {
                m_channels.push_back(std::make_unique<Channel>());
                watch(*m_channels.back());
            }
            break;
        }
    }

private:
    void watch(const Channel &channel)
    {
        m_notifiers.push_back(std::make_unique<QSocketNotifier>(channel.reader, QSocketNotifier::Read));
    }

    std::optional<BusySource> m_source;
    QObject m_receiver;
    TimerObject m_object;
    std::vector<std::unique_ptr<Channel>> m_channels;
    std::vector<std::unique_ptr<QSocketNotifier>> m_notifiers;
};

enum class Moment { InItsCallback, WithoutSource, NewSource, ManySources, WithoutNotifiers };

/// Runs a nested loop for some turns.
void runNestedLoop(QEventLoop::ProcessEventsFlags flags = QEventLoop::AllEvents)
{
    QEventLoop loop;
    int turns = 0;
    TimerObject object;
    object.onTimer = [&](int) {
        if (++turns == 50)
            loop.quit();
    };
    object.startTimer(0);
    loop.exec(flags);
}

/// Runs the loop beside a notifier that is always ready. After so many turns it calls @p function in that one's handler, and
/// goes on until @p condition is true.
template<typename Function, typename Condition>
bool runBusy(int turns, Function function, Condition condition)
{
    Channel channel;
    channel.write();
    QSocketNotifier busy(channel.reader, QSocketNotifier::Read);
    QObject::connect(&busy, &QSocketNotifier::activated, &busy, [&] {
        if (--turns == 0)
            function();
    });
    return runUntil([&] { return turns <= 0 && condition(); });
}

constexpr int Changes = 20;
/// So many turns are between two changes, in which what is idle may be moved elsewhere.
constexpr int TurnsBetween = 100;

/// Verifies that @p notifier is activated for each change of @p file, and only @p once if so.
void verifyActivations(QSocketNotifier *notifier, File file, Beside beside, bool once)
{
    int activations = 0;
    QObject::connect(notifier, &QSocketNotifier::activated, notifier, [&] { ++activations; });
    const Situation situation(beside);
    Changer changer(file);
    for (int i = 1; i <= Changes; ++i) {
        for (int turns = 0; turns < TurnsBetween; ++turns)
            turn();
        activations = 0;
        changer.change();
        QVERIFY2(runUntil([&] { return activations > 0; }),
                 qPrintable(QStringLiteral("change %1 was not reported").arg(i)));
        if (once)
            QCOMPARE(activations, 1);
    }
}

}

void tst_FileNotifiers::init()
{
    if (!hasNamespaces)
        QSKIP("This process may not have namespaces of its own, in which it could mount and change the host's name");
    settle();
}

void tst_FileNotifiers::everyChangeIsReported_data()
{
    QTest::addColumn<File>("file");
    QTest::addColumn<Beside>("beside");
    const std::pair<const char *, Beside> situations[] = {
        { "alone", Beside::Nothing },
        { "beside a busy GLib source", Beside::BusySource },
        { "beside a ready socket", Beside::ReadySocket },
        { "beside a zero timer", Beside::ZeroTimer },
        { "beside many notifiers", Beside::ManyNotifiers },
    };
    for (const File file : { File::HostName, File::Mounts }) {
        for (const auto &[name, beside] : situations)
            QTest::addRow("%s, %s", pathOf(file), name) << file << beside;
    }
}

void tst_FileNotifiers::everyChangeIsReported()
{
    QFETCH(File, file);
    QFETCH(Beside, beside);
    const FileDescriptor fd(::open(pathOf(file), O_RDONLY | O_CLOEXEC));
    QSocketNotifier notifier(fd, QSocketNotifier::Exception);
    // A change of the host's name is reported in all namespaces, so other programs may add to it.
    verifyActivations(&notifier, file, beside, file == File::Mounts);
}

void tst_FileNotifiers::changeIsKeptWhileTheNotifierIsOff_data()
{
    QTest::addColumn<bool>("inGLibLoop");
    QTest::newRow("Qt's loop") << false;
    if (DispatcherUnderTest::kind() == DispatcherUnderTest::Kind::Ours)
        QTest::newRow("GLib's loop") << true;
}

/// GLib's loop polls before posted events are sent.
void tst_FileNotifiers::changeIsKeptWhileTheNotifierIsOff()
{
    QFETCH(bool, inGLibLoop);
    if (isQtGLib())
        QSKIP("Qt's GLib dispatcher loses the change");
    const FileDescriptor fd(::open(pathOf(File::Mounts), O_RDONLY | O_CLOEXEC));
    QSocketNotifier notifier(fd, QSocketNotifier::Exception);
    Changer changer(File::Mounts);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    const auto post = [](QObject *receiver, auto function) {
        QMetaObject::invokeMethod(receiver, function, Qt::QueuedConnection);
    };
    post(&notifier, [&] {
        changer.change();
        post(&notifier, [&] {
            notifier.setEnabled(false);
            post(&notifier, [&] { notifier.setEnabled(true); });
        });
    });
    if (inGLibLoop) {
        g_autoptr(GMainLoop) loop = g_main_loop_new(nullptr, false);
        connect(&notifier, &QSocketNotifier::activated, this, [&] { g_main_loop_quit(loop); });
        QTimer::singleShot(5s, &notifier, [&] { g_main_loop_quit(loop); });
        g_main_loop_run(loop);
    }
    QVERIFY(runUntil([&] { return activations > 0; }));
    QCOMPARE(activations, 1);
}

void tst_FileNotifiers::everyChangeIsReportedToAGLibSource_data()
{
    everyChangeIsReported_data();
}

/// It comes at any time between the polls of a loop whose handlers return soon.
void tst_FileNotifiers::everyChangeIsReportedToAGLibSource()
{
    if (DispatcherUnderTest::kind() == DispatcherUnderTest::Kind::QtUnix)
        QSKIP("Qt's UNIX dispatcher knows nothing of GLib's sources");
    QFETCH(File, file);
    QFETCH(Beside, beside);
    const FileDescriptor fd(::open(pathOf(file), O_RDONLY | O_CLOEXEC));
    ReportSource source(fd);
    const Situation situation(beside);
    Changer changer(file);
    for (int i = 1; i <= 5 * Changes; ++i) {
        source.reports = 0;
        QVERIFY2(runBusy(i, [&] { changer.change(); }, [&] { return source.reports > 0; }),
                 qPrintable(QStringLiteral("change %1 was not reported").arg(i)));
    }
}

/// A notifier and a GLib source for the same descriptor.
void tst_FileNotifiers::changeIsReportedToBoth()
{
    if (DispatcherUnderTest::kind() == DispatcherUnderTest::Kind::QtUnix)
        QSKIP("Qt's UNIX dispatcher knows nothing of GLib's sources");
    const FileDescriptor fd(::open(pathOf(File::Mounts), O_RDONLY | O_CLOEXEC));
    ReportSource source(fd);
    QSocketNotifier notifier(fd, QSocketNotifier::Exception);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });
    Changer changer(File::Mounts);
    for (int i = 1; i <= Changes; ++i) {
        changer.change();
        QVERIFY2(runUntil([&] { return activations == i && source.reports == i; }),
                 qPrintable(QStringLiteral("%1 activations, %2 reports").arg(activations).arg(source.reports)));
    }
}

void tst_FileNotifiers::changeAtABadMoment_data()
{
    QTest::addColumn<Moment>("moment");
    QTest::newRow("in the callback of its GLib source") << Moment::InItsCallback;
    QTest::newRow("while there is no GLib source for it") << Moment::WithoutSource;
    QTest::newRow("when its GLib source is new") << Moment::NewSource;
    QTest::newRow("beside many GLib sources") << Moment::ManySources;
    QTest::newRow("in a loop without notifiers") << Moment::WithoutNotifiers;
}

/// What is polled is what the loop and GLib's sources want at that moment.
void tst_FileNotifiers::changeAtABadMoment()
{
    if (DispatcherUnderTest::kind() == DispatcherUnderTest::Kind::QtUnix)
        QSKIP("Qt's UNIX dispatcher knows nothing of GLib's sources");
    QFETCH(Moment, moment);
    const FileDescriptor fd(::open(pathOf(File::HostName), O_RDONLY | O_CLOEXEC));
    Changer changer(File::HostName);
    std::optional<ReportSource> source(std::in_place, fd);
    QSocketNotifier notifier(fd, QSocketNotifier::Exception);
    notifier.setEnabled(moment != Moment::InItsCallback && moment != Moment::WithoutSource);
    int activations = 0;
    connect(&notifier, &QSocketNotifier::activated, this, [&] { ++activations; });

    std::vector<std::unique_ptr<Channel>> channels;
    std::vector<std::unique_ptr<ReportSource>> others;
    for (int i = 0; moment == Moment::ManySources && i < 20; ++i) {
        channels.push_back(std::make_unique<Channel>());
        others.push_back(std::make_unique<ReportSource>(channels.back()->reader));
    }
    Channel channel;
    QSocketNotifier changing(channel.reader, QSocketNotifier::Read);
    if (moment == Moment::InItsCallback) {
        source->onReport = [&] {
            if (source->reports > 1)
                return;
            changer.change();
            runNestedLoop();
        };
    }

    const int expected = moment == Moment::InItsCallback ? 2 : 1;
    int turnsWithoutSource = 0;
    const auto isReported = [&] {
        if (!source && ++turnsWithoutSource % TurnsBetween == 0)
            source.emplace(fd);
        return source && source->reports >= expected && (!notifier.isEnabled() || activations > 0);
    };
    for (int i = 0; i < Changes; ++i) {
        if (moment == Moment::NewSource)
            source.reset();
        const auto change = [&] {
            if (moment == Moment::NewSource)
                source.emplace(fd);
            else if (moment == Moment::WithoutSource)
                source.reset();
            if (source)
                source->reports = 0;
            activations = 0;
            changer.change();
            if (moment == Moment::ManySources)
                changing.setEnabled(!changing.isEnabled());
            else if (moment == Moment::WithoutNotifiers)
                runNestedLoop(QEventLoop::ExcludeSocketNotifiers);
        };
        QVERIFY(runBusy(TurnsBetween, change, isReported));
    }
}

void tst_FileNotifiers::changesAreReportedInASetOfTheProgram_data()
{
    everyChangeIsReported_data();
}

/// Libraries hand out an epoll set that has such a file in it. To poll the set is to poll the file.
void tst_FileNotifiers::changesAreReportedInASetOfTheProgram()
{
#ifdef Q_OS_LINUX
    QFETCH(File, file);
    QFETCH(Beside, beside);
    const FileDescriptor fd(::open(pathOf(file), O_RDONLY | O_CLOEXEC));
    const FileDescriptor set(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{};
    event.events = EPOLLPRI;
    QCOMPARE(::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
    QSocketNotifier notifier(set, QSocketNotifier::Read);
    verifyActivations(&notifier, file, beside, false);
#endif
}

int main(int argc, char **argv)
{
    enterNamespaces();
    DispatcherUnderTest::install();
    QCoreApplication app(argc, argv);
    if (!DispatcherUnderTest::isInstalled())
        qFatal("the dispatcher under test is not the one in use");
    tst_FileNotifiers test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_filenotifiers.moc"
