// SPDX-License-Identifier: MIT

#include "tracer.h"

#include "backgroundthread.h"
#include "eventhook.h"
#include "sourcehook.h"

#include <QtCore/QDir>
#include <QtCore/QFile>
#include <QtCore/QLoggingCategory>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <pthread.h>

Q_LOGGING_CATEGORY(lcTrace, "glib.eventdispatcher.trace")

using namespace std::chrono_literals;

namespace {

constexpr auto WriteInterval = 100ms;

std::atomic<Tracer *> theTracer{nullptr};
std::atomic<Tracer *> parentsTracer{nullptr}; // in a child, which must not write to the parent's file but keeps its lock
std::atomic<bool> wasEverTracing{false};

void warn(const QByteArray &name, const char *problem, int error)
{
    qCWarning(lcTrace, "GLibEventDispatcher: the trace %s %s: %s (errno %d); the program goes on without it",
              name.constData(), problem, std::strerror(error), error);
}

}

std::atomic<unsigned> Tracer::s_count{0};

Tracer &Tracer::instance()
{
    Tracer *tracer = theTracer.load(std::memory_order_acquire);
    if (tracer)
        return *tracer;
    auto *const made = new Tracer;
    if (theTracer.compare_exchange_strong(tracer, made, std::memory_order_acq_rel))
        return *made;
    delete made;
    return *tracer;
}

bool Tracer::isWanted()
{
    [[maybe_unused]] static const bool done = [] {
        const QByteArray name = qgetenv("GLIBEVENTDISPATCHER_TRACE");
        if (!name.isEmpty())
            setFile(QFile::decodeName(name));
        return true;
    }();
    return wasEverTracing.load(std::memory_order_relaxed);
}

void Tracer::setFile(const QString &name)
{
    // The program may change its folder before a file follows on this one.
    const QByteArray path = name.isEmpty() ? QByteArray() : QFile::encodeName(QDir::current().absoluteFilePath(name));
    if (!path.isEmpty())
        prepare();
    parentsTracer.store(nullptr, std::memory_order_relaxed);
    instance().writeOut();
    if (const int error = instance().open(path))
        warn(path, "cannot be written", error);
}

void Tracer::prepare()
{
    [[maybe_unused]] static const bool isPrepared = [] {
        hookEvents();
        if (!hookSources())
            qCWarning(lcTrace, "GLibEventDispatcher: this GLib does not let its sources be told apart; they are drawn together");
        // A child has none of the parent's threads, and perhaps the parent's locks. It starts anew when its loop has a turn.
        pthread_atfork(nullptr, nullptr, [] {
            // A child of a child that had no turn goes on with the same one.
            if (Tracer *const tracer = theTracer.exchange(nullptr, std::memory_order_relaxed))
                parentsTracer.store(tracer, std::memory_order_relaxed);
            s_count.fetch_add(1, std::memory_order_relaxed);
        });
        std::atexit([] { setFile({}); });
        return true;
    }();
}

/// Returns 0 or an errno.
int Tracer::open(const QByteArray &name)
{
    const std::lock_guard fileLock(m_fileMutex);
    m_file.close();
    m_written.clear();
    const int error = name.isEmpty() ? 0 : m_file.open(name);
    const std::lock_guard lock(m_mutex);
    m_added.clear();
    m_name = error ? QByteArray() : name;
    Waker::isWanted.store(m_file.isOpen(), std::memory_order_relaxed);
    s_count.fetch_add(1, std::memory_order_release);
    if (m_file.isOpen()) {
        wasEverTracing.store(true, std::memory_order_relaxed);
        start();
    }
    m_changed.notify_all();
    return error;
}

std::shared_ptr<TraceTrack> Tracer::addTrack(unsigned *count)
{
    // In a child, the first one opens a file.
    if (const Tracer *const parents = parentsTracer.exchange(nullptr, std::memory_order_relaxed)) {
        if (const int error = open(parents->m_name))
            warn(parents->m_name, "cannot be written", error);
    }
    const std::lock_guard lock(m_mutex);
    *count = s_count.load(std::memory_order_relaxed);
    if (m_name.isEmpty())
        return nullptr;
    return m_added.emplace_back(std::make_shared<TraceTrack>());
}

/// With m_mutex locked.
void Tracer::start()
{
    if (std::exchange(m_isRunning, true))
        return;
    if (startBackgroundThread("trace writer", [this] { run(); }) != 0)
        m_isRunning = false; // what finds a place until the end of the program is written then
}

void Tracer::run()
{
    for (;;) {
        writeOut();
        std::unique_lock lock(m_mutex);
        if (m_name.isEmpty())
            m_changed.wait(lock, [this] { return !m_name.isEmpty(); });
        else
            m_changed.wait_for(lock, WriteInterval);
    }
}

void Tracer::writeOut()
{
    int error = 0;
    QByteArray name;
    {
        const std::lock_guard fileLock(m_fileMutex);
        name = m_file.name();
        error = write();
    }
    if (error)
        warn(name, "ends here", error);
}

/// With m_fileMutex locked. Returns 0 or an errno; then the trace is over.
int Tracer::write()
{
    if (!m_file.isOpen())
        return 0;
    {
        const std::lock_guard lock(m_mutex);
        for (auto &track : std::exchange(m_added, {}))
            m_written.push_back({std::move(track), {}, 0});
    }
    const auto ended = std::partition(m_written.begin(), m_written.end(),
                                      [](const TraceFile::Track &written) { return !written.track->isOver(); });
    const int error = m_file.write(&m_written);
    m_written.erase(ended, m_written.end());
    if (error) {
        const std::lock_guard lock(m_mutex);
        m_name.clear();
        Waker::isWanted.store(false, std::memory_order_relaxed);
        s_count.fetch_add(1, std::memory_order_release);
    }
    return error;
}
