// SPDX-License-Identifier: MIT

#include "log.h"
#include "player_p.h"

#include <glib-unix.h>

#include <algorithm>

using namespace Program;
using namespace std::chrono_literals;
using VirtualTime::TimePoint;

void Player::performGLib(const Operation &operation)
{
    auto &sources = m_sources;
    const auto there = std::find_if(sources.begin(), sources.end(), [&](const auto &source) {
        return source->number == operation.target && !source->isRemoved;
    });
    if (there != sources.end())
        (*there)->remove();
    if (operation.kind == Kind::RemoveSource)
        return;

    auto source = std::make_unique<Source>(
        Source{this, operation.target, operation.kind, operation.handler, operation.count});
    if (operation.kind == Kind::AddIdle) {
        source->source = g_idle_source_new();
    } else if (operation.kind == Kind::AddTimeout) {
        source->interval = operation.option * Unit;
        source->earliest = source->due = VirtualTime::now() + source->interval;
        source->source = g_timeout_source_new(guint(source->interval / 1ms));
    } else {
        source->channel = m_channels[std::size_t(operation.option)].get();
        source->source = g_unix_fd_source_new(source->channel->fd(), G_IO_IN);
    }
    g_source_set_priority(source->source, operation.value);
    if (operation.kind == Kind::AddFd) {
        const GUnixFDSourceFunc call = [](int, GIOCondition, void *data) -> gboolean {
            auto *called = static_cast<Source *>(data);
            return called->player->onSource(*called);
        };
        g_source_set_callback(source->source, G_SOURCE_FUNC(call), source.get(), nullptr);
    } else {
        const GSourceFunc call = [](void *data) -> gboolean {
            auto *called = static_cast<Source *>(data);
            return called->player->onSource(*called);
        };
        g_source_set_callback(source->source, call, source.get(), nullptr);
    }
    g_source_attach(source->source, nullptr);
    sources.push_back(std::move(source));
}

bool Player::onSource(Source &source)
{
    progress();
    note("source %d", source.number);
    if (source.isRemoved)
        Log::wrong("source %d is called after its removal", source.number);
    if (source.earliest - VirtualTime::Tolerance > VirtualTime::now())
        Log::wrong("source %d is called early", source.number);
    source.earliest = source.due = VirtualTime::now() + source.interval;
    if (source.channel)
        source.channel->drain();
    if (--source.calls <= 0 || (source.channel && source.channel->isHungUp()))
        source.remove();

    ++source.runs;
    Frame *const frame = m_frames.empty() ? nullptr : m_frames.back();
    if (frame)
        ++frame->callbacks;
    run(source.handler, Cause::Source);
    // GLib counts from its latest poll, which is the one before the call unless a loop in it has polled.
    source.due = VirtualTime::now() + source.interval;
    if (frame)
        --frame->callbacks;
    --source.runs;
    return !source.isRemoved;
}

void Player::removeSourcesOf(const Channel &channel)
{
    for (const auto &source : m_sources) {
        if (source->channel == &channel && !source->isRemoved)
            source->remove();
    }
}

/**
 * When GLib calls @p source at the latest, after the sleep that is announced or begun.
 *
 * GLib reads the clock once before a poll, at the first source that has a time. A GLib loop asks this dispatcher only then, which
 * emits aboutToBlock(): all timeouts are longer by what its handlers take.
 */
TimePoint Player::latestDue(const Source &source) const
{
    return source.due + m_timeInAboutToBlock;
}

/// GLib's part of the rules for a sleep.
void Player::checkSources(TimePoint end) const
{
    for (const auto &source : m_sources) {
        if (source->isRemoved || source->runs > 0)
            continue;
        const char *reason = nullptr;
        if (source->kind == Kind::AddIdle)
            reason = "idle";
        else if (source->kind == Kind::AddTimeout && latestDue(*source) < VirtualTime::now() - VirtualTime::Tolerance)
            reason = "due";
        else if (source->kind == Kind::AddTimeout && end - VirtualTime::LongestDelay > latestDue(*source))
            reason = "late at its end";
        else if (source->channel && VirtualTime::isReady(source->channel->fd(), G_IO_IN))
            reason = "ready";
        if (reason)
            Log::wrong("sleeps, and source %d is %s", source->number, reason);
    }
}

bool Player::hasReadySource() const
{
    return std::any_of(m_sources.begin(), m_sources.end(), [](const auto &source) {
        return !source->isRemoved && source->runs == 0
            && (source->kind == Kind::AddIdle
                || (source->kind == Kind::AddTimeout && source->due <= VirtualTime::now())
                || (source->channel && VirtualTime::isReady(source->channel->fd(), G_IO_IN)));
    });
}

std::optional<TimePoint> Player::nextSource() const
{
    std::optional<TimePoint> next;
    for (const auto &source : m_sources) {
        if (!source->isRemoved && source->runs == 0 && source->kind == Kind::AddTimeout)
            next = std::min(latestDue(*source), next.value_or(TimePoint::max()));
    }
    return next;
}

void Player::runGLibLoop(Frame &frame)
{
    frame.glibLoop = g_main_loop_new(nullptr, false);
    g_main_loop_run(frame.glibLoop);
    g_main_loop_unref(frame.glibLoop);
}
