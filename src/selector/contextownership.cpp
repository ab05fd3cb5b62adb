// SPDX-License-Identifier: MIT

#include "contextownership.h"

#include "placeofthread.h"

#include <algorithm>

using namespace std::chrono_literals;

namespace {
/// The interval grows with the time that another thread has had the context: a start-up that lasts a moment is noticed
/// in a moment, and a thread that never gives it up costs next to nothing.
constexpr auto FirstRetry = 1ms;
constexpr auto LastRetry = 100ms;
}

bool ContextOwnership::acquire()
{
    if (!g_main_context_acquire(m_context)) {
        if (m_state != Foreign)
            m_foreignSince = Clock::now();
        m_state = Foreign;
        return false;
    }
    if (m_keeps && m_state != Kept) {
        m_state = Kept;
        m_thread = placeOfThread();
        g_main_context_acquire(m_context);
        if (m_context != g_main_context_default())
            g_main_context_push_thread_default(m_context);
    } else if (!m_keeps) {
        m_state = Borrowed;
    }
    return true;
}

void ContextOwnership::keep()
{
    m_keeps = true;
    if (m_state != Kept && acquire())
        g_main_context_release(m_context);
}

void ContextOwnership::release()
{
    m_keeps = false;
    if (m_state != Kept)
        return;
    m_state = Borrowed;
    // Each thread has a stack of thread-default contexts of its own, which no other thread can change.
    if (m_context != g_main_context_default() && m_thread == placeOfThread())
        g_main_context_pop_thread_default(m_context);
    g_main_context_release(m_context);
}

ContextOwnership::Clock::duration ContextOwnership::retryInterval(Clock::time_point now) const
{
    return std::clamp<Clock::duration>((now - m_foreignSince) / 4, FirstRetry, LastRetry);
}

ContextOwnership::Scope::Scope(ContextOwnership &ownership)
    : m_context(ownership.m_context)
    , m_isKept(ownership.m_state == Kept)
    , m_isOwned(m_isKept || ownership.acquire())
{
}

ContextOwnership::Scope::~Scope()
{
    if (m_isOwned && !m_isKept)
        g_main_context_release(m_context);
}
