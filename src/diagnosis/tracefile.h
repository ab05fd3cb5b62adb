// SPDX-License-Identifier: MIT

#ifndef TRACEFILE_H
#define TRACEFILE_H

#include "tracetrack.h"

#include <map>
#include <vector>

#include <sys/types.h>

/**
 * A file of trace events in JSON, the array format, which Perfetto and chrome://tracing open.
 *
 * Each write() leaves a complete file. What its end needs, and what has not ended yet, is overwritten by the next one. At a
 * size it is renamed to NAME.1, and a new one goes on. While another process writes to a file of that name, it is NAME.PID.
 */
class TraceFile
{
public:
    struct Track
    {
        std::shared_ptr<TraceTrack> track;
        std::vector<QByteArray> begun; ///< The slices that have begun and not ended, the outermost first.
        std::uint64_t last = 0; ///< TraceTrack::last() at the last write().
    };

    TraceFile() = default;
    ~TraceFile() { close(); }
    TraceFile(const TraceFile &) = delete;
    TraceFile &operator=(const TraceFile &) = delete;

    /// Returns 0 or an errno.
    int open(const QByteArray &name);
    void close();
    bool isOpen() const { return m_fd >= 0; }
    QByteArray name() const { return m_name; }

    /// Takes what the tracks have. Returns 0 or an errno; then it is closed.
    int write(std::vector<Track> *tracks);

private:
    int openNew();
    int openLocked();
    int flush();
    int writeEnd(const QByteArray &text);
    int rotate(const std::vector<Track> &tracks);
    void begin(const std::vector<Track> &tracks);
    void take(Track *track);
    void addRunning(const Track &track);
    void addWakeUp(const TraceTrack &track, const TraceTrack::Record &record);
    void addName(long thread, const QByteArray &name);
    static QByteArray event(const char *phase, TraceTrack::Time time, long thread, const QByteArray &more = {});

    QByteArray m_name;
    int m_fd = -1;
    off_t m_end = 0; // of what stays
    off_t m_sizeLimit = 0;
    QByteArray m_oldTail; // what is behind that
    QByteArray m_events; // that are to be written
    QByteArray m_tail; // ... and overwritten
    std::map<long, QByteArray> m_names; // of threads, as in the file
    std::uint64_t m_wakeUps = 0;
};

#endif
