// SPDX-License-Identifier: MIT

#ifndef CHANNEL_H
#define CHANNEL_H

#include "filedescriptor.h"

#include <array>
#include <optional>

#include <sys/socket.h>

inline void write(int fd, const char *text = "x")
{
    if (::write(fd, text, std::strlen(text)) < 0)
        qFatal("write: %s", std::strerror(errno));
}

inline void read(int fd, std::size_t size = 1)
{
    std::array<char, 64> buffer;
    if (::read(fd, buffer.data(), size) < 0 && errno != EAGAIN)
        qFatal("read: %s", std::strerror(errno));
}

struct Channel
{
    Channel()
    {
        int fds[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
            qFatal("socketpair: %s", std::strerror(errno));
        here.emplace(fds[0]);
        there.emplace(fds[1]);
    }
    std::optional<FileDescriptor> here;
    std::optional<FileDescriptor> there;
};

#endif
