// SPDX-License-Identifier: MIT

#ifndef GLIBEVENTDISPATCHER_H
#define GLIBEVENTDISPATCHER_H

#include "glibeventdispatcher_export.h"
#include "glibeventdispatcher_version.h"

#include <QtCore/QAbstractEventDispatcher>

#include <chrono>
#include <cstdint>
#include <memory>

typedef struct _GMainContext GMainContext;

class GLibEventDispatcherPrivate;

// The class that the Qt the library was built with wants subclassed: timers in nanoseconds since Qt 6.8,
// in milliseconds before. Qt's own name of the newer one becomes an alias of the older in Qt 7.
#if GLIBEVENTDISPATCHER_QT_VERSION >= QT_VERSION_CHECK(6, 8, 0)
using GLibEventDispatcherBase = QAbstractEventDispatcherV2;
#else
using GLibEventDispatcherBase = QAbstractEventDispatcher;
#endif

/// Empty: it makes inherits("QEventDispatcherGlib") true for a class that implements it.
struct GLibEventDispatcherInterface
{
};
Q_DECLARE_INTERFACE(GLibEventDispatcherInterface, "QEventDispatcherGlib")

/**
 * An event dispatcher that waits on a GLib main context.
 *
 * Qt's sockets, timers and posted events and GLib's sources are served by one thread, whether or not
 * Qt was built with GLib and whatever QT_NO_GLIB says.
 *
 * @code
 * int main(int argc, char **argv)
 * {
 *     QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
 *     QCoreApplication app(argc, argv);
 *     g_timeout_add_seconds(1, [](void *) -> gboolean { qInfo("GLib"); return true; }, nullptr);
 *     QTimer timer;
 *     timer.callOnTimeout([] { qInfo("Qt"); });
 *     timer.start(1000);
 *     return app.exec();
 * }
 * @endcode
 *
 * The reference for everything that Qt defines is the behaviour of Qt's own UNIX dispatcher. Worker
 * threads get a dispatcher with QThread::setEventDispatcher().
 *
 * Which context: the one that was given, else the default context in the main thread and a new one in
 * any other. A context other than the default one is owned by the dispatcher's thread, and is
 * its thread-default, from startingUp() to closingDown(). The default context is taken when the
 * first event loop runs, or the first processEvents() that may wait, and kept from then on; a
 * processEvents() that does not wait borrows it for the length of the call before that. If another
 * thread owns the context, Qt's own work goes on without it, one warning says so, and the
 * context is taken as soon as it is free.
 *
 * The loop may be GLib's as well: while somebody runs the context in the dispatcher's thread
 * (g_main_loop_run(), g_application_run()), Qt's work is served from there.
 *
 * inherits("QEventDispatcherGlib") is true although that Qt class is no base of this one. Programs, and Qt
 * Multimedia, ask that of the dispatcher to find out whether GLib's sources are served. Everything else tells the
 * classes apart as usual: metaObject(), qobject_cast(), dynamic_cast.
 */
