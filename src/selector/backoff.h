// SPDX-License-Identifier: MIT

#ifndef BACKOFF_H
#define BACKOFF_H

#include <algorithm>

/// How often something is tried that pays at times only: each attempt in vain doubles the number of occasions that are
/// left out after it.
class Backoff
{
public:
    static constexpr int LongestPause = 1024;

    /// To be called at each occasion. After true, note() tells what the attempt was worth; without it, the next occasion is
    /// due as well.
    bool isDue()
    {
        if (m_pause == 0)
            return true;
        --m_pause;
        return false;
    }
    void note(bool hasPaid)
    {
        m_nextPause = hasPaid ? 1 : std::min(2 * m_nextPause, LongestPause);
        m_pause = hasPaid ? 0 : m_nextPause;
    }

private:
    int m_pause = 0; // occasions before the next attempt
    int m_nextPause = 1;
};

#endif
