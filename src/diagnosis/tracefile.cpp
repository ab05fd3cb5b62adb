// SPDX-License-Identifier: MIT

#include "tracefile.h"

#include <QtCore/QString>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

using namespace std::chrono_literals;

namespace {

constexpr off_t DefaultSize = 64 << 20;
/// What a thread is at is written before it is over if it takes longer.
constexpr auto RunningLimit = 100ms;
/// How long the slice of a wake-up is: shorter than the system call that it stands for, so it ends before what is around it.
constexpr auto WakeUpLength = 100ns;

/// For the thread that opens the file: the program may change its environment while another one writes.
off_t sizeLimit()
{
    const qint64 size = qgetenv("GLIBEVENTDISPATCHER_TRACE_SIZE").toLongLong();
    return size > 0 ? off_t(size) : DefaultSize;
}

QByteArray microseconds(TraceTrack::Time time)
{
    char text[32];
    std::snprintf(text, sizeof text, "%lld.%03d", static_cast<long long>(time.count() / 1000), int(time.count() % 1000));
    return text;
}

QByteArray quoted(const QByteArray &name)
{
    QByteArray text = "\"";
    for (const char c : QString::fromUtf8(name).toUtf8()) { // what is no UTF-8 is replaced
        if (c == '"' || c == '\\')
            text += '\\';
        if (uchar(c) < 0x20)
            text += "\\u00" + QByteArray(1, c).toHex();
        else
            text += c;
    }
    return text + '"';
}

/// That the system has. A thread that is gone has none.
QByteArray nameOfThread(long thread)
{
    QByteArray name;
    const QByteArray path = "/proc/self/task/" + QByteArray::number(qlonglong(thread)) + "/comm";
    if (std::FILE *file = std::fopen(path.constData(), "re")) {
        char line[32] = "";
        if (std::fgets(line, sizeof line, file))
            name = QByteArray(line).trimmed();
        std::fclose(file);
    }
    return name.isEmpty() ? "thread" : name;
}

}

int TraceFile::open(const QByteArray &name)
{
    close();
    m_name = name;
    int error = openNew();
    if (error == 0) {
        m_sizeLimit = sizeLimit();
        begin({});
        error = flush();
    }
    if (error)
        close();
    return error;
}

/// Under another name, if another process has the file. At a rotation one may come in between.
int TraceFile::openNew()
{
    int error = openLocked();
    if (error == EWOULDBLOCK) {
        m_name += '.' + QByteArray::number(qlonglong(getpid()));
        error = openLocked();
    }
    return error;
}

