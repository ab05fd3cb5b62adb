// SPDX-License-Identifier: MIT

#ifndef FILETYPE_H
#define FILETYPE_H

/// What the file behind a descriptor does when it is polled.
enum class FileType : unsigned char {
    Unknown, ///< Not asked yet.
    LevelTriggered, ///< It is ready until it has been read or written, however often it is polled.
    Regular, ///< It is always ready, or a file of /proc, some of which report a change to one poll only.
    Other, ///< Not known. It may report a change to one poll only.
};

/// Asks the system; Unknown if @p fd is not open.
FileType fileType(int fd);

bool isOpen(int fd);

#endif
