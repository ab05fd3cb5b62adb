// SPDX-License-Identifier: MIT

#include "mixedprogram.h"
#include "runs.h"
#include "systemcalls.h"

#include <QtCore/QProcess>
#include <QtTest/QTest>

#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/**
 * Each system call that the library makes in a mixed program fails, once and for good; descriptors run out; the
 * program forks.
 *
 * This executable starts itself again with "--perform", lest the programs are forked in a process that has used Qt.
 */
class tst_Faults : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void callFails_data();
    void callFails();
    void descriptorsRunOut();
    void programForks();

private:
    static void perform(const QStringList &arguments);
};

namespace {

using MixedProgram::Loop;
using MixedProgram::Step;
using SystemCalls::Function;

enum class Outcome {
    Works, ///< All deliveries, no message.
    WorksByPoll, ///< The same, and nothing is asked of epoll.
    Warns, ///< All deliveries, one warning for each of the two dispatchers.
    WorksWithoutDescriptors, ///< Timers, events and GLib's sources without descriptors go on; warnings.
    Ends, ///< By a signal, with a reason.
    LeftOut,
};

/// What must follow when a function fails with one of the errors, which are those of its manual page.
struct Row
{
    Function function;
    std::vector<int> errors;
    Outcome once;
    Outcome forGood;
    const char *message; ///< The beginning of warnings and reasons.
};

const std::vector<Row> &table()
{
    static const std::vector<Row> rows{
        {Function::EpollCreate, {EINVAL, EMFILE, ENFILE, ENOMEM}, Outcome::Works, Outcome::WorksByPoll, ""},
        {Function::EpollControl, {EBADF, EEXIST, EINVAL, ELOOP, ENOENT, ENOMEM, ENOSPC, EPERM},
         Outcome::Works, Outcome::Works, ""},
        {Function::EpollWait, {EBADF, EFAULT, EINTR, EINVAL}, Outcome::Works, Outcome::Works, ""},
        {Function::PPoll, {EINTR}, Outcome::Works, Outcome::Works, ""},
        {Function::PPoll, {EFAULT, EINVAL, ENOMEM}, Outcome::Warns, Outcome::WorksWithoutDescriptors,
         "GLibEventDispatcher: the descriptors cannot be polled"},
        {Function::Poll, {EINTR}, Outcome::Works, Outcome::Works, ""},
        // GLib's loop runs at full speed and warns each time.
        {Function::Poll, {EFAULT, EINVAL, ENOMEM}, Outcome::Warns, Outcome::LeftOut, "poll(2) failed due to"},
        {Function::EventFd, {EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM}, Outcome::Ends, Outcome::Ends,
         "GLibSelector: cannot create a descriptor for wake-ups"},
        {Function::Read, {EAGAIN, EBADF, EFAULT, EINTR, EINVAL, EIO, EISDIR}, Outcome::Works, Outcome::Works, ""},
        {Function::Write, {EAGAIN, EBADF, EDQUOT, EFAULT, EFBIG, EINTR, EINVAL, EIO, ENOSPC, EPERM, EPIPE},
         Outcome::Works, Outcome::Works, ""},
        {Function::Control, {EBADF}, Outcome::Works, Outcome::WorksWithoutDescriptors, "QSocketNotifier: Invalid socket"},
        {Function::Status, {EBADF, EFAULT, ELOOP, ENOMEM, EOVERFLOW}, Outcome::Works, Outcome::Works, ""},
        {Function::IsTerminal, {EBADF, ENOTTY}, Outcome::Works, Outcome::Works, ""},
        {Function::ReadLink, {EACCES, EINVAL, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR},
         Outcome::Works, Outcome::Works, ""},
        {Function::Close, {EBADF, EDQUOT, EINTR, EIO, ENOSPC}, Outcome::Works, Outcome::Works, ""},
        // Nobody catches what it throws. GCC 12 does not name the exception where a function is noexcept.
        {Function::New, {ENOMEM}, Outcome::Ends, Outcome::LeftOut, "terminate called"},
    };
    return rows;
}

// Later calls are much like earlier ones, and a run takes some 15 ms of a processor.
/// So many calls fail with each error. Of the later ones, each fails with one.
constexpr int AllErrors = 32;
/// So many calls, and each of the later ones that this divides, are the first to fail for good.
constexpr int AllForGood = 8;

const char *const LoopNames[] = {"Qt", "GLib"};

const char *const StepNames[]
    = {"before the dispatcher", "with a dispatcher", "with an application", "with notifiers", "after some turns",
       "in a timer's handler", "in a callback of GLib"};
static_assert(sizeof StepNames / sizeof *StepNames == MixedProgram::StepCount);

bool usesEpoll()
{
    return qgetenv("GLIBEVENTDISPATCHER_BACKEND") != "poll";
}

struct Report
{
    int failures = 0;
    int epollCalls = 0;
    std::vector<std::string> messages; ///< Everything else that was printed.
};

/// Prints what readReport() reads.
int runAndReport(const MixedProgram::Options &options)
{
    const int status = MixedProgram::run(options);
    std::printf("report %d %d\n", SystemCalls::failures(), SystemCalls::calls(Function::EpollControl));
    return status;
}

Report readReport(const std::string &output)
{
    Report report;
    for (const QByteArray &line : QByteArray::fromStdString(output).split('\n')) {
        if (line.isEmpty()
            || std::sscanf(line.constData(), "report %d %d", &report.failures, &report.epollCalls) == 2)
            continue;
        report.messages.push_back(line.toStdString());
    }
    return report;
}

/// Returns what is wrong.
std::string judge(const Row &row, Outcome outcome, int status, const std::string &output)
{
    const Report report = readReport(output);
    const bool hasMessage = output.find(row.message) != std::string::npos;
    if (outcome == Outcome::Ends) {
        if (status == 0 && report.failures == 0 && report.messages.empty())
            return {};
        return (status == -SIGABRT || status == -SIGTRAP) && hasMessage
            ? ""
            : "no end with a reason, status " + std::to_string(status);
    }
    if (status != 0)
        return "status " + std::to_string(status);
    if (outcome == Outcome::Works || outcome == Outcome::WorksByPoll) {
        if (!report.messages.empty())
            return "a message";
        return outcome == Outcome::WorksByPoll && report.epollCalls > 0 ? "epoll was used" : "";
    }
    std::size_t most = 2;
    if (outcome == Outcome::WorksWithoutDescriptors && row.function == Function::Control)
        most = 12; // each notifier's
    if (report.messages.size() > most)
        return "too many messages";
    for (const std::string &message : report.messages) {
        if (message.find(row.message) == std::string::npos)
            return "another message";
    }
    return {};
}

/// Counts in @p failed the runs in which a call has failed.
Run runOf(const Row &row, Loop loop, const SystemCalls::Fault &fault, int *failed)
{
    const Outcome outcome = fault.isForGood ? row.forGood : row.once;
    Run run;
    run.name = std::string(SystemCalls::name(fault.function)) + "() no. " + std::to_string(fault.call)
        + (fault.isForGood ? " and all that follow: " : ": ") + std::strerror(fault.error);
    run.child = [loop, fault, outcome] {
        SystemCalls::fail(fault);
        return runAndReport({loop, outcome != Outcome::WorksWithoutDescriptors, {}});
    };
    run.judge = [row, outcome, failed](int status, const std::string &output) {
        *failed += status < 0 || readReport(output).failures > 0;
        return judge(row, outcome, status, output);
    };
    return run;
}

/// The function fails, whichever call it is.
int performFaults(Function function, Loop loop)
{
    int calls = 0;
    Run withoutFault;
    withoutFault.name = "without a fault";
    withoutFault.child = [loop, function] {
        SystemCalls::fail({function, INT_MAX, 0, false});
        const int status = runAndReport({loop, true, {}});
        std::printf("calls %d\n", SystemCalls::calls(function));
        return status;
    };
    withoutFault.judge = [&calls](int status, const std::string &output) {
        const std::size_t place = output.find("calls ");
        if (place != std::string::npos)
            calls = std::atoi(output.c_str() + place + 6);
        return status == 0 && readReport(output).messages.size() == 1 ? "" : "wrong without a fault";
    };
    if (const int status = perform({withoutFault}))
        return status;
    if (calls == 0) {
        std::printf("%s() is not called\n", SystemCalls::name(function));
        return usesEpoll() ? 1 : 0;
    }

    int failed = 0;
    std::vector<Run> runs;
    for (const Row &row : table()) {
        if (row.function != function)
            continue;
        for (int call = 1; call <= calls; ++call) {
            for (std::size_t i = 0; i < row.errors.size(); ++i) {
                if (call > AllErrors && std::size_t(call) % row.errors.size() != i)
                    continue;
                if (row.once != Outcome::LeftOut)
                    runs.push_back(runOf(row, loop, {function, call, row.errors[i], false}, &failed));
                if (row.forGood != Outcome::LeftOut && (call <= AllForGood || call % AllForGood == 0))
                    runs.push_back(runOf(row, loop, {function, call, row.errors[i], true}, &failed));
            }
        }
    }
    const int status = perform(runs);
    std::printf("a call has failed in %d runs\n", failed);
    // Without epoll, a file's type is only asked for when a result was left, as on a busy machine.
    return status == 0 && (failed > 0 || !usesEpoll()) ? 0 : 1;
}

/// Leaves so many descriptors free.
void leaveFree(int count)
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 128;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    std::vector<int> taken;
    for (int fd = 0; (fd = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0;)
        taken.push_back(fd);
    for (; count > 0 && !taken.empty(); --count, taken.pop_back())
        ::close(taken.back());
}

/// The program's own are open before. The library needs one for each dispatcher, and takes one for epoll; GLib needs one for
/// each context.
constexpr int Enough = 6;

int performExhaustion(Loop loop)
{
    std::vector<Run> runs;
    for (int step = 0; step < MixedProgram::StepCount; ++step) {
        for (int left = 0; left <= Enough; ++left) {
            Run run;
            run.name = std::to_string(left) + " descriptors left " + StepNames[step];
            run.child = [=] {
                return runAndReport({loop, true, [=](Step now) {
                                         if (now == Step(step))
                                             leaveFree(left);
                                     }});
            };
            run.judge = [=](int status, const std::string &output) -> std::string {
                if (status == 0)
                    return readReport(output).messages.empty() ? "" : "a message";
                const bool hasReason = output.find("cannot create a descriptor for wake-ups: Too many open files")
                        != std::string::npos
                    || output.find("Creating pipes for GWakeup: Too many open files") != std::string::npos;
                return (status == -SIGTRAP || status == -SIGABRT) && hasReason && left < Enough
                    ? ""
                    : "no end with a reason";
            };
            runs.push_back(run);
        }
    }
    return perform(runs);
}

int performForks(Loop loop)
{
    std::vector<Run> runs;
    for (int step = 0; step < MixedProgram::StepCount; ++step) {
        for (const bool uses : {false, true}) {
            Run run;
            run.name = std::string("a child that ") + (uses ? "goes on, " : "leaves, ")
                + StepNames[step];
            run.child = [=] {
                auto child = std::make_shared<pid_t>(0);
                const int status = runAndReport({loop, true, [=](Step now) {
                                                     if (now != Step(step))
                                                         return;
                                                     *child = ::fork();
                                                     if (*child > 0)
                                                         return;
                                                     ::alarm(20);
                                                     if (!uses)
                                                         std::exit(0);
                                                     MixedProgram::useInChild();
                                                 }});
                int childStatus = -1;
                if (::waitpid(*child, &childStatus, 0) != *child || childStatus != 0) {
                    std::printf("the child's status is %#x\n", unsigned(childStatus));
                    return 1;
                }
                return status;
            };
            run.judge = [](int status, const std::string &output) -> std::string {
                return status == 0 && readReport(output).messages.empty() ? "" : "something is wrong";
            };
            runs.push_back(run);
        }
    }
    return perform(runs);
}

}

