// SPDX-License-Identifier: MIT

#include "program.h"

#include <QtCore/QEventLoop>
#include <QtCore/QSocketNotifier>

#include <algorithm>

using namespace Program;

namespace {

/// Its own, since the numbers of a std::uniform_int_distribution are not the same everywhere.
class Random
{
public:
    explicit Random(unsigned seed)
        : m_state(seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du)
    {
    }

    int below(int end)
    {
        m_state ^= m_state >> 12;
        m_state ^= m_state << 25;
        m_state ^= m_state >> 27;
        return int((m_state * 0x2545f4914f6cdd1du >> 33) % unsigned(end));
    }
    bool chance(int percent) { return below(100) < percent; }
    template<typename T, std::size_t Size>
    T oneOf(const T (&values)[Size])
    {
        return values[below(int(Size))];
    }

private:
    unsigned long m_state;
};

struct Weight
{
    Kind kind;
    int weight;
};

constexpr Weight InHandlers[] = {
    {Kind::Post, 22}, {Kind::Exit, 10}, {Kind::Quit, 2}, {Kind::Nest, 9}, {Kind::ProcessEvents, 8},
    {Kind::Interrupt, 3}, {Kind::WakeUp, 4}, {Kind::Throw, 2}, {Kind::SendPosted, 3}, {Kind::RemovePosted, 2},
    {Kind::DeleteLater, 6}, {Kind::Delete, 2}, {Kind::StartTimer, 14}, {Kind::StopTimer, 4}, {Kind::Enable, 7},
    {Kind::Disable, 4}, {Kind::Write, 6}, {Kind::Drain, 3}, {Kind::HangUp, 1}, {Kind::Reopen, 2}, {Kind::Move, 8}};
constexpr Weight InMain[] = {
    {Kind::Post, 20}, {Kind::StartTimer, 16}, {Kind::Enable, 14}, {Kind::Write, 4}, {Kind::DeleteLater, 3},
    {Kind::WakeUp, 2}, {Kind::Interrupt, 1}, {Kind::ProcessEvents, 14}, {Kind::Nest, 10}, {Kind::Exec, 8},
    {Kind::StopTimer, 3}, {Kind::Disable, 2}, {Kind::Drain, 2}, {Kind::SendPosted, 2}, {Kind::Reopen, 1},
    {Kind::Move, 5}};
constexpr Weight Elsewhere[] = {
    {Kind::Post, 24}, {Kind::WakeUp, 8}, {Kind::Write, 20}, {Kind::HangUp, 2}, {Kind::Exit, 10},
    {Kind::Quit, 2}, {Kind::Interrupt, 3}, {Kind::DeleteLater, 3}, {Kind::Move, 12}, {Kind::WorkerTurn, 14}};
constexpr Weight OfGLib[] = {
    {Kind::NestGLib, 8}, {Kind::AddIdle, 8}, {Kind::AddTimeout, 6}, {Kind::AddFd, 6}, {Kind::RemoveSource, 3}};

constexpr Weight OfWindows[] = {
    {Kind::ShowWindow, 12}, {Kind::HideWindow, 4}, {Kind::CloseWindow, 8}, {Kind::DestroyWindow, 2},
    {Kind::RequestUpdate, 12}, {Kind::Input, 16}};

template<std::size_t Size>
Kind any(Random &random, const Weight (&weights)[Size])
{
    int sum = 0;
    for (const Weight &weight : weights)
        sum += weight.weight;
    int left = random.below(sum);
    for (const Weight &weight : weights) {
        left -= weight.weight;
        if (left < 0)
            return weight.kind;
    }
    return weights[0].kind;
}

int anyFlags(Random &random)
{
    constexpr int Flags[] = {QEventLoop::ExcludeUserInputEvents, QEventLoop::ExcludeSocketNotifiers,
                             QEventLoop::X11ExcludeTimers,
                             QEventLoop::ExcludeSocketNotifiers | QEventLoop::X11ExcludeTimers};
    return random.chance(60) ? 0 : random.oneOf(Flags);
}

Operation anyOperation(Random &random, int performer, Kind kind, int handlers)
{
    Operation operation{performer, kind};
    const auto anyHandler = [&] { return random.chance(75) ? 1 + random.below(handlers) : 0; };
    switch (kind) {
    case Kind::Exec:
    case Kind::Interrupt:
    case Kind::WakeUp:
    case Kind::Throw:
    case Kind::SendPosted:
    case Kind::WorkerTurn:
        break;
    case Kind::Nest:
        operation.option = anyFlags(random);
        break;
    case Kind::ProcessEvents:
        operation.option = anyFlags(random) | (random.chance(60) ? int(QEventLoop::WaitForMoreEvents) : 0);
        break;
    case Kind::Exit:
        operation.target = random.chance(80) ? 0 : 1;
        operation.value = random.below(9);
        break;
    case Kind::Quit:
        operation.value = random.below(9);
        break;
    case Kind::Post: {
        constexpr int Priorities[] = {Qt::HighEventPriority, Qt::LowEventPriority, 1, -1000, 1000};
        operation.target = random.below(ObjectCount);
        operation.value = random.chance(70) ? Qt::NormalEventPriority : random.oneOf(Priorities);
        operation.handler = anyHandler();
        break;
    }
    case Kind::RemovePosted:
    case Kind::DeleteLater:
    case Kind::Delete:
        operation.target = random.below(ObjectCount);
        break;
    case Kind::Move:
        operation.option = random.chance(30);
        operation.target = random.below(operation.option ? SocketCount : ObjectCount);
        operation.value = operation.option && random.chance(30) ? random.below(3) : 0;
        break;
    case Kind::StartTimer:
        operation.target = random.below(TimerCount);
        operation.value = random.chance(20) ? 0 : 1 + random.below(6);
        operation.option = random.below(3);
        operation.count = random.chance(60) ? 1 : 2 + random.below(3);
        operation.handler = anyHandler();
        break;
    case Kind::StopTimer:
        operation.target = random.below(TimerCount);
        break;
    case Kind::Enable:
    case Kind::Disable:
        operation.target = random.below(ChannelCount);
        operation.value = random.chance(65) ? int(QSocketNotifier::Read) : random.below(3);
        if (operation.target == FileChannel)
            operation.value = QSocketNotifier::Exception;
        operation.count = 1 + random.below(3);
        operation.handler = anyHandler();
        break;
    case Kind::Write:
        operation.target = random.below(ChannelCount);
        break;
    case Kind::Drain:
    case Kind::HangUp:
        operation.target = random.below(SocketCount);
        break;
    case Kind::Reopen:
        operation.target = random.below(SocketCount);
        operation.option = random.below(2);
        break;
    case Kind::NestGLib:
        break;
    case Kind::AddIdle:
    case Kind::AddTimeout:
    case Kind::AddFd: {
        constexpr int Priorities[] = {0, 0, 0, 200, 300, 100, -100};
        operation.target = random.below(SourceCount);
        operation.value = random.oneOf(Priorities);
        operation.option = kind == Kind::AddFd ? random.below(SocketCount) : 1 + random.below(4);
        operation.count = 1 + random.below(4);
        operation.handler = anyHandler();
        break;
    }
    case Kind::RemoveSource:
        operation.target = random.below(SourceCount);
        break;
    case Kind::ShowWindow:
    case Kind::HideWindow:
    case Kind::CloseWindow:
    case Kind::DestroyWindow:
    case Kind::RequestUpdate:
    case Kind::Input:
        operation.target = random.below(WindowCount);
        operation.option = random.below(2);
        operation.handler = anyHandler();
        break;
    }
    return operation;
}

}

