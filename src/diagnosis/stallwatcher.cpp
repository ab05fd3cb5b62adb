// SPDX-License-Identifier: MIT

#include "stallwatcher.h"

#include "backgroundthread.h"
#include "eventhook.h"
#include "stallreport.h"
#include "threadnumber.h"

#include <QtCore/QLoggingCategory>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include <pthread.h>

Q_LOGGING_CATEGORY(lcStalls, "glib.eventdispatcher.stalls")

using namespace std::chrono_literals;

namespace {

constexpr char Variable[] = "GLIBEVENTDISPATCHER_STALLS";
constexpr int LooksPerLimit = 4;
/// How long the end of the program waits for a report that is being written.
constexpr auto ReportLimit = 1s;

std::atomic<StallWatcher *> theWatcher{nullptr};
StallWatcher *parentsWatcher = nullptr; // in a child: not used, but not lost either
std::atomic<std::chrono::nanoseconds::rep> theLimit{0};
std::atomic<bool> wasEverWatching{false};

std::chrono::nanoseconds limit()
{
    return std::chrono::nanoseconds(theLimit.load(std::memory_order_relaxed));
}

/// When something has changed that was not seen yet at @p last.
StallWatcher::TimePoint middle(StallWatcher::TimePoint last, StallWatcher::TimePoint now)
{
    return last == StallWatcher::TimePoint() ? now : last + (now - last) / 2;
}

std::chrono::nanoseconds processorTimeOf(pthread_t thread)
{
    clockid_t clock;
    timespec time{};
    if (pthread_getcpuclockid(thread, &clock) == 0)
        clock_gettime(clock, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

void readEnvironment()
{
    const QByteArray value = qgetenv(Variable);
    if (value.isEmpty())
        return;
    bool isNumber = false;
    const int milliseconds = value.toInt(&isNumber);
    if (isNumber && milliseconds >= 0) {
        StallWatcher::setLimit(std::chrono::milliseconds(milliseconds));
        return;
    }
    qCWarning(lcStalls, "GLibEventDispatcher: %s=%s is not a number of milliseconds; stalls are not reported",
              Variable, value.constData());
}

}

StallWatcher &StallWatcher::instance()
{
    StallWatcher *watcher = theWatcher.load(std::memory_order_acquire);
    if (watcher)
        return *watcher;
    auto *const made = new StallWatcher;
    // A child has none of the parent's threads, and perhaps the parent's locks. It starts anew when its loop has a turn.
    [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, [] {
        parentsWatcher = theWatcher.exchange(nullptr, std::memory_order_relaxed);
    });
    if (theWatcher.compare_exchange_strong(watcher, made, std::memory_order_acq_rel))
        return *made;
    delete made;
    return *watcher;
}

bool StallWatcher::isWanted()
{
    [[maybe_unused]] static const bool done = (readEnvironment(), true);
    return wasEverWatching.load(std::memory_order_relaxed);
}

void StallWatcher::setLimit(std::chrono::milliseconds newLimit)
{
    if (newLimit <= 0ms) {
        theLimit.store(0, std::memory_order_relaxed);
        return;
    }
    static const bool isPrepared = prepare();
    if (!isPrepared) {
        qCWarning(lcStalls, "GLibEventDispatcher: all real-time signals are in use; stalls are not reported");
        return;
    }
    theLimit.store(std::chrono::nanoseconds(newLimit).count(), std::memory_order_relaxed);
    wasEverWatching.store(true, std::memory_order_relaxed);
    StallWatcher &watcher = instance();
    const std::lock_guard lock(watcher.m_mutex);
    if (!watcher.m_watches.empty())
        watcher.start();
    watcher.m_changed.notify_all();
}

bool StallWatcher::prepare()
{
    if (!StallSampler::prepare())
        return false;
    hookEvents();
    return true;
}

void StallWatcher::add(Activity *activity)
{
    const std::lock_guard lock(m_mutex);
    Watch watch;
    watch.activity = activity;
    watch.thread = pthread_self();
    watch.threadNumber = threadNumber();
    m_watches.push_back(watch);
    if (limit() > 0ns)
        start();
}

void StallWatcher::remove(Activity *activity)
{
    const std::lock_guard lock(m_mutex);
    const auto found = std::find_if(m_watches.begin(), m_watches.end(),
                                    [activity](const Watch &watch) { return watch.activity == activity; });
    if (found == m_watches.end())
        return; // it was the parent's
    finish(*found, middle(found->lastLook, Clock::now()));
    m_watches.erase(found);
    m_changed.notify_all();
}

/// With m_mutex locked.
void StallWatcher::start()
{
    if (std::exchange(m_isRunning, true))
        return;
    if (const int error = startBackgroundThread("stall watcher", [this] { run(); })) {
        m_isRunning = false;
        qCWarning(lcStalls, "GLibEventDispatcher: there is no thread to watch from: %s; stalls are not reported",
                  std::strerror(error));
    }
}

void StallWatcher::run()
{
    for (;;) {
        if (const std::optional<Finding> finding = look())
            report(*finding);
        reportEnds();
        std::unique_lock lock(m_mutex);
        m_isReporting = false;
        m_changed.notify_all();
        const bool isStalled = !m_stalls.empty();
        if (limit() > 0ns)
            m_changed.wait_for(lock, std::max<Duration>(limit() / (isStalled ? 5 * LooksPerLimit : LooksPerLimit), 1ms));
        else
            m_changed.wait(lock);
    }
}

/// One stall at most, as there is one sample.
std::optional<StallWatcher::Finding> StallWatcher::look()
{
    const std::lock_guard lock(m_mutex);
    std::optional<Finding> finding;
    for (Watch &watch : m_watches) {
        if (limit() <= 0ns)
            watch.lastLook = {};
        else if (!finding)
            finding = look(watch, Clock::now());
    }
    m_isReporting = true;
    return finding;
}

std::optional<StallWatcher::Finding> StallWatcher::look(Watch &watch, TimePoint now)
{
    const std::uint64_t state = watch.activity->state();
    const TimePoint changed = middle(std::exchange(watch.lastLook, now), now); // if it has
    if (state != watch.state || !Activity::isAtWork(state)) {
        begin(watch, state, nullptr, now, changed);
        return std::nullopt;
    }
    if (watch.isSettled && !watch.stall)
        return std::nullopt;
    Finding finding;
    const auto processorTime = processorTimeOf(watch.thread);
    const bool hasRun = processorTime != watch.processorTime;
    const bool isDue = !watch.isSettled && now - watch.firstSeen >= limit();
    const bool mayHaveChanged = hasRun && Activity::stepOf(state) == Activity::Step::GLibSources
        && (!watch.isSettled || watch.source);
    if (isDue || mayHaveChanged)
        finding.isSampled = m_sampler.take(watch.activity, watch.thread);
    if (finding.isSampled) {
        const StallSample::Loop *const loop = m_sampler.sample().innermost();
        if (m_sampler.sample().state != state || !loop) {
            watch.isSettled = !loop; // a GLib loop of somebody else's is over, and nobody has told
            return std::nullopt;
        }
        GSource *const source = loop->source.source;
        if (source != watch.source && (watch.source || mayHaveChanged)) {
            begin(watch, state, source, now, changed);
            return std::nullopt;
        }
        watch.source = source;
    }
    watch.processorTime = processorTime;
    if (!isDue)
        return std::nullopt;
    watch.isSettled = true;
    watch.stall = std::make_shared<Stall>();
    watch.stall->thread = watch.threadNumber;
    watch.stall->begin = watch.begin;
    m_stalls.push_back(watch.stall);
    finding.stall = watch.stall;
    finding.taken = now - watch.firstSeen;
    return finding;
}

/// It was at something else when it was last looked at.
void StallWatcher::begin(Watch &watch, std::uint64_t state, GSource *source, TimePoint now, TimePoint changed)
{
    finish(watch, changed);
    watch.begin = changed;
    watch.state = state;
    watch.source = source;
    watch.firstSeen = now;
    watch.isSettled = false;
    watch.processorTime = processorTimeOf(watch.thread);
}

void StallWatcher::finish(Watch &watch, TimePoint changed)
{
    if (!watch.stall)
        return;
    watch.stall->end = changed;
    watch.stall->isOver = true;
    watch.stall.reset();
}

/// Without the lock: looking for symbols waits while another thread loads a library.
void StallWatcher::report(const Finding &finding)
{
    QByteArray culprit("something in a thread that takes no signal");
    if (finding.isSampled) {
        culprit = StallReport::culprit(m_sampler.sample());
        qCWarning(lcStalls, "%s",
                  StallReport::text(m_sampler.sample(), finding.stall->thread, finding.taken, culprit).constData());
    } else {
        qCWarning(lcStalls, "%s", StallReport::silentText(finding.stall->thread, finding.taken).constData());
    }
    // What a message needs has been made by now, so it is destroyed after this is called.
    [[maybe_unused]] static const int registered = std::atexit(atExit);
    const std::lock_guard lock(m_mutex);
    finding.stall->culprit = culprit;
}

void StallWatcher::reportEnds()
{
    std::vector<std::shared_ptr<Stall>> ended;
    {
        const std::lock_guard lock(m_mutex);
        const auto isEnded = [](const auto &stall) { return stall->isOver && !stall->culprit.isEmpty(); };
        std::copy_if(m_stalls.begin(), m_stalls.end(), std::back_inserter(ended), isEnded);
        m_stalls.erase(std::remove_if(m_stalls.begin(), m_stalls.end(), isEnded), m_stalls.end());
        for (const auto &stall : ended) {
            const Duration taken = stall->end - stall->begin;
            Total &total = m_totals[stall->culprit];
            ++total.count;
            total.longest = std::max(total.longest, taken);
            total.sum += taken;
        }
    }
    for (const auto &stall : ended)
        qCWarning(lcStalls, "%s",
                  StallReport::endText(stall->thread, stall->culprit, stall->end - stall->begin).constData());
}

void StallWatcher::atExit()
{
    theLimit.store(0, std::memory_order_relaxed);
    if (StallWatcher *watcher = theWatcher.load(std::memory_order_acquire))
        watcher->reportTotals();
}

void StallWatcher::reportTotals()
{
    std::map<QByteArray, Total> totals;
    {
        std::unique_lock lock(m_mutex);
        for (Watch &watch : m_watches)
            finish(watch, middle(watch.lastLook, Clock::now()));
        // What handles messages may wait for this thread, so this one does not wait for ever.
        m_changed.wait_for(lock, ReportLimit, [this] { return !m_isReporting; });
    }
    reportEnds();
    {
        const std::lock_guard lock(m_mutex);
        totals.swap(m_totals);
    }
    for (const auto &[culprit, total] : totals)
        qCWarning(lcStalls, "%s", StallReport::totalText(culprit, total.count, total.longest, total.sum).constData());
}
