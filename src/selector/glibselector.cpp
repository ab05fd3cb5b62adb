// SPDX-License-Identifier: MIT

#include "glibselector.h"

#include "glibselector_p.h"

namespace {

using TimePoint = GLibSelectorPrivate::TimePoint;

constexpr GLibSelector::Events AllEvents =
    GLibSelector::Read | GLibSelector::Write | GLibSelector::Exception;

std::error_code error(std::errc code)
{
    return std::make_error_code(code);
}

TimePoint after(TimePoint now, GLibSelector::Duration duration)
{
    return duration < GLibSelectorPrivate::Never - now ? now + duration : GLibSelectorPrivate::Never;
}

/// What a select() waits for.
class Selection final : public EventLoop
{
public:
    explicit Selection(TimePoint deadline) { m_demand.deadline = deadline; }
    Demand demand() override { return m_demand; }

private:
    Demand m_demand;
};

}

GLibSelector::GLibSelector(GMainContext *context)
    : d(std::make_unique<GLibSelectorPrivate>(context))
{
}

GLibSelector::~GLibSelector() = default;

GMainContext *GLibSelector::context() const
{
    return d->context();
}

std::error_code GLibSelector::add(int fd, Events events, void *data)
{
    if (const std::error_code failure = d->checkUse())
        return failure;
    d->bindToThread();
    if (fd < 0)
        return error(std::errc::bad_file_descriptor);
    if (d->m_descriptors.watched(fd))
        return error(std::errc::file_exists);
    return d->tryWatch(fd, events, data);
}

std::error_code GLibSelector::modify(int fd, Events events, void *data)
{
    const std::error_code failure = d->checkAdded(fd);
    return failure ? failure : d->tryWatch(fd, events, data);
}

std::error_code GLibSelector::remove(int fd)
{
    const std::error_code failure = d->checkAdded(fd);
    if (!failure)
        d->watch(fd, 0);
    return failure;
}

std::optional<GLibSelector::Descriptor> GLibSelector::find(int fd) const
{
    if (d->checkAdded(fd))
        return std::nullopt;
    return Descriptor{fd, d->m_descriptors.watched(fd), d->m_data[std::size_t(fd)]};
}

std::vector<GLibSelector::Descriptor> GLibSelector::descriptors() const
{
    std::vector<Descriptor> all;
    if (d->checkUse())
        return all;
    for (int fd = 0; fd < d->m_descriptors.end(); ++fd) {
        if (const std::optional<Descriptor> descriptor = find(fd))
            all.push_back(*descriptor);
    }
    return all;
}

std::error_code GLibSelector::select(std::optional<Duration> timeout)
{
    if (const std::error_code failure = d->checkUse())
        return failure;
    d->bindToThread();

    GLibSelectorPrivate::Look look;
    look.mayBlock = !timeout || *timeout > Duration::zero();
    const TimePoint deadline = timeout && look.mayBlock
        ? after(GLibSelectorPrivate::Clock::now(), *timeout)
        : GLibSelectorPrivate::Never;
    Selection selection(deadline);
    d->m_descriptors.requireCheck();
    GLibSelectorPrivate::Result result;
    do {
        result = d->look(selection, look);
    } while (look.mayBlock && !result.wasWoken && !result.error.value_or(0) && !d->m_isClosed
             && !d->m_descriptors.hasReady() && GLibSelectorPrivate::Clock::now() < deadline);
    d->takeWakeUp();
    return std::error_code(result.error.value_or(0), std::generic_category());
}

std::optional<GLibSelector::Descriptor> GLibSelector::takeReady()
{
    if (d->checkUse())
        return std::nullopt;
    const std::optional<Descriptors::Ready> ready = d->m_descriptors.take();
    if (!ready)
        return std::nullopt;
    return Descriptor{ready->fd, ready->events, d->m_data[std::size_t(ready->fd)]};
}

void GLibSelector::wakeUp()
{
    d->requestWakeUp();
}

void GLibSelector::close()
{
    d->close();
}

/// As checkUse(), and an error if @p fd was not added.
std::error_code GLibSelectorPrivate::checkAdded(int fd) const
{
    if (const std::error_code failure = checkUse())
        return failure;
    if (fd < 0)
        return error(std::errc::bad_file_descriptor);
    return m_descriptors.watched(fd) ? std::error_code() : error(std::errc::no_such_file_or_directory);
}

std::error_code GLibSelectorPrivate::tryWatch(int fd, GLibSelector::Events events, void *data)
{
    if (!events || (events & ~AllEvents))
        return error(std::errc::invalid_argument);
    if (!isOpen(fd) || !watch(fd, events))
        return error(std::errc::bad_file_descriptor);
    if (std::size_t(fd) >= m_data.size())
        m_data.resize(std::size_t(fd) + 1);
    m_data[std::size_t(fd)] = data;
    return {};
}
