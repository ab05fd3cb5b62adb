// SPDX-License-Identifier: MIT

#include "readiness.h"

#include "pollreadiness.h"
#if GLIBEVENTDISPATCHER_HAVE_EPOLL
#    include "epollreadiness.h"
#endif

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>

std::unique_ptr<Readiness> Readiness::create()
{
#if GLIBEVENTDISPATCHER_HAVE_EPOLL
    const char *asked = std::getenv("GLIBEVENTDISPATCHER_BACKEND");
    if (!asked || std::strcmp(asked, "poll") != 0) {
        auto epoll = std::make_unique<EpollReadiness>();
        if (epoll->isOpen())
            return epoll;
    }
#endif
    return std::make_unique<PollReadiness>();
}

std::error_code checkOpen(int fd)
{
    if (fcntl(fd, F_GETFD) < 0)
        return {errno, std::generic_category()};
    return {};
}
