// SPDX-License-Identifier: MIT

#ifndef COUNTDOWN_H
#define COUNTDOWN_H

#include <QtCore/QEventLoop>
#include <QtCore/QTimer>

#include <chrono>

/**
 * Runs an event loop until step() was called as often as expected.
 *
 * QTRY_COMPARE() looks every few milliseconds, and no event loop sleeps meanwhile. Here the loop
 * sleeps until there is work, so a wake-up that the dispatcher misses is a test that fails.
 */
class Countdown
{
public:
    explicit Countdown(int steps) : m_left(steps) { }

    /// From the thread that waits only.
    void step()
    {
        if (--m_left <= 0)
            m_loop.quit();
    }

    /// Whether all steps were made, and no more than those.
    bool wait(std::chrono::milliseconds timeout = std::chrono::seconds(60))
    {
        if (m_left > 0) {
            QTimer guard;
            guard.setSingleShot(true);
            guard.callOnTimeout(&m_loop, &QEventLoop::quit);
            guard.start(timeout);
            m_loop.exec();
        }
        if (m_left != 0)
            qWarning("%d steps were still to be made", m_left);
        return m_left == 0;
    }

private:
    QEventLoop m_loop;
    int m_left;
};

#endif
