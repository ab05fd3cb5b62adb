// SPDX-License-Identifier: MIT

#ifndef TRACER_H
#define TRACER_H

#include "tracefile.h"

#include <condition_variable>
#include <mutex>

/// Writes what all threads with a TraceTrack do to a file, ten times a second, from a thread of its own.
class Tracer
{
public:
    /// That of the process. It is never destroyed, as threads may outlive main().
    static Tracer &instance();

    /// Whether activities are wanted. The first call reads GLIBEVENTDISPATCHER_TRACE.
    static bool isWanted();
    /// An empty name ends the trace.
    static void setFile(const QString &name);
    /// Changes with each trace, and in a child after fork().
    static unsigned count() { return s_count.load(std::memory_order_acquire); }

    /// For the calling thread, and that @p count(). Returns nullptr if no trace is being written.
    std::shared_ptr<TraceTrack> addTrack(unsigned *count);

private:
    Tracer() = default;

    static void prepare();
    int open(const QByteArray &name);
    void start();
    void run();
    void writeOut();
    int write();

    static std::atomic<unsigned> s_count;

    std::mutex m_fileMutex; // to be locked before the other one
    TraceFile m_file;
    std::vector<TraceFile::Track> m_written;
    std::mutex m_mutex;
    std::condition_variable m_changed;
    QByteArray m_name; // empty while no trace is written
    std::vector<std::shared_ptr<TraceTrack>> m_added;
    bool m_isRunning = false;
};

#endif
