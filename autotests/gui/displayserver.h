// SPDX-License-Identifier: MIT

#ifndef DISPLAYSERVER_H
#define DISPLAYSERVER_H

#include <QtCore/QString>
#include <QtCore/QTemporaryDir>

#include <string>
#include <vector>

/**
 * The server on which a test shows its windows, by QT_QPA_PLATFORM: Xvfb for xcb, weston in an Xvfb for
 * wayland, none for the others. To be constructed before the application, and set up for it then. It goes
 * with the process, however that ends.
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

    /// What has to be installed, if it is not.
    QString missing() const { return m_missing; }

private:
    bool startXvfb();
    void startWeston();
    void start(const std::vector<std::string> &command, int answer = -1);

    int m_servers[2] = {-1, -1};
    std::vector<int> m_processes;
    QTemporaryDir m_runtimeDir;
    QString m_missing;
};

#endif
