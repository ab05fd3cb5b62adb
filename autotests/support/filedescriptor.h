// SPDX-License-Identifier: MIT

#ifndef FILEDESCRIPTOR_H
#define FILEDESCRIPTOR_H

#include <QtCore/QtGlobal>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

/// An open file descriptor, closed at the end of its scope.
class FileDescriptor
{
public:
    explicit FileDescriptor(int fd)
        : m_fd(fd)
    {
        if (fd < 0)
            qFatal("no file descriptor: %s", std::strerror(errno));
    }
    FileDescriptor(FileDescriptor &&other) noexcept
        : m_fd(std::exchange(other.m_fd, -1))
    {
    }
    FileDescriptor &operator=(FileDescriptor &&other) noexcept
    {
        std::swap(m_fd, other.m_fd);
        return *this;
    }
    ~FileDescriptor() { close(); }

    operator int() const { return m_fd; }

    void close()
    {
        if (m_fd >= 0)
            ::close(m_fd);
        m_fd = -1;
    }

    FileDescriptor duplicate() const { return FileDescriptor(::fcntl(m_fd, F_DUPFD_CLOEXEC, 0)); }

private:
    int m_fd;
};

#endif
