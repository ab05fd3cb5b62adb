// SPDX-License-Identifier: MIT

#include "measure.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>
#include <utility>
#include <vector>

#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void require(bool condition, const char *what)
{
    if (!condition)
        throw Failure(what);
}

qint64 now()
{
    using namespace std::chrono;
    return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

static Usage usage(clockid_t clock, int who)
{
    // Of getrusage()'s times the running process's last few milliseconds are missing.
    timespec cpu;
    clock_gettime(clock, &cpu);
    rusage used;
    getrusage(who, &used);
    double running = 0;
    double delayed = 0;
    std::ifstream("/proc/thread-self/schedstat") >> running >> delayed;
    return { static_cast<double>(cpu.tv_sec) * 1e9 + static_cast<double>(cpu.tv_nsec),
             static_cast<double>(used.ru_nvcsw), delayed };
}

Usage usageOfThread()
{
    return usage(CLOCK_THREAD_CPUTIME_ID, RUSAGE_THREAD);
}

Usage usageOfProcess()
{
    return usage(CLOCK_PROCESS_CPUTIME_ID, RUSAGE_SELF);
}

Usage operator-(const Usage &left, const Usage &right)
{
    return { left.cpu - right.cpu, left.waits - right.waits, left.delayed - right.delayed };
}

void useProcessor(int number)
{
    // What is allowed before the first call.
    static const std::vector<std::size_t> processors = [] {
        std::vector<std::size_t> allowed;
        cpu_set_t set;
        CPU_ZERO(&set);
        sched_getaffinity(0, sizeof set, &set); // fails if there are more processors than the set has room for
        for (std::size_t processor = 0; processor < CPU_SETSIZE; ++processor) {
            if (CPU_ISSET(processor, &set))
                allowed.push_back(processor);
        }
        return allowed;
    }();
    if (processors.empty())
        return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processors[static_cast<std::size_t>(number) % processors.size()], &one);
    sched_setaffinity(0, sizeof one, &one);
}

Loop::Loop(const Task &task)
{
    if (task.guest || task.kind == Kind::Limit)
        m_glib.reset(g_main_loop_new(nullptr, false));
    else
        m_qt = std::make_unique<QEventLoop>();
}

void Loop::run()
{
    if (m_qt)
        m_qt->exec();
    else
        g_main_loop_run(m_glib.get());
}

void Loop::quit()
{
    if (m_qt)
        m_qt->quit();
    else
        g_main_loop_quit(m_glib.get());
}

Values perOperation(const Task &task, const Batch &batch)
{
    // Many short ones, of which few have to share the processor with somebody else.
    const int batches = sized(task, 25, 1);
    const double goal = sized(task, 6e6, 0.3e6);
    qint64 count = 1;
    for (;;) {
        // The best of three, or an interruption would be taken for the cost of the work.
        double elapsed = std::numeric_limits<double>::max();
        for (int i = 0; i < 3; ++i) {
            const qint64 start = now();
            batch(count);
            elapsed = std::min(elapsed, static_cast<double>(now() - start));
        }
        if (elapsed >= goal / 4) {
            const double fair = static_cast<double>(count) * goal / elapsed;
            count = std::max<qint64>(1, static_cast<qint64>(fair));
            break;
        }
        count *= 4;
    }

    QList<Values> figures;
    for (int i = 0; i < batches; ++i) {
        const Values totals = batch(count);
        figures.resize(totals.size());
        for (qsizetype figure = 0; figure < totals.size(); ++figure)
            figures[figure].append(totals[figure] / static_cast<double>(count));
    }

    Values medians;
    for (const Values &figure : figures)
        medians.append(median(figure));
    return medians;
}

Random::Random(const Task &task)
    : m_state(0x9e3779b97f4a7c15 * (static_cast<quint64>(task.round) + 1))
{
}

int Random::below(int bound)
{
    m_state ^= m_state << 13;
    m_state ^= m_state >> 7;
    m_state ^= m_state << 17;
    return static_cast<int>((m_state >> 16) % static_cast<quint64>(bound));
}

double median(QList<double> values)
{
    std::sort(values.begin(), values.end());
    const qsizetype middle = values.size() / 2;
    return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

SocketPair::SocketPair()
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, m_ends.data()) < 0)
        throw Unavailable("no more file descriptors");
}

SocketPair::~SocketPair()
{
    for (const int end : m_ends) {
        if (end >= 0)
            close(end);
    }
}

SocketPair::SocketPair(SocketPair &&other) noexcept
    : m_ends(std::exchange(other.m_ends, { -1, -1 }))
{
}

bool readByte(int fd)
{
    char byte;
    return read(fd, &byte, 1) == 1;
}

bool writeByte(int fd)
{
    return write(fd, "", 1) == 1;
}
