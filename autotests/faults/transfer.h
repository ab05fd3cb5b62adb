// SPDX-License-Identifier: MIT

#ifndef TRANSFER_H
#define TRANSFER_H

#include "eventlooptest.h"

#include <array>

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

#endif
