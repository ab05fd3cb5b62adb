// SPDX-License-Identifier: MIT

// Runs a mixed load of Qt and GLib for some minutes, and looks whether memory, descriptors and latencies stay the same.

#include "load.h"

#include "dispatcherundertest.h"

#include <QtCore/QDir>
#include <QtCore/QFile>
#include <QtCore/QTextStream>
#include <QtCore/QTimer>
#ifdef HAVE_WINDOWS
#    include <QtGui/QGuiApplication>
#endif

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace std::chrono_literals;

Clock::duration Latencies::quantile(double part)
{
    if (m_values.empty())
        return {};
    const auto place = m_values.begin() + std::ptrdiff_t(part * double(m_values.size() - 1));
    std::nth_element(m_values.begin(), place, m_values.end());
    return *place;
}

using namespace Qt::StringLiterals;

namespace {

constexpr int Samples = 300;
constexpr auto WarmUp = 3s;
constexpr auto Patience = 30s;

/// What is the same at the end as in the middle if nothing leaks and nothing slows down.
struct Figure
{
    const char *name; // with its unit
    double factor; // that the last quarter may be more than the second
    double slack; // beside it
};

// Other programs of the machine make latencies longer, too, and the longest of them many times so.
constexpr double Anything = std::numeric_limits<double>::infinity();
constexpr Figure Figures[] = {
    {"heap (KiB)", 1.05, 256},
    {"resident (KiB)", 1.1, 2048},
    {"descriptors", 1.1, 20},
    {"posted event, median (us)", 3, 10000},
    {"posted event, 99 % (us)", 0, Anything},
    {"GLib source, median (us)", 3, 10000},
    {"GLib source, 99 % (us)", 0, Anything},
    {"echo, median (us)", 3, 10000},
    {"echo, 99 % (us)", 0, Anything},
    {"precise timer, median (us)", 3, 10000},
    {"precise timer, 99 % (us)", 0, Anything},
};
using Sample = std::array<double, std::size(Figures)>;

double microseconds(Clock::duration duration)
{
    return std::chrono::duration<double, std::micro>(duration).count();
}

double heap()
{
    return double(mallinfo2().uordblks) / 1024;
}

double resident()
{
    QFile file(u"/proc/self/statm"_s);
    if (!file.open(QIODevice::ReadOnly))
        return 0;
    return file.readAll().split(' ').value(1).toDouble() * double(sysconf(_SC_PAGESIZE)) / 1024;
}

int descriptors()
{
    return int(QDir(u"/proc/self/fd"_s).entryList(QDir::NoDotAndDotDot | QDir::AllEntries | QDir::System).size());
}

Sample take(Measured &measured)
{
    Sample sample{heap(), resident(), double(descriptors())};
    std::size_t next = 3;
    for (Latencies *latencies : {&measured.posted, &measured.invoked, &measured.echoes, &measured.timers}) {
        sample[next++] = microseconds(latencies->quantile(0.5));
        sample[next++] = microseconds(latencies->quantile(0.99));
        latencies->clear();
    }
    return sample;
}

class Loads
{
public:
    explicit Loads(Measured &measured)
    {
        m_loads.push_back(makeSockets(measured));
        m_loads.push_back(makeTimers(measured));
        m_loads.push_back(makeThreads(measured));
#ifdef HAVE_GSTREAMER
        m_loads.push_back(makePipelines());
#endif
#ifdef HAVE_WINDOWS
        m_loads.push_back(makeWindows());
#endif
    }

    QByteArray loss() const
    {
        for (const auto &load : m_loads) {
            if (const QByteArray loss = load->loss(); !loss.isEmpty())
                return loss;
        }
        return {};
    }

    qint64 operations() const
    {
        qint64 sum = 0;
        for (const auto &load : m_loads)
            sum += load->operations;
        return sum;
    }

