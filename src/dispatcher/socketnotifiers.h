// SPDX-License-Identifier: MIT

#ifndef SOCKETNOTIFIERS_H
#define SOCKETNOTIFIERS_H

#include "../selector/glibselector_p.h"

#include <array>
#include <vector>

class Activity;
class QSocketNotifier;

/// The enabled socket notifiers of a dispatcher: tells the selector what they wait for, and them what it found.
class SocketNotifiers
{
public:
    explicit SocketNotifiers(GLibSelectorPrivate *selector)
        : m_selector(selector)
    {
    }

    void add(QSocketNotifier *notifier);
    void remove(QSocketNotifier *notifier);

    /// Activates the notifiers of the selector's results, each at most once, and returns how many. @p activity, if there
    /// is one, is told.
    int activate(Activity *activity);

private:
    static constexpr int TypeCount = 3; // of QSocketNotifier::Type

    struct Notifiers
    {
        std::array<QSocketNotifier *, TypeCount> byType{};

        GLibSelector::Events events() const;
    };

    void disable(int fd);

    GLibSelectorPrivate *const m_selector;
    std::vector<Notifiers> m_notifiers; // by descriptor number
    std::vector<QSocketNotifier *> m_invalid; // to be disabled: their descriptors were never open
};

#endif