Operations Program::generate(unsigned seed, Family family)
{
    Random random(seed);
    Operations operations;
    const int handlers = 2 + random.below(6);
    const auto add = [&](int performer, Kind kind) {
        Operation operation = anyOperation(random, performer, kind, handlers);
        // A wait by hand may return once more for a wake-up that has ended the wait before, as with Qt's GLib
        // dispatcher, where the UNIX one waits.
        if (family == Family::Qt && kind == Kind::ProcessEvents)
            operation.option &= ~int(QEventLoop::WaitForMoreEvents);
        if (hasWindows(family) && (kind == Kind::Nest || kind == Kind::ProcessEvents) && random.chance(30))
            operation.option |= QEventLoop::ExcludeUserInputEvents;
        operations.push_back(operation);
        // What the first leaves is all that the second can have.
        if (family == Family::QtWindows && performer == Main && kind == Kind::Input && random.chance(50)) {
            operations.push_back({Main, Kind::ProcessEvents, 0, 0, QEventLoop::ExcludeUserInputEvents});
            operations.push_back({Main, Kind::ProcessEvents});
        }
    };
    const int windowShare = hasWindows(family) ? 40 : 0;
    const int glibShare = isCompared(family) ? 0 : family == Family::GLib ? 30 : 15;
    const auto addAny = [&](int performer, int share, const auto &others) {
        if (random.chance(windowShare))
            add(performer, any(random, OfWindows));
        else
            add(performer, random.chance(share) ? any(random, OfGLib) : any(random, others));
    };

    for (int i = 4 + random.below(8); i > 0; --i)
        addAny(Main, glibShare / 2, InMain);
    add(Main, random.chance(50) ? Kind::Exec : Kind::Nest);
    for (int handler = 1; handler <= handlers; ++handler) {
        for (int i = random.below(5); i > 0; --i)
            addAny(handler, glibShare, InHandlers);
    }
    for (int i = random.below(10); i > 0; --i) {
        add(OtherThreads, random.chance(windowShare) ? Kind::Input : any(random, Elsewhere));
        operations.back().delay = random.chance(25) ? 0 : 1 + random.below(4);
        operations.back().early = random.chance(30);
    }
    return operations;
}

bool Program::performs(const Operations &operations, int performer, std::initializer_list<Kind> kinds)
{
    return std::any_of(operations.begin(), operations.end(), [&](const Operation &operation) {
        return operation.performer == performer
            && std::find(kinds.begin(), kinds.end(), operation.kind) != kinds.end();
    });
}
