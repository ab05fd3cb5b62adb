// SPDX-License-Identifier: MIT

#include "channel.h"

#include "virtualtime.h"

#include <QtCore/QEvent>
#include <QtCore/QThread>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

/// Connections that were closed here and are still open elsewhere.
constexpr std::size_t MostDuplicates = 3;

/// Numbers that are not given to anything else when they become free.
constexpr int FirstDuplicate = 100;
constexpr int FirstPeer = 200;

constexpr short EventsByType[] = {POLLIN, POLLOUT, POLLPRI};

bool hasMounts = false;

}

class Notifier final : public QSocketNotifier
{
public:
    Notifier(Channel *channel, int type)
        : QSocketNotifier(channel->fd(), Type(type))
        , m_channel(channel)
    {
    }

protected:
    bool event(QEvent *event) override
    {
        const auto number = int(type());
        if (event->type() == QEvent::SockAct) {
            m_channel->m_activated(number);
            return true;
        }
        const bool isHandled = QSocketNotifier::event(event);
        if (event->type() == QEvent::MetaCall) { // Qt enables it in the thread that it has moved to
            m_channel->m_isToBeEnabled[number] = false;
            m_channel->m_isMoved[number] = thread() != m_channel->m_thread;
        }
        return isHandled;
    }

private:
    Channel *const m_channel;
};

void Channel::ownMounts()
{
    hasMounts = (::unshare(CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0)
        && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

Channel::Channel(Kind kind, Activated activated)
    : m_kind(kind)
    , m_thread(QThread::currentThread())
    , m_activated([this, call = std::move(activated)](int type) {
        m_isChanged = false;
        call(type);
    })
{
    if (kind == MountInfo)
        m_fd = ::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    else
        open();
}

Channel::~Channel()
{
    for (auto &notifier : m_notifiers)
        notifier.reset();
    close();
    for (const int fd : m_duplicates)
        ::close(fd);
}

void Channel::open()
{
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        qFatal("no sockets");
    m_peer = ::fcntl(fds[1], F_DUPFD_CLOEXEC, FirstPeer);
    ::close(fds[1]);
    if (m_fd < 0) {
        m_fd = fds[0];
    } else if (fds[0] != m_fd) {
        ::dup3(fds[0], m_fd, O_CLOEXEC);
        ::close(fds[0]);
    }
}

void Channel::close()
{
    ::close(m_fd);
    hangUp();
}

void Channel::write()
{
    if (m_kind == MountInfo)
        m_isChanged = hasMounts && m_fd >= 0 && ::mount("/tmp", "/tmp", nullptr, MS_BIND, nullptr) == 0;
    else if (m_peer >= 0 && ::write(m_peer, "x", 1) != 1)
        return; // It is full.
}

void Channel::drain()
{
    if (m_kind == MountInfo)
        return;
    char buffer[64];
    while (::read(m_fd, buffer, sizeof(buffer)) > 0) { }
}

void Channel::hangUp()
{
    if (m_peer >= 0)
        ::close(m_peer);
    m_peer = -1;
}

void Channel::reopen(bool keepDuplicate)
{
    for (int type = 0; type < 3; ++type)
        disable(type);
    if (keepDuplicate) {
        m_duplicates.push_back(::fcntl(m_fd, F_DUPFD_CLOEXEC, FirstDuplicate));
        if (m_duplicates.size() > MostDuplicates) {
            ::close(m_duplicates.front());
            m_duplicates.pop_front();
        }
    }
    close();
    open();
}

void Channel::enable(int type)
{
    if (m_fd < 0 || m_isMoved[type])
        return;
    if (!m_notifiers[type])
        m_notifiers[type] = std::make_unique<Notifier>(this, type);
    m_notifiers[type]->setEnabled(true);
}

void Channel::disable(int type)
{
    if (m_notifiers[type] && m_notifiers[type]->thread() == QThread::currentThread() && !m_isToBeEnabled[type])
        m_notifiers[type]->setEnabled(false);
}

bool Channel::isEnabled(int type) const
{
    return m_notifiers[type] && !m_isMoved[type] && m_notifiers[type]->isEnabled();
}

bool Channel::move(int type, QThread *thread)
{
    auto &notifier = m_notifiers[type];
    if (!notifier || notifier->thread() != QThread::currentThread() || (thread != m_thread && !isEnabled(type)))
        return false;
    m_isToBeEnabled[type] = m_isToBeEnabled[type] || notifier->isEnabled();
    m_isMoved[type] = thread != m_thread || m_isToBeEnabled[type];
    notifier->moveToThread(thread);
    return thread == m_thread && m_isToBeEnabled[type];
}

bool Channel::isReadyInWorker(int type) const
{
    return m_isMoved[type] && m_notifiers[type]->thread() != m_thread && m_notifiers[type]->isEnabled()
        && VirtualTime::isReady(m_fd, EventsByType[type]);
}

bool Channel::isReady() const
{
    for (int type = 0; type < 3; ++type) {
        if (isReady(type))
            return true;
    }
    return false;
}

bool Channel::mayBeReady() const
{
    for (int type = 0; type < 3; ++type) {
        if (isReady(type) || (m_isMoved[type] && VirtualTime::isReady(m_fd, EventsByType[type])))
            return true;
    }
    return false;
}

bool Channel::isReady(int type) const
{
    if (m_kind == MountInfo) // To ask would be to take the report.
        return isEnabled(type) && m_isChanged;
    return isEnabled(type) && VirtualTime::isReady(m_fd, EventsByType[type]);
}
