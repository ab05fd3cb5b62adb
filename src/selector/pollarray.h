// SPDX-License-Identifier: MIT

#ifndef POLLARRAY_H
#define POLLARRAY_H

#include "descriptors.h"

#include <glib.h>

#include <algorithm>
#include <cstddef>
#include <vector>

/// What one poll(2) looks at: the loop's descriptors, those of GLib's sources, and one for wake-ups.
class PollArray
{
public:
    /// Either may be left out. The loop's come first: they are ready more often, and once
    /// poll(2) has found one that is, it no longer enters itself in the queue of each file.
    void set(const std::vector<GPollFD> *own, const std::vector<GPollFD> *glib)
    {
        m_fds.clear();
        if (own)
            m_fds = *own;
        m_ownCount = m_fds.size();
        if (glib)
            m_fds.insert(m_fds.end(), glib->begin(), glib->end());
        m_glibCount = m_fds.size() - m_ownCount;
    }
    void addWakeUp(int fd) { m_fds.push_back({fd, G_IO_IN, 0}); }
    void clear() { set(nullptr, nullptr); }

    /// To be polled.
    std::vector<GPollFD> &fds() { return m_fds; }
    bool isEmpty() const { return m_fds.empty(); }

    GPollFD *own() { return m_fds.data(); }
    std::size_t ownCount() const { return m_ownCount; }
    GPollFD *glib() { return m_fds.data() + m_ownCount; }
    std::size_t glibCount() const { return m_glibCount; }
    bool isGLibReady() { return std::any_of(glib(), glib() + m_glibCount, isReady); }
    /// After addWakeUp().
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
        std::for_each(glib(), glib() + m_glibCount, [&](GPollFD &second) {
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
    std::vector<GPollFD> m_fds;
    std::size_t m_ownCount = 0;
    std::size_t m_glibCount = 0;
};

#endif