void tst_Faults::perform(const QStringList &arguments)
{
    QProcess process;
    process.setProcessChannelMode(QProcess::MergedChannels);
    process.start(QStringLiteral("/proc/self/exe"), QStringList{QStringLiteral("--perform")} + arguments);
    QVERIFY2(process.waitForFinished(300'000), qPrintable(process.errorString()));
    const QByteArray output = process.readAll().right(8000);
    QVERIFY2(process.exitStatus() == QProcess::NormalExit && process.exitCode() == 0, output.constData());
}

void tst_Faults::callFails_data()
{
    QTest::addColumn<int>("function");
    QTest::addColumn<int>("loop");
    for (int function = 0; function < SystemCalls::FunctionCount; ++function) {
        for (const Loop loop : {Loop::Qt, Loop::GLib}) {
            QTest::addRow("%s, %s's loop outside", SystemCalls::name(Function(function)), LoopNames[int(loop)])
                << function << int(loop);
        }
    }
}

void tst_Faults::callFails()
{
    QFETCH(int, function);
    QFETCH(int, loop);
    perform({QStringLiteral("faults"), QString::number(loop), QString::number(function)});
}

void tst_Faults::descriptorsRunOut()
{
    for (const char *loop : {"0", "1"})
        perform({QStringLiteral("exhaustion"), QString::fromLatin1(loop)});
}

void tst_Faults::programForks()
{
    for (const char *loop : {"0", "1"})
        perform({QStringLiteral("forks"), QString::fromLatin1(loop)});
}

int main(int argc, char **argv)
{
    if (argc > 3 && std::strcmp(argv[1], "--perform") == 0) {
        const auto loop = Loop(std::atoi(argv[3]));
        if (std::strcmp(argv[2], "exhaustion") == 0)
            return performExhaustion(loop);
        if (std::strcmp(argv[2], "forks") == 0)
            return performForks(loop);
        return argc > 4 ? performFaults(Function(std::atoi(argv[4])), loop) : 2;
    }
    tst_Faults test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_faults.moc"
