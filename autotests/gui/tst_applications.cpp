// SPDX-License-Identifier: MIT

#include "guitest.h"

#include <GLibEventDispatcher>

using GuiTest::ColorWidget;
using GuiTest::waitUntil;

/// Applications that come and go while the dispatcher, the platform and the process outlive one another.
class tst_Applications : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void oneAfterAnother();
    void afterOneWithoutWindows();
    void dispatcherOutlivesApplication();
    void eventsWhileApplicationEnds();
    void companionInstallsNothing();

private:
    void paint();

    int m_argc = 1;
    char m_name[5] = "test";
    char *m_argv[2] = {m_name, nullptr};
};

void tst_Applications::paint()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(waitUntil([&] { return window.paints > 0; }));
}

void tst_Applications::oneAfterAnother()
{
    for (int i = 0; i < 3; ++i) {
        QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
        QApplication app(m_argc, m_argv);
        QVERIFY(qobject_cast<GLibEventDispatcher *>(QAbstractEventDispatcher::instance()));
        paint();
    }
}

void tst_Applications::afterOneWithoutWindows()
{
    QObject owner;
    auto *dispatcher = new GLibEventDispatcher(&owner);
    {
        QCoreApplication::setEventDispatcher(dispatcher);
        QCoreApplication app(m_argc, m_argv);
        QTimer::singleShot(0, &app, &QCoreApplication::quit);
        QCOMPARE(app.exec(), 0);
    }
    QCoreApplication::setEventDispatcher(dispatcher);
    QApplication app(m_argc, m_argv);
    paint();
}

void tst_Applications::dispatcherOutlivesApplication()
{
    QObject owner;
    auto *dispatcher = new GLibEventDispatcher(&owner);
    const QByteArray platform = qgetenv("QT_QPA_PLATFORM");
    // One platform's companion would be of no use on the other.
    for (const QByteArray &used : {platform, QByteArray("minimal"), platform}) {
        qputenv("QT_QPA_PLATFORM", used);
        QCoreApplication::setEventDispatcher(dispatcher);
        QApplication app(m_argc, m_argv);
        QCOMPARE(app.platformName().toLatin1(), used);
        paint();
    }
}

void tst_Applications::eventsWhileApplicationEnds()
{
    static int calls = 0;
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    {
        QApplication app(m_argc, m_argv);
        paint();
        qAddPostRoutine([] {
            QCoreApplication::processEvents();
            ++calls;
        });
        connect(&app, &QObject::destroyed, &app, [] { ++calls; });
    }
    QCOMPARE(calls, 2);
}

void tst_Applications::companionInstallsNothing()
{
    qunsetenv("QT_NO_GLIB");
    auto *dispatcher = new GLibEventDispatcher;
    QCoreApplication::setEventDispatcher(dispatcher);
    QApplication app(m_argc, m_argv);
    paint();
    QCOMPARE(QAbstractEventDispatcher::instance(), dispatcher);
    QVERIFY(!qEnvironmentVariableIsSet("QT_NO_GLIB"));
    qputenv("QT_NO_GLIB", "1");
}

int main(int argc, char **argv)
{
    qputenv("QT_NO_GLIB", "1");
    DisplayServer server;
    tst_Applications test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_applications.moc"
