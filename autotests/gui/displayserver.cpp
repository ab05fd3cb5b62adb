// SPDX-License-Identifier: MIT

#include "displayserver.h"

#include <QtCore/QByteArray>
#include <QtCore/QFile>
#include <QtCore/QStandardPaths>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace {

constexpr int StartLimit = 60; // seconds

bool isInstalled(const char *program)
{
    return !QStandardPaths::findExecutable(QLatin1String(program)).isEmpty();
}

bool acceptsConnections(const QByteArray &path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    qstrncpy(address.sun_path, path.constData(), sizeof address.sun_path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool accepted =
        connect(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0;
    close(fd);
    return accepted;
}

}

DisplayServer::DisplayServer()
{
    const QByteArray platform = qgetenv("QT_QPA_PLATFORM");
    // Where Qt and weston put their sockets and caches.
    qputenv("XDG_RUNTIME_DIR", QFile::encodeName(m_runtimeDir.path()));
    if (platform == "xcb")
        startXvfb();
    else if (platform == "wayland")
        startWeston();
}

DisplayServer::~DisplayServer()
{
    if (m_process > 0) {
        kill(m_process, SIGTERM);
        waitpid(m_process, nullptr, 0);
    }
}

void DisplayServer::startXvfb()
{
    if (!isInstalled("Xvfb")) {
        m_missing = QStringLiteral("Xvfb (Debian: xvfb)");
        return;
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        qFatal("no pipe");
    // -terminate: it goes with the last client, so a test that crashes leaves none behind.
    start({"Xvfb", "-displayfd", std::to_string(ends[1]), "-screen", "0", "800x600x24", "-dpi", "96",
           "-nolisten", "tcp", "-terminate"},
          ends[1]);
    close(ends[1]);
    QByteArray number;
    char c = 0;
    while (read(ends[0], &c, 1) == 1 && c != '\n')
        number += c;
    close(ends[0]);
    if (number.isEmpty())
        qFatal("Xvfb does not start");
    qputenv("DISPLAY", ':' + number);
}

void DisplayServer::startWeston()
{
    if (!isInstalled("weston")) {
        m_missing = QStringLiteral("weston");
        return;
    }
    // The options changed with weston 12; --debug is what lets screenshots be taken.
    FILE *answer = popen("weston --version", "r");
    int version = 0;
    const bool known = answer && fscanf(answer, "weston %d", &version) == 1;
    if (answer)
        pclose(answer);
    std::vector<std::string> command{"weston", "--no-config", "--debug", "--idle-time=0",
                                     "--width=800", "--height=600", "--socket=wayland-test"};
    if (known && version < 12)
        command.insert(command.end(), {"--backend=headless-backend.so", "--use-pixman"});
    else
        command.insert(command.end(), {"--backend=headless", "--renderer=pixman"});
    start(command);
    qputenv("WAYLAND_DISPLAY", "wayland-test");
    const QByteArray path = QFile::encodeName(m_runtimeDir.filePath(QStringLiteral("wayland-test")));
    for (int tries = 0; !acceptsConnections(path); ++tries) {
        if (tries == StartLimit * 100 || waitpid(m_process, nullptr, WNOHANG) != 0)
            qFatal("weston does not start");
        usleep(10000);
    }
}

/// The output of the servers would be taken for the test's, so it goes nowhere.
void DisplayServer::start(const std::vector<std::string> &command, int keptOpen)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    if (keptOpen >= 0)
        posix_spawn_file_actions_adddup2(&actions, keptOpen, keptOpen);
    std::vector<std::string> words = command;
    std::vector<char *> arguments;
    for (std::string &word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    if (posix_spawnp(&m_process, arguments[0], &actions, nullptr, arguments.data(), environ) != 0)
        qFatal("%s cannot be run", arguments[0]);
    posix_spawn_file_actions_destroy(&actions);
}
