// SPDX-License-Identifier: MIT

#ifndef DISPLAYSERVER_H
#define DISPLAYSERVER_H

#include <QtCore/QTemporaryDir>

#include <string>
#include <vector>

/**
 * The server on which a test shows its windows, by QT_QPA_PLATFORM: Xvfb for xcb, weston in an Xvfb for
 * wayland, none for the others. To be constructed before the application, and set up for it then; where
 * something is not installed it says what, and ends the process as ctest wants it for a skipped test. It
 * goes with the process, however that ends.
 *
 * Weston has no window decorations and gives each window the whole screen, so what an X11User does at a
 * position is done to the window's pixel there.
 */
class DisplayServer
{
public:
    DisplayServer();
    ~DisplayServer();
    DisplayServer(const DisplayServer &) = delete;
    DisplayServer &operator=(const DisplayServer &) = delete;

private:
    void startXvfb();
    void startWeston();
    void start(const std::vector<std::string> &command, int answer = -1);

    int m_servers[2] = {-1, -1};
    std::vector<int> m_processes;
    QTemporaryDir m_runtimeDir;
};

#endif
