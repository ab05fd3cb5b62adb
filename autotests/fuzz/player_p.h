// SPDX-License-Identifier: MIT

#ifndef PLAYER_P_H
#define PLAYER_P_H

#include "player.h"

#include <QtCore/QEvent>

#include <glib.h>

/// So many operations a program performs; what it may do for ever ends there.
constexpr int MostPerformed = 400;

/// How deep handlers may be nested.
constexpr std::size_t MostHandlers = 8;

/**
 * The unit of a program's times. What the main thread does takes a few of these at most, and coarse timers are not off
 * by more than half a second; so a unit tells the same time with every dispatcher, and two timers that are due
 * at different units fire in that order.
 */
constexpr std::chrono::seconds Unit(100);

/// When something is due that Qt has not started, or not yet in the thread that it has moved to.
constexpr VirtualTime::TimePoint Never = VirtualTime::TimePoint::max();

/// The unit that @p time belongs to.
inline int logical(VirtualTime::TimePoint time)
{
    return int((time + Unit / 10) / Unit);
}

class Player::Object final : public QObject
{
public:
    Object(Player *player, int number)
        : m_player(player)
        , m_number(number)
    {
    }
    ~Object() override;

protected:
    bool event(QEvent *event) override;
    void timerEvent(QTimerEvent *event) override;

private:
    Player *const m_player;
    const int m_number;
};

class Player::Event final : public QEvent
{
public:
    Event(Player *player, int number, int handler)
        : QEvent(User)
        , m_player(player)
        , m_number(number)
        , m_handler(handler)
    {
    }
    ~Event() override { m_player->m_posted.erase(m_number); }

    int number() const { return m_number; }
    int handler() const { return m_handler; }

private:
    Player *const m_player;
    const int m_number;
    const int m_handler;
};

/// Sees Qt's own request to quit, after the last window was closed.
class Player::QuitFilter final : public QObject
{
public:
    explicit QuitFilter(Player *player)
        : m_player(player)
    {
    }

protected:
    bool eventFilter(QObject *, QEvent *event) override
    {
        if (event->type() == QEvent::Quit)
            m_player->onQuit();
        return false;
    }

private:
    Player *const m_player;
};

struct Player::Source
{
    Player *player;
    int number;
    Program::Kind kind;
    int handler;
    int calls; // left
    Channel *channel = nullptr;
    VirtualTime::TimePoint interval{};
    VirtualTime::TimePoint earliest{};
    VirtualTime::TimePoint due{}; // at the latest
    GSource *source = nullptr;
    bool isRemoved = false;
    int runs = 0; // of its callback, now; GLib does not call it again meanwhile

    void remove()
    {
        isRemoved = true;
        g_source_destroy(source);
    }
};

#endif