int TraceFile::openLocked()
{
    // Not O_TRUNC: it may be another process's. A program that this one starts does not keep the lock.
    m_fd = ::open(m_name.constData(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (m_fd < 0)
        return errno;
    int error = 0;
    if (flock(m_fd, LOCK_EX | LOCK_NB) != 0 || ftruncate(m_fd, 0) != 0)
        error = errno;
    if (error)
        close();
    m_end = 0;
    m_oldTail.clear();
    return error;
}

void TraceFile::close()
{
    if (m_fd >= 0)
        ::close(m_fd);
    m_fd = -1;
}

int TraceFile::write(std::vector<Track> *tracks)
{
    for (Track &track : *tracks)
        take(&track);
    int error = flush();
    if (error == 0 && m_end > m_sizeLimit)
        error = rotate(*tracks);
    if (error)
        close();
    return error;
}

int TraceFile::flush()
{
    if (m_events.isEmpty() && m_tail.isEmpty())
        return 0;
    const qsizetype kept = m_events.size();
    QByteArray text = m_events + m_tail + "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":"
        + QByteArray::number(qlonglong(getpid())) + ",\"args\":{\"name\":" + quoted(nameOfThread(getpid())) + "}}\n]\n";
    // The old end may have been longer. Spaces may follow the last bracket.
    if (text.size() < m_oldTail.size())
        text += QByteArray(m_oldTail.size() - text.size(), '\n');
    m_events.clear();
    m_tail.clear();
    const int error = writeEnd(text);
    if (error) {
        // What was there has had its place, so the file can stay complete.
        [[maybe_unused]] const bool isComplete
            = writeEnd(m_oldTail) == 0 && ftruncate(m_fd, m_end + off_t(m_oldTail.size())) == 0;
        return error;
    }
    m_oldTail = text.mid(kept);
    m_end += off_t(kept);
    return 0;
}

/// Behind what stays. Returns 0 or an errno.
int TraceFile::writeEnd(const QByteArray &text)
{
    for (qsizetype done = 0; done < text.size();) {
        const ssize_t written = pwrite(m_fd, text.constData() + done, std::size_t(text.size() - done), m_end + off_t(done));
        if (written < 0 && errno != EINTR)
            return errno;
        done += std::max<ssize_t>(written, 0);
    }
    return 0;
}

int TraceFile::rotate(const std::vector<Track> &tracks)
{
    const int old = std::exchange(m_fd, -1); // locked until there is a new one
    int error = std::rename(m_name.constData(), (m_name + ".1").constData()) == 0 ? 0 : errno;
    if (error == 0)
        error = openNew();
    ::close(old);
    if (error)
        return error;
    begin(tracks);
    return flush();
}

/// What each file needs: the names of the threads, and the slices that have begun in the one before.
void TraceFile::begin(const std::vector<Track> &tracks)
{
    m_events = "[\n";
    m_names.clear();
    for (const Track &track : tracks) {
        addName(track.track->thread(), track.track->threadName());
        for (const QByteArray &slice : track.begun)
            m_events += slice;
    }
}

void TraceFile::take(Track *track)
{
    const TraceTrack &from = *track->track;
    addName(from.thread(), from.threadName());
    const std::uint64_t last = from.last();
    while (const TraceTrack::Record *record = from.first()) {
        switch (record->kind) {
        case TraceTrack::Record::Kind::Slice:
        case TraceTrack::Record::Kind::Begin: {
            const QByteArray slice = ",\"name\":" + quoted(record->name) + ",\"cat\":\"" + record->category + '"';
            if (record->kind == TraceTrack::Record::Kind::Begin) {
                track->begun.push_back(event("B", record->begin, from.thread(), slice));
                m_events += track->begun.back();
            } else {
                m_events += event("X", record->begin, from.thread(),
                                  slice + ",\"dur\":" + microseconds(record->end - record->begin));
            }
            break;
        }
        case TraceTrack::Record::Kind::End:
            m_events += event("E", record->end, from.thread());
            if (!track->begun.empty())
                track->begun.pop_back();
            break;
        case TraceTrack::Record::Kind::WakeUp:
            addWakeUp(from, *record);
            break;
        }
        track->track->removeFirst();
    }
    if (const unsigned lost = track->track->takeLost()) {
        m_events += event("i", TraceTrack::timeOf(last), from.thread(),
                          ",\"s\":\"t\",\"name\":\"" + QByteArray::number(lost) + " records lost\",\"args\":{\"lost\":"
                              + QByteArray::number(lost) + '}');
    }
    if (last == track->last && last == from.last())
        addRunning(*track);
    track->last = last;
}

/// For somebody who ends a program that hangs.
void TraceFile::addRunning(const Track &track)
{
    const TraceTrack::Step step = TraceTrack::stepOf(track.last);
    const TraceTrack::Time begin = TraceTrack::timeOf(track.last);
    const TraceTrack::Time taken = std::chrono::steady_clock::now().time_since_epoch() - begin;
    if (step <= TraceTrack::Step::Asleep || taken < RunningLimit)
        return;
    m_tail += event("X", begin, track.track->thread(),
                    QByteArray(",\"name\":\"still running: ") + TraceTrack::nameOf(step)
                        + "\",\"cat\":\"loop\",\"dur\":" + microseconds(taken));
}

void TraceFile::addWakeUp(const TraceTrack &track, const TraceTrack::Record &record)
{
    if (m_names.find(record.waker) == m_names.end())
        addName(record.waker, nameOfThread(record.waker));
    const QByteArray flow = ",\"name\":\"wake-up\",\"cat\":\"wake-up\",\"id\":" + QByteArray::number(qulonglong(++m_wakeUps));
    m_events += event("X", record.begin, record.waker,
                      ",\"name\":\"wake-up\",\"cat\":\"wake-up\",\"dur\":" + microseconds(WakeUpLength));
    m_events += event("s", record.begin, record.waker, flow);
    m_events += event("f", record.end, track.thread(), flow + ",\"bp\":\"e\"");
}

void TraceFile::addName(long thread, const QByteArray &name)
{
    QByteArray &present = m_names[thread];
    if (present == name)
        return;
    present = name;
    m_events += event("M", {}, thread, ",\"name\":\"thread_name\",\"args\":{\"name\":" + quoted(name) + '}');
}

QByteArray TraceFile::event(const char *phase, TraceTrack::Time time, long thread, const QByteArray &more)
{
    return QByteArray("{\"ph\":\"") + phase + "\",\"ts\":" + microseconds(time)
        + ",\"pid\":" + QByteArray::number(qlonglong(getpid())) + ",\"tid\":" + QByteArray::number(qlonglong(thread)) + more
        + "},\n";
}
