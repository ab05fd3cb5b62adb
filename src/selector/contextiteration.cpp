// SPDX-License-Identifier: MIT

#include "contextiteration.h"

ContextIteration::ContextIteration(GMainContext *context, Stack &stack)
    : m_context(context)
    , m_stack(stack)
    , m_outer(stack.innermost)
{
    stack.innermost = this;
}

ContextIteration::~ContextIteration()
{
    m_stack.innermost = m_outer;
}

bool ContextIteration::prepare()
{
    const bool isReady = g_main_context_prepare(m_context, &m_priority);
    m_lowest = m_priority;
    m_phase = Phase::Polling;
    return isReady;
}

std::size_t ContextIteration::query(GPollFD *fds, std::size_t room)
{
    return std::size_t(g_main_context_query(m_context, m_lowest, &m_timeout, fds, int(room)));
}

bool ContextIteration::check(GPollFD *fds, std::size_t count)
{
    m_phase = Phase::Checking;
    return g_main_context_check(m_context, m_lowest, fds, int(count));
}

void ContextIteration::dispatch()
{
    m_phase = Phase::Dispatching;
    g_main_context_dispatch(m_context);
}
