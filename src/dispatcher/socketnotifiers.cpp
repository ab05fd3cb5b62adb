// SPDX-License-Identifier: MIT

#include "socketnotifiers.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QEvent>
#include <QtCore/QSocketNotifier>

namespace {

constexpr std::array<GLibSelector::Events, 3> EventsByType{
    GLibSelector::Read, GLibSelector::Write, GLibSelector::Exception};
static_assert(QSocketNotifier::Read == 0 && QSocketNotifier::Write == 1
              && QSocketNotifier::Exception == 2);

constexpr std::array<const char *, 3> TypeNames{"Read", "Write", "Exception"};

}

void SocketNotifiers::add(QSocketNotifier *notifier)
{
    const int fd = int(notifier->socket());
    const auto type = std::size_t(notifier->type());
    const auto [entry, isNew] = m_notifiers.try_emplace(fd);
    Notifiers &notifiers = entry->second;
    if (isNew)
        notifiers.serial = ++m_serial;

    QSocketNotifier *&place = notifiers.byType[type];
    if (place && place != notifier)
        qWarning("GLibEventDispatcher: Multiple socket notifiers for same socket %d and type %s; "
                 "the later one replaces the earlier",
                 fd, TypeNames[type]);
    place = notifier;
    notifiers.pending &= ~EventsByType[type];

    if (m_selector->watch(fd, notifiers.events(), &notifiers)) {
        m_refused.push_back(fd);
        m_selector->wakeUp();
    }
}

void SocketNotifiers::remove(QSocketNotifier *notifier)
{
    const int fd = int(notifier->socket());
    const auto type = std::size_t(notifier->type());
    const auto entry = m_notifiers.find(fd);
    if (entry == m_notifiers.end())
        return;
    Notifiers &notifiers = entry->second;
    if (notifiers.byType[type] != notifier) {
        if (notifiers.byType[type])
            qWarning("GLibEventDispatcher: Multiple socket notifiers for same socket %d and type %s; "
                     "the later one stays enabled",
                     fd, TypeNames[type]);
        return;
    }
    notifiers.byType[type] = nullptr;
    notifiers.pending &= ~EventsByType[type];

    m_selector->watch(fd, notifiers.events(), &notifiers);
    if (!notifiers.events())
        m_notifiers.erase(entry);
}

GLibSelector::Events SocketNotifiers::Notifiers::events() const
{
    GLibSelector::Events events = 0;
    for (std::size_t type = 0; type < byType.size(); ++type)
        events |= byType[type] ? EventsByType[type] : 0;
    return events;
}

int SocketNotifiers::activate()
{
    while (!m_refused.empty()) {
        const int fd = m_refused.back();
        m_refused.pop_back();
        disable(fd);
    }
    QEvent event(QEvent::SockAct); // one for all, as in Qt
    int activated = 0;
    while (const auto ready = m_selector->takeReady()) {
        if (ready->events == GLibSelector::Invalid)
            disable(ready->fd);
        else
            activated += activate(*ready, event);
    }
    return activated;
}

int SocketNotifiers::activate(const GLibSelector::Descriptor &ready, QEvent &event)
{
    auto *notifiers = static_cast<Notifiers *>(ready.data);
    notifiers->pending = ready.events;
    const std::uint64_t serial = notifiers->serial;

    int activated = 0;
    for (std::size_t type = 0; type < TypeCount; ++type) {
        if (!(notifiers->pending & EventsByType[type]))
            continue;
        notifiers->pending &= ~EventsByType[type];
        const GLibSelector::Events others = notifiers->pending;
        QCoreApplication::sendEvent(notifiers->byType[type], &event);
        ++activated;
        if (!others)
            break;
        // Whoever was activated may have disabled the others, or even brought in new ones.
        const auto entry = m_notifiers.find(ready.fd);
        if (entry == m_notifiers.end() || entry->second.serial != serial)
            break;
        notifiers = &entry->second;
    }
    return activated;
}

void SocketNotifiers::disable(int fd)
{
    const auto entry = m_notifiers.find(fd);
    if (entry == m_notifiers.end())
        return;
    const auto byType = entry->second.byType;
    for (std::size_t type = 0; type < TypeCount; ++type) {
        if (!byType[type])
            continue;
        qWarning("QSocketNotifier: Invalid socket %d with type %s, disabling...", fd,
                 TypeNames[type]);
        byType[type]->setEnabled(false);
    }
}
