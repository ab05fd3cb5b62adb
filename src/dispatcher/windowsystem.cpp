// SPDX-License-Identifier: MIT

#include "windowsystem.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QDir>
#include <QtCore/QFileInfo>
#include <QtCore/QJsonObject>
#include <QtCore/QLibraryInfo>
#include <QtCore/QLoggingCategory>
#include <QtCore/QPluginLoader>
#include <QtCore/QThread>
#include <QtCore/QVersionNumber>

#include <dlfcn.h>

Q_DECLARE_LOGGING_CATEGORY(lcDispatcher)

namespace {

const QLatin1String FileName("libGLibEventDispatcherWindowSystem.so");

QVersionNumber minorVersion(const QVersionNumber &version)
{
    return QVersionNumber(version.majorVersion(), version.minorVersion());
}

/// Beside the library, which needs no setting whatever prefix it is installed to, then Qt's own places.
QStringList folders()
{
    QStringList parents;
    static const char here = 0;
    Dl_info library;
    if (dladdr(&here, &library))
        parents += QFileInfo(QFile::decodeName(library.dli_fname)).canonicalPath();
    parents += QCoreApplication::libraryPaths();
    QStringList folders;
    for (const QString &parent : std::as_const(parents))
        folders += QDir::cleanPath(parent + QLatin1String("/glibeventdispatcher"));
    folders.removeDuplicates();
    return folders;
}

/// The plugin in the file called @p path; nullptr, and the reason added to @p problems, if it is of no use.
WindowSystemPlugin *load(const QString &path, QStringList *problems)
{
    QPluginLoader loader(path);
    const QString version = loader.metaData()
                                .value(QLatin1String("MetaData"))
                                .toObject()
                                .value(QLatin1String("QtVersion"))
                                .toString();
    // What the plugin uses of Qt Gui may change with each minor version; Qt itself would accept older ones.
    if (!version.isEmpty()
        && minorVersion(QVersionNumber::fromString(version)) != minorVersion(QLibraryInfo::version())) {
        problems->append(QStringLiteral("%1 was built for Qt %2").arg(path, version));
        return nullptr;
    }
    auto *plugin = qobject_cast<WindowSystemPlugin *>(loader.instance());
    if (!plugin) {
        problems->append(loader.isLoaded()
                             ? QStringLiteral("%1 is of another version").arg(path)
                             : loader.errorString());
    }
    return plugin;
}

WindowSystemPlugin *load()
{
    QStringList problems;
    const QStringList places = folders();
    for (const QString &folder : places) {
        const QString path = folder + QLatin1Char('/') + FileName;
        if (!QFileInfo::exists(path))
            continue;
        if (WindowSystemPlugin *plugin = load(path, &problems))
            return plugin;
    }
    if (problems.isEmpty())
        problems.append(QStringLiteral("there is none"));
    const QString line =
        QStringLiteral("GLibEventDispatcher: the windows of this program get no events, for want of %1 "
                       "for Qt %2; looked in %3: %4. Debian has it in the package "
                       "libglibeventdispatcher1; to build it, install qt6-base-private-dev first.")
            .arg(FileName, minorVersion(QLibraryInfo::version()).toString(),
                 places.join(QLatin1String(", ")), problems.join(QLatin1String("; ")));
    qCWarning(lcDispatcher, "%s", qUtf8Printable(line));
    return nullptr;
}

}

WindowSystem::WindowSystem() = default;

WindowSystem::~WindowSystem() = default;

bool WindowSystem::find()
{
    const QCoreApplication *app = QCoreApplication::instance();
    if (!app)
        return false;
    if (app->thread() != QThread::currentThread() || !app->inherits("QGuiApplication")) {
        m_state = State::Absent;
        return false;
    }
    WindowSystemPlugin *plugin = load();
    if (!plugin) {
        m_state = State::Absent;
        return false;
    }
    m_platformDispatcher.reset(plugin->createEventDispatcher());
    if (!m_platformDispatcher)
        return false;
    // Qt's dispatchers send the posted events between this signal and their poll, and do not poll when they were
    // interrupted.
    QObject::connect(m_platformDispatcher.get(), &QAbstractEventDispatcher::awake, m_platformDispatcher.get(),
                     [dispatcher = m_platformDispatcher.get()] { dispatcher->interrupt(); });
    m_state = State::Present;
    return true;
}

bool WindowSystem::processEvents(QEventLoop::ProcessEventsFlags flags)
{
    flags.setFlag(QEventLoop::WaitForMoreEvents, false);
    const bool hadWork = m_platformDispatcher->processEvents(flags);
    m_leftInput = flags.testFlag(QEventLoop::ExcludeUserInputEvents);
    return hadWork;
}

void WindowSystem::close()
{
    m_platformDispatcher.reset();
    m_leftInput = false;
    m_state = State::Unknown;
}
