// SPDX-License-Identifier: MIT

#include "filetype.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

/// Files that have no type and no path, such as eventfd's. Linux tells what they are by a link. Not all of them are
/// level-triggered: a perf event reports to one poll only, and an epoll set may have a file in it that does.
bool isLevelTriggeredAnonymousFile(int fd)
{
    static constexpr std::array<std::string_view, 6> Known{
        "anon_inode:[eventfd]", "anon_inode:[timerfd]", "anon_inode:[signalfd]",
        "anon_inode:[pidfd]", "anon_inode:inotify", "anon_inode:[fanotify]"};
    char link[32];
    char target[64];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, target, sizeof target);
    return length > 0
        && std::find(Known.begin(), Known.end(), std::string_view(target, std::size_t(length)))
        != Known.end();
}

}

FileType fileType(int fd)
{
    struct stat status{};
    if (fstat(fd, &status) < 0)
        return FileType::Unknown;
    bool isLevelTriggered = false;
    switch (status.st_mode & S_IFMT) {
    case S_IFREG:
        return FileType::Regular;
    case S_IFSOCK:
    case S_IFIFO:
        isLevelTriggered = true;
        break;
    case S_IFCHR:
        isLevelTriggered = isatty(fd);
        break;
    case 0:
        isLevelTriggered = isLevelTriggeredAnonymousFile(fd);
        break;
    default:
        break;
    }
    return isLevelTriggered ? FileType::LevelTriggered : FileType::Other;
}

bool isOpen(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}
