// SPDX-License-Identifier: MIT

#include "displayserver.h"

#include <QtCore/QByteArray>
#include <QtCore/QDir>
#include <QtCore/QFile>
#include <QtCore/QLibraryInfo>
#include <QtCore/QStandardPaths>

#include <cstdlib>

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

[[noreturn]] void skip(const QString &missing)
{
    qInfo("skipped: needs %s", qPrintable(missing));
    std::exit(77); // what ctest is told to take for "skipped"
}

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
    if (pipe2(m_servers, O_CLOEXEC) != 0)
        qFatal("no pipe");
    const QString platform = qEnvironmentVariable("QT_QPA_PLATFORM");
    const QDir plugins(QLibraryInfo::path(QLibraryInfo::PluginsPath) + QStringLiteral("/platforms"));
    if (plugins.entryList({QStringLiteral("libq%1*.so").arg(platform)}).isEmpty()) {
        skip(QStringLiteral("Qt's platform plugin %1 (Debian: qt6-qpa-plugins, qt6-wayland)")
                 .arg(platform));
    }
    // Where Qt and weston put their sockets and caches.
    qputenv("XDG_RUNTIME_DIR", QFile::encodeName(m_runtimeDir.path()));
    if (platform == QLatin1String("xcb"))
        startXvfb();
    if (platform == QLatin1String("wayland")) {
        startXvfb();
        startWeston();
    }
}

DisplayServer::~DisplayServer()
{
    close(m_servers[1]);
    for (const pid_t process : m_processes)
        waitpid(process, nullptr, 0);
    close(m_servers[0]);
}

void DisplayServer::startXvfb()
{
    if (!isInstalled("Xvfb"))
        skip(QStringLiteral("Xvfb (Debian: xvfb)"));
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        qFatal("no pipe");
    start({"Xvfb", "-displayfd", "3", "-screen", "0", "800x600x24", "-dpi", "96",
           "-nolisten", "tcp", "-noreset"},
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
    if (!isInstalled("weston"))
        skip(QStringLiteral("weston (Debian: weston)"));
    // The options changed with weston 12.
    FILE *answer = popen("weston --version", "r");
    int version = 0;
    const bool known = answer && fscanf(answer, "weston %d", &version) == 1;
    if (answer)
        pclose(answer);
    // Whatever moves by itself can stand between a test and what it looks for.
    const QString settings = m_runtimeDir.filePath(QStringLiteral("weston.ini"));
    QFile file(settings);
    if (!file.open(QIODevice::WriteOnly)
        || file.write("[shell]\npanel-position=none\nstartup-animation=none\nanimation=none\n"
                      "close-animation=none\nfocus-animation=none\nlocking=false\n")
            < 0)
        qFatal("no settings for weston");
    file.close();
    std::vector<std::string> command{"weston", "--config=" + settings.toStdString(),
                                     "--idle-time=0", "--width=800",
                                     "--height=600", "--socket=wayland-test"};
    if (known && version < 12)
        command.insert(command.end(), {"--backend=x11-backend.so", "--use-pixman"});
    else
        command.insert(command.end(), {"--backend=x11", "--renderer=pixman"});
    start(command);
    qputenv("WAYLAND_DISPLAY", "wayland-test");
    const QByteArray path = QFile::encodeName(m_runtimeDir.filePath(QStringLiteral("wayland-test")));
    for (int tries = 0; !acceptsConnections(path); ++tries) {
        if (tries == StartLimit * 100 || waitpid(m_processes.back(), nullptr, WNOHANG) != 0)
            qFatal("weston does not start");
        usleep(10000);
    }
}

/// Has a shell run the server, with @p answer as descriptor 3, until this process closes its end of the pipe or
/// is gone. Its output would be taken for the test's, so it goes nowhere.
void DisplayServer::start(const std::vector<std::string> &command, int answer)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, m_servers[0], STDIN_FILENO);
    for (int fd : {STDOUT_FILENO, STDERR_FILENO})
        posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    if (answer >= 0)
        posix_spawn_file_actions_adddup2(&actions, answer, 3);
    std::vector<std::string> words{"sh", "-c", "\"$@\" & exec 3>&-; read -r end; kill $!; wait", "sh"};
    words.insert(words.end(), command.begin(), command.end());
    std::vector<char *> arguments;
    for (std::string &word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_t process = -1;
    if (posix_spawnp(&process, arguments[0], &actions, nullptr, arguments.data(), environ) != 0)
        qFatal("%s cannot be run", arguments[0]);
    posix_spawn_file_actions_destroy(&actions);
    m_processes.push_back(process);
}
