// SPDX-License-Identifier: MIT

#ifndef POLLARRAY_H
#define POLLARRAY_H

#include "contextiteration.h"
#include "descriptors.h"

#include <glib.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

/// What one poll(2) looks at: the loop's descriptors, those of GLib's sources, and one for wake-ups. From one poll to the
/// next little of that changes.
class PollArray
{
public:
    /// Sets the loop's part to what @p descriptors poll, if it @p isIncluded. The loop's come first: they are ready more
    /// often, and once poll(2) has found one that is, it no longer enters itself in the queue of each file. Returns whether
    /// that is a change.
    bool setOwn(const Descriptors &descriptors, bool isIncluded)
    {
        const std::optional<unsigned> state = isIncluded ? std::optional(descriptors.pollFdsState()) : std::nullopt;
        if (state == m_ownState)
            return false;
        const std::size_t count = isIncluded ? descriptors.pollFds().size() : 0;
        const std::size_t before = ownCount();
        if (count > before)
            m_fds.insert(m_fds.begin(), count - before, GPollFD{});
        else
            m_fds.erase(m_fds.begin(), m_fds.begin() + std::ptrdiff_t(before - count));
        std::copy_n(descriptors.pollFds().begin(), count, m_fds.begin());
        m_ownCount = count;
        m_ownState = state;
        return true;
    }
    /// Sets GLib's part to what the sources poll in @p iteration.
    void queryGLib(ContextIteration &iteration)
    {
        std::size_t room;
        std::size_t count;
        do {
            room = glibCount();
            count = iteration.query(glib(), room);
            if (count != room)
                setGLibCount(count);
        } while (count > room);
    }
    void clearGLib() { setGLibCount(0); }
    void setWakeUp(int fd) { m_fds.back() = {fd, G_IO_IN, 0}; }

    /// To be polled: the loop's part, GLib's and the wake-up; a poll may leave out the last of these.
    std::vector<GPollFD> &fds() { return m_fds; }

    GPollFD *own() { return m_fds.data(); }
    std::size_t ownCount() const { return m_ownCount; }
    GPollFD *glib() { return m_fds.data() + m_ownCount; }
    std::size_t glibCount() const { return m_fds.size() - m_ownCount - 1; }
    bool isGLibReady() { return std::any_of(glib(), glib() + glibCount(), isReady); }
    bool isWakeUpReady() const { return isReady(m_fds.back()); }

    static bool isReady(const GPollFD &fd) { return fd.revents != 0; }
    /// After a poll that has failed.
    void clearResults()
    {
        for (GPollFD &fd : m_fds)
            fd.revents = 0;
    }

    /// Gives what was found for a file to both GLib and the loop, whose @p descriptors may have been left out: a file that reports a
    /// change to one poll only has told the first of two elements.
    void shareResults(Descriptors &descriptors)
    {
        std::for_each(glib(), glib() + glibCount(), [&](GPollFD &second) {
            if (!descriptors.isPolled(second.fd))
                return;
            GPollFD *const first = std::find_if(own(), glib(), [&](const GPollFD &fd) { return fd.fd == second.fd; });
            if (first == glib()) {
                if (isReady(second))
                    descriptors.noteLate(second);
                return;
            }
            constexpr unsigned Always = G_IO_ERR | G_IO_HUP | G_IO_NVAL;
            const unsigned found = first->revents | second.revents;
            first->revents = gushort(found & (first->events | Always));
            second.revents = gushort(found & (second.events | Always));
        });
    }

private:
    void setGLibCount(std::size_t count) { m_fds.resize(m_ownCount + count + 1); }

    std::vector<GPollFD> m_fds{{-1, 0, 0}};
    std::size_t m_ownCount = 0;
    std::optional<unsigned> m_ownState; // Descriptors::pollFdsState(); nothing if that part is left out
};

#endif