    /// Returns what never came to an end.
    int finish()
    {
        for (const auto &load : m_loads)
            load->stop();
        const auto pending = [this] {
            int sum = 0;
            for (const auto &load : m_loads)
                sum += load->pending();
            return sum;
        };
        [[maybe_unused]] const bool done = QTest::qWaitFor([&] { return pending() == 0; },
                                                           int(std::chrono::milliseconds(Patience).count()));
        return pending();
    }

private:
    std::vector<std::unique_ptr<Load>> m_loads;
};

double median(const std::vector<Sample> &samples, std::size_t figure, std::size_t begin, std::size_t end)
{
    std::vector<double> values;
    for (std::size_t i = begin; i < end; ++i)
        values.push_back(samples[i][figure]);
    const auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// Prints a table; returns whether all figures have stayed the same.
bool compare(const std::vector<Sample> &samples)
{
    bool isFlat = true;
    const std::size_t quarter = samples.size() / 4;
    std::printf("%-30s %14s %14s\n", "median", "second quarter", "last quarter");
    for (std::size_t figure = 0; figure < std::size(Figures); ++figure) {
        const double before = median(samples, figure, quarter, 2 * quarter);
        const double after = median(samples, figure, samples.size() - quarter, samples.size());
        const bool isMore = after > before * Figures[figure].factor + Figures[figure].slack;
        std::printf("%-30s %14.1f %14.1f%s\n", Figures[figure].name, before, after, isMore ? "  MORE" : "");
        isFlat = isFlat && !isMore;
    }
    return isFlat;
}

void write(const QString &path, const std::vector<Sample> &samples, double secondsPerSample)
{
    QFile file(path);
    if (!file.open(QIODevice::WriteOnly))
        qFatal("%s: %s", qPrintable(path), qPrintable(file.errorString()));
    QTextStream text(&file);
    text << "minutes";
    for (const Figure &figure : Figures)
        text << '\t' << figure.name;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        text << '\n' << double(i + 1) * secondsPerSample / 60;
        for (const double value : samples[i])
            text << '\t' << value;
    }
    text << '\n';
}

/// Returns the exit code.
int soak(std::chrono::duration<double> duration, const QString &path)
{
    Measured measured;
    {
        // What libraries keep for good is made now.
        Loads loads(measured);
        QTest::qWait(int(std::chrono::milliseconds(WarmUp).count()));
        loads.finish();
    }
    take(measured);
    const int descriptorsBefore = descriptors();

    std::vector<Sample> samples;
    QByteArray loss;
    qint64 operations = 0;
    int pending = 0;
    {
        Loads loads(measured);
        QTimer timer;
        QEventLoop loop;
        timer.callOnTimeout([&] {
            samples.push_back(take(measured));
            loss = loads.loss();
            if (samples.size() == Samples || !loss.isEmpty())
                loop.quit();
        });
        timer.start(std::chrono::duration_cast<std::chrono::milliseconds>(duration / Samples));
        loop.exec();
        timer.stop();
        pending = loads.finish();
        operations = loads.operations();
    }
    const int descriptorsAfter = descriptors();

    write(path, samples, duration.count() / Samples);
    bool isGood = samples.size() == Samples && compare(samples);
    std::printf("%lld operations\n", static_cast<long long>(operations));
    if (!loss.isEmpty())
        std::printf("LOST: %s\n", loss.constData());
    if (pending > 0)
        std::printf("LOST: %d operations have not come to an end\n", pending);
    if (descriptorsAfter != descriptorsBefore)
        std::printf("LEAK: %d descriptors are open, and were %d before\n", descriptorsAfter, descriptorsBefore);
    isGood = isGood && loss.isEmpty() && pending == 0 && descriptorsAfter == descriptorsBefore;
    std::printf("%s\n", isGood ? "nothing lost, all figures flat" : "FAILED");
    return isGood ? 0 : 1;
}

}

int main(int argc, char **argv)
{
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);

    DispatcherUnderTest::install();
#ifdef HAVE_WINDOWS
    qputenv("QT_QPA_PLATFORM", "offscreen");
    QGuiApplication app(argc, argv);
    app.setQuitOnLastWindowClosed(false);
#else
    QCoreApplication app(argc, argv);
#endif
    const QStringList arguments = app.arguments();
    bool isNumber = false;
    const double minutes = arguments.value(1).toDouble(&isNumber);
    if (arguments.size() != 3 || !isNumber || minutes <= 0) {
        std::fprintf(stderr, "usage: eventloopsoak MINUTES FILE\n");
        return 2;
    }
    return soak(std::chrono::duration<double>(minutes * 60), arguments[2]);
}
