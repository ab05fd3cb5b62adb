// SPDX-License-Identifier: MIT

#ifndef CHANNEL_H
#define CHANNEL_H

#include <QtCore/QSocketNotifier>

#include <deque>
#include <functional>
#include <memory>

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
    /// Whether any notifier that is enabled is to be activated now.
    bool isReady() const;
    bool isReady(int type) const;

    // What an activation does, by type.
    int handlers[3] = {};
    int counts[3] = {};

private:
    void open();
    void close();

    const Kind m_kind;
    Activated m_activated;
    bool m_isChanged = false; // the list, and nobody knows yet
    int m_fd = -1;
    int m_peer = -1;
    std::deque<int> m_duplicates;
    std::unique_ptr<QSocketNotifier> m_notifiers[3];
};

#endif
