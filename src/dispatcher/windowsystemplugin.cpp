// SPDX-License-Identifier: MIT

#include "windowsystemplugin.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QDir>
#include <QtCore/QFileInfo>
#include <QtCore/QJsonObject>
#include <QtCore/QLibraryInfo>
#include <QtCore/QPluginLoader>
#include <QtCore/QVersionNumber>

#include <dlfcn.h>

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

/// Whether a plugin with that @p metaData was tried with the Qt at hand. Qt's loader accepts whatever was built
/// for an older minor version; what this plugin uses of Qt Gui may move with each.
bool fits(const QJsonObject &metaData)
{
    const auto minorVersionOf = [&metaData](const char *key) {
        return minorVersion(QVersionNumber::fromString(metaData.value(QLatin1String(key)).toString()));
    };
    const QVersionNumber qt = minorVersion(QLibraryInfo::version());
    return minorVersionOf("QtVersion") <= qt && qt <= minorVersionOf("NewestQt");
}

/// The plugin in the file called @p path; nullptr, and the reason added to @p problems, if it is of no use.
WindowSystemPlugin *load(const QString &path, QStringList *problems)
{
    QPluginLoader loader(path);
    const QJsonObject metaData = loader.metaData().value(QLatin1String("MetaData")).toObject();
    if (!metaData.isEmpty() && !fits(metaData)) {
        problems->append(QStringLiteral("%1 is for Qt %2 to %3")
                             .arg(path, metaData.value(QLatin1String("QtVersion")).toString(),
                                  metaData.value(QLatin1String("NewestQt")).toString()));
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

}

WindowSystemPlugin *loadWindowSystemPlugin(QString *problem)
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
    const QString reasons = problems.join(QLatin1String("; "));
    *problem = QStringLiteral("no %1 for Qt %2 was found in %3%4. It is built as a part of GLibEventDispatcher "
                              "where the development files and the private headers of Qt Gui are installed "
                              "(Debian: qt6-base-private-dev, libegl-dev).")
                   .arg(FileName, minorVersion(QLibraryInfo::version()).toString(),
                        places.join(QLatin1String(", ")),
                        reasons.isEmpty() ? reasons : QLatin1String(": ") + reasons);
    return nullptr;
}
