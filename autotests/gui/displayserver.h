// SPDX-License-Identifier: MIT

#ifndef DISPLAYSERVER_H
#define DISPLAYSERVER_H

#include <QtCore/QString>
#include <QtCore/QTemporaryDir>

#include <string>
#include <vector>

/**
 * The server on which a test shows its windows, by QT_QPA_PLATFORM: Xvfb for xcb, weston without a screen for
 * wayland, none for the others. To be constructed before the application, and set up for it then.
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
    void startXvfb();
    void startWeston();
    void start(const std::vector<std::string> &command, int keptOpen = -1);

    int m_process = -1;
    QTemporaryDir m_runtimeDir;
    QString m_missing;
};

#endif