class GLIBEVENTDISPATCHER_EXPORT GLibEventDispatcher : public GLibEventDispatcherBase,
                                                       public GLibEventDispatcherInterface
{
    Q_OBJECT
    Q_INTERFACES(GLibEventDispatcherInterface)

public:
    /// Waits on the default context in the main thread, and on one of its own in any other.
    explicit GLibEventDispatcher(QObject *parent = nullptr);
    /// Uses @p context and takes a reference on it; nullptr chooses as the other constructor does.
    explicit GLibEventDispatcher(GMainContext *context, QObject *parent = nullptr);
    ~GLibEventDispatcher() override;

    /// The context in use. It is chosen by startingUp(), so it may be nullptr before.
    GMainContext *context() const;

    /// The GLib priority of Qt's posted events, sockets and timers: G_PRIORITY_DEFAULT unless it is
    /// set. GLib sources of lower priority (a higher number) wait while Qt has work. Zero-interval timers
    /// have G_PRIORITY_DEFAULT_IDLE, or this priority where it is lower still. To be set
    /// in the dispatcher's thread, or before it starts.
    int priority() const;
    void setPriority(int priority); ///< @copydoc priority()

    /**
     * What a dispatcher has done since it started. The times are those between the loop's readings of the clock: before and
     * after each sleep, and after GLib's sources were dispatched. A turn that neither sleeps nor has GLib's sources dispatched
     * counts as Qt's as a whole.
     *
     * Turns are counted whoever runs the loop. The other figures are about Qt's loops only: while somebody else runs the context
     * (g_main_loop_run()), GLib polls, and its sleeps are not seen from here.
     */
    struct Statistics
    {
        std::uint64_t turns = 0; ///< Of all loops, the nested ones included.
        std::uint64_t sleeps = 0; ///< Polls that were allowed to wait. Each ended by one of the four causes below.
        std::uint64_t wokenByWakeUp = 0; ///< wakeUp(): another thread has posted an event, say.
        std::uint64_t wokenByDescriptor = 0; ///< A descriptor with a socket notifier.
        std::uint64_t wokenByGLib = 0; ///< A GLib descriptor, alone or beside a Qt descriptor.
        std::uint64_t wokenByTime = 0; ///< A Qt or GLib timer, or a signal.
        std::chrono::nanoseconds asleep{0}; ///< In these polls.
        std::chrono::nanoseconds inQt{0}; ///< Events, notifiers, timers, and the loop itself.
        std::chrono::nanoseconds inGLib{0}; ///< The context's sources were dispatched.
        std::chrono::nanoseconds longestTurn{0}; ///< The longest time between two sleeps.
        int descriptors = 0; ///< That are watched for socket notifiers now.
        int timers = 0; ///< That are running now.
        const char *backend = ""; ///< "epoll" or "poll"; empty before the dispatcher starts.
    };
    /// To be called in the dispatcher's thread. It looks at each descriptor number, so it is not for every turn.
    Statistics statistics() const;

    /**
     * Reports each handler that keeps a dispatcher's thread for longer than @p limit, while it is still running, to the
     * logging category glib.eventdispatcher.stalls. Zero ends that. GLIBEVENTDISPATCHER_STALLS in the environment, in
     * milliseconds, does the same without a call. docs/stalls.md tells what a report has.
     *
     * It is for the calling thread's dispatcher, and for all that start later. The first call has to come before other
     * threads handle events, since Qt's list of those that want to see all events has no lock. It takes one of the real-time
     * signals that have no handler; if there is none, one warning says so and nothing is reported.
     */
    static void setStallLimit(std::chrono::milliseconds limit);

    /**
     * Writes what the threads of dispatchers do to the file @p name, as trace events for Perfetto or chrome://tracing: when
     * they sleep, GLib's and Qt's handlers, the wake-ups by other threads. An empty name ends that, and so does another one.
     * GLIBEVENTDISPATCHER_TRACE in the environment does the same until the first call. docs/trace.md tells what the file has.
     *
     * While another process writes to that file, this one's name has a point and the process's number behind it. If it cannot
     * be written, one warning says so, and the program goes on. For which dispatchers it is, and when it may be called
     * first, is as for setStallLimit().
     */
    static void setTraceFile(const QString &name);

    /// One turn of the loop: posted events, the sources of the context, socket notifiers, timers. With
    /// QEventLoop::WaitForMoreEvents it waits until there is something to do. Returns whether there was.
    bool processEvents(QEventLoop::ProcessEventsFlags flags) override;

    /// Called by QSocketNotifier. In another thread than the dispatcher's it does nothing, with a warning. Of
    /// two notifiers with the same descriptor and type the later one is served, with a warning.
    void registerSocketNotifier(QSocketNotifier *notifier) override;
    void unregisterSocketNotifier(QSocketNotifier *notifier) override; ///< @copydoc registerSocketNotifier()

    /// Stops all timers of @p object. Returns false, with a warning, in another thread than the dispatcher's.
    bool unregisterTimers(QObject *object) override;
#if GLIBEVENTDISPATCHER_QT_VERSION >= QT_VERSION_CHECK(6, 8, 0)
    /// Called by QObject::startTimer(), in the dispatcher's thread; in another it does nothing, with a warning.
    /// An interval that is longer than the clock's range is as long as that range.
    void registerTimer(Qt::TimerId timerId, Duration interval, Qt::TimerType timerType,
                       QObject *object) override;
    /// Returns whether there was such a timer.
    bool unregisterTimer(Qt::TimerId timerId) override;
    /// In the order of their start.
    QList<TimerInfoV2> timersForObject(QObject *object) const override;
    /// Zero if the timer is due, negative if there is none.
    Duration remainingTime(Qt::TimerId timerId) const override;
#else
    void registerTimer(int timerId, qint64 interval, Qt::TimerType timerType,
                       QObject *object) override;
    bool unregisterTimer(int timerId) override;
    QList<TimerInfo> registeredTimers(QObject *object) const override;
    int remainingTime(int timerId) override;
#endif

    /// Ends the wait that is running, or keeps the next one from starting. From any thread.
    void wakeUp() override;
    /// Makes the processEvents() that is running return without another wait. From any thread.
    void interrupt() override;

    /// Called by Qt when the application or the thread starts: chooses the context.
    void startingUp() override;
    /// Called by Qt at the end of the application or the thread: gives the context back.
    void closingDown() override;

protected:
    /// Called by QObject::connect(), from any thread. awake() and aboutToBlock() are emitted once it was called, so a derived
    /// class that overrides it has to call it.
    void connectNotify(const QMetaMethod &signal) override;

private:
    friend class GLibEventDispatcherPrivate;
    std::unique_ptr<GLibEventDispatcherPrivate> d;
};

#endif
