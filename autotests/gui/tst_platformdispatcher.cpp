// SPDX-License-Identifier: MIT

#include "guitest.h"
#include "windowsystemplugin.h"

#include <QtCore/QPluginLoader>

#include <unistd.h>

/// What the window-system plugin asks of the platform, and what it leaves as it is.
class tst_PlatformDispatcher : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void isWithoutGLib_data();
    void isWithoutGLib();

private:
    static QList<char *> variables();
};

/// The environment as the C library has it.
QList<char *> tst_PlatformDispatcher::variables()
{
    QList<char *> all;
    for (char **variable = environ; *variable; ++variable)
        all.append(*variable);
    return all;
}

void tst_PlatformDispatcher::isWithoutGLib_data()
{
    QTest::addColumn<QByteArray>("setting");

    QTest::newRow("unset") << QByteArray();
    QTest::newRow("empty, which Qt takes for unset") << QByteArray("");
    QTest::newRow("set") << QByteArray("yes");
}

/// Not a variable changes its place, as another thread may be reading them.
void tst_PlatformDispatcher::isWithoutGLib()
{
    QFETCH(QByteArray, setting);
    if (setting.isNull())
        qunsetenv("QT_NO_GLIB");
    else
        qputenv("QT_NO_GLIB", setting);
    QPluginLoader loader(QStringLiteral(WINDOWSYSTEM_PLUGIN));
    auto *plugin = qobject_cast<WindowSystemPlugin *>(loader.instance());
    QVERIFY2(plugin, qPrintable(loader.errorString()));

    char **const before = environ;
    const QList<char *> variablesBefore = variables();
    const std::unique_ptr<QAbstractEventDispatcher> dispatcher(plugin->createEventDispatcher());
    QCOMPARE(environ, before);
    QCOMPARE(variables(), variablesBefore);
    QCOMPARE(qEnvironmentVariableIsSet("QT_NO_GLIB"), !setting.isNull());
    QVERIFY(dispatcher);
    QVERIFY2(!dispatcher->inherits("QEventDispatcherGlib"), dispatcher->metaObject()->className());
}

GUI_TEST_MAIN(tst_PlatformDispatcher)

#include "tst_platformdispatcher.moc"
