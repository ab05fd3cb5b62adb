// SPDX-License-Identifier: MIT

#ifndef SOCKETNOTIFIERS_H
#define SOCKETNOTIFIERS_H

#include "../selector/glibselector_p.h"

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

class QEvent;
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

    /// Activates the notifiers of the selector's results, each at most once, and answers how many.
    int activate();

private:
    static constexpr int TypeCount = 3; // of QSocketNotifier::Type

    struct Notifiers
    {
        std::array<QSocketNotifier *, TypeCount> byType{};
        GLibSelector::Events pending = 0; // found ready, not activated yet
        std::uint64_t serial = 0; // tells them from later ones of the same number

        GLibSelector::Events events() const;
    };

    int activate(const GLibSelector::Descriptor &ready, QEvent &event);
    void disable(int fd);

    GLibSelectorPrivate *const m_selector;
    std::unordered_map<int, Notifiers> m_notifiers;
    std::uint64_t m_serial = 0;
    std::vector<int> m_refused; // numbers that cannot be watched, to be disabled
};

#endif
