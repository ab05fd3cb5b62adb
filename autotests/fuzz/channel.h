// SPDX-License-Identifier: MIT

#ifndef CHANNEL_H
#define CHANNEL_H

#include <QtCore/QSocketNotifier>

#include <deque>
#include <functional>
#include <memory>

class Notifier;

/**
 * A connected pair of sockets; the notifiers of a program are for one of the two. Or the list of what is
 * mounted, whose poll() reports each change once, so that a report that is thrown away is lost.
 */
class Channel
{
public:
    enum Kind { Sockets, MountInfo };

    /// Gives this process, which must not have threads yet, a list of mounts of its own. If that is not allowed,
    /// the list never changes.
    static void ownMounts();

    using Activated = std::function<void(int type)>;

    Channel(Kind kind, Activated activated);
    ~Channel();
    Q_DISABLE_COPY_MOVE(Channel)

    int fd() const { return m_fd; }
    void write();
    void drain();
    bool isHungUp() const { return m_peer < 0; }
    void hangUp();
    /// Disables the notifiers, and has another connection under the same numbers. A duplicate of the old
    /// one may stay open.
    void reopen(bool keepDuplicate);

    void enable(int type);
    void disable(int type);
    bool isEnabled(int type) const;
    /// Gives a notifier to another thread. If that is the program's own, it @returns whether Qt has to enable it there.
    bool move(int type, QThread *thread);
    /// A notifier that was given away and does not work here again.
    bool isMoved(int type) const { return m_isMoved[type]; }
    bool hasMoved() const { return m_isMoved[0] || m_isMoved[1] || m_isMoved[2]; }
    /// Whether one that has moved is enabled, in whatever thread, and to be activated.
    bool isReadyInWorker(int type) const;
    /// Whether any notifier that is enabled is to be activated now, in the program's thread.
    bool isReady() const;
    /// ... or any that has moved may be, when it works here again.
    bool mayBeReady() const;
    bool isReady(int type) const;

    // What an activation does, by type.
    int handlers[3] = {};
    int counts[3] = {};

private:
    friend class Notifier;

    void open();
    void close();

    const Kind m_kind;
    QThread *const m_thread;
    Activated m_activated;
    bool m_isChanged = false; // the list, and nobody knows yet
    int m_fd = -1;
    int m_peer = -1;
    std::deque<int> m_duplicates;
    std::unique_ptr<QSocketNotifier> m_notifiers[3];
    bool m_isMoved[3] = {};
    bool m_isToBeEnabled[3] = {}; // by an event that Qt has posted to it
};

#endif
