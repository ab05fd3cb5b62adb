// SPDX-License-Identifier: MIT

#ifndef CONTEXTITERATION_H
#define CONTEXTITERATION_H

#include <glib.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>

/**
 * One iteration of a GMainContext, with the poll left to the caller: prepare(), query(), a poll, dispatch().
 *
 * Iterations are nested when a callback, a source's prepare() or a poll function runs an event loop. The phase of
 * the innermost one tells who calls a source: while it is preparing or checking, this iteration does; a source
 * that is prepared in any other phase, or without an iteration, is prepared by a loop that somebody else runs.
 */
class ContextIteration
{
public:
    enum class Phase { Preparing, Polling, Checking, Dispatching };

    /// Where the iterations of a context are kept, the innermost first.
    struct Stack
    {
        ContextIteration *innermost = nullptr;
        bool isRunBy(Phase phase) const { return innermost && innermost->m_phase == phase; }
    };

    ContextIteration(GMainContext *context, Stack &stack);
    ~ContextIteration();
    ContextIteration(const ContextIteration &) = delete;
    ContextIteration &operator=(const ContextIteration &) = delete;

    /// Asks the sources whether they are ready. Returns false if none is without a poll.
    bool prepare();
    /// The highest priority of those that are, after prepare().
    int priority() const { return m_priority; }
    /// To be called after prepare() if no source below @p priority is going to be dispatched: what they poll is left out.
    void leaveOutBelow(int priority) { m_lowest = std::min(m_lowest, priority); }
    /// The lowest priority whose sources count.
    int lowestPriority() const { return m_lowest; }
    /// Writes what the sources poll to @p fds, which has @p room for so many. Returns how many there are; to be called again
    /// if that is more.
    std::size_t query(GPollFD *fds, std::size_t room);
    /// How long the sources wait at most, after query(): nothing means forever.
    std::optional<std::chrono::milliseconds> timeout() const
    {
        return m_timeout < 0 ? std::nullopt : std::optional(std::chrono::milliseconds(m_timeout));
    }
    /// Asks the sources again, after @p count @p fds were polled. Returns whether dispatch() has something to do.
    bool check(GPollFD *fds, std::size_t count);
    void dispatch();

private:
    GMainContext *const m_context;
    Stack &m_stack;
    ContextIteration *const m_outer;
    Phase m_phase = Phase::Preparing;
    int m_priority = 0;
    int m_lowest = 0;
    int m_timeout = -1;
};

#endif
