// SPDX-License-Identifier: MIT

#include "socketnotifiers.h"

#include "../diagnosis/activity.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QEvent>
#include <QtCore/QSocketNotifier>

#include <algorithm>

namespace {

constexpr std::array<GLibSelector::Events, 3> EventsByType{
    GLibSelector::Read, GLibSelector::Write, GLibSelector::Exception};
static_assert(QSocketNotifier::Read == 0 && QSocketNotifier::Write == 1
              && QSocketNotifier::Exception == 2);

constexpr std::array<const char *, 3> TypeNames{"Read", "Write", "Exception"};

/// In Qt's words, which its own tests expect.
void warnOfInvalid(const QSocketNotifier *notifier)
{
    qWarning("QSocketNotifier: Invalid socket %d with type %s, disabling...", int(notifier->socket()),
             TypeNames[std::size_t(notifier->type())]);
}

}

void SocketNotifiers::add(QSocketNotifier *notifier)
{
    const int fd = int(notifier->socket());
    const auto number = std::size_t(fd);
    const auto type = std::size_t(notifier->type());
    Notifiers unknown;
    const bool isKnown = number < m_notifiers.size();
    Notifiers &notifiers = isKnown ? m_notifiers[number] : unknown;
    QSocketNotifier *&place = notifiers.byType[type];
    if (place && place != notifier) {
        qWarning("GLibEventDispatcher: Multiple socket notifiers for same socket %d and type %s; "
                 "the later one replaces the earlier",
                 fd, TypeNames[type]);
        // What was found for the earlier one is not for the later.
        m_selector->watch(fd, notifiers.events() & ~EventsByType[type]);
    }
    place = notifier;

    if (!m_selector->watch(fd, notifiers.events())) {
        m_invalid.push_back(notifier);
        m_selector->wakeUp().requestHere();
        return;
    }
    if (!isKnown) {
        if (number >= m_notifiers.capacity())
            m_notifiers.reserve(number + number / 4 + 16);
        m_notifiers.resize(number + 1);
        m_notifiers[number] = unknown;
    }
}

void SocketNotifiers::remove(QSocketNotifier *notifier)
{
    if (!m_invalid.empty())
        m_invalid.erase(std::remove(m_invalid.begin(), m_invalid.end(), notifier), m_invalid.end());
    const int fd = int(notifier->socket());
    const auto type = std::size_t(notifier->type());
    if (std::size_t(fd) >= m_notifiers.size())
        return;
    Notifiers &notifiers = m_notifiers[std::size_t(fd)];
    if (notifiers.byType[type] != notifier) {
        if (notifiers.byType[type])
            qWarning("GLibEventDispatcher: Multiple socket notifiers for same socket %d and type %s; "
                     "the later one stays enabled",
                     fd, TypeNames[type]);
        return;
    }
    notifiers.byType[type] = nullptr;
    m_selector->watch(fd, notifiers.events());
}

GLibSelector::Events SocketNotifiers::Notifiers::events() const
{
    GLibSelector::Events events = 0;
    for (std::size_t type = 0; type < byType.size(); ++type)
        events |= byType[type] ? EventsByType[type] : 0;
    return events;
}

int SocketNotifiers::activate(Activity *activity)
{
    while (!m_invalid.empty()) {
        QSocketNotifier *const invalid = m_invalid.back();
        m_invalid.pop_back();
        if (isOpen(int(invalid->socket()))) {
            add(invalid); // the descriptor was opened since
            continue;
        }
        warnOfInvalid(invalid);
        invalid->setEnabled(false);
    }
    auto ready = m_selector->descriptors().takeEvent();
    if (!ready)
        return 0;
    QEvent event(QEvent::SockAct); // one for all, as in Qt
    int activated = 0;
    for (; ready; ready = m_selector->descriptors().takeEvent()) {
        if (ready->events == GLibSelector::Invalid) {
            disable(ready->fd);
            continue;
        }
        const std::size_t type = ready->events == GLibSelector::Read ? QSocketNotifier::Read
            : ready->events == GLibSelector::Write                   ? QSocketNotifier::Write
                                                                     : QSocketNotifier::Exception;
        QSocketNotifier *const notifier = m_notifiers[std::size_t(ready->fd)].byType[type];
        if (activity)
            activity->beginNotifier(notifier);
        QCoreApplication::sendEvent(notifier, &event);
        ++activated;
    }
    return activated;
}

void SocketNotifiers::disable(int fd)
{
    const auto byType = m_notifiers[std::size_t(fd)].byType;
    for (QSocketNotifier *notifier : byType) {
        if (!notifier)
            continue;
        warnOfInvalid(notifier);
        notifier->setEnabled(false);
    }
}
