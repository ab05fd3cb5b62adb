// SPDX-License-Identifier: MIT

#include <GLibEventDispatcher>

#include <QtCore/QTimer>
#include <QtGui/QGuiApplication>
#include <QtGui/QRasterWindow>

#include <cstdio>

namespace {

class Window : public QRasterWindow
{
protected:
    void paintEvent(QPaintEvent *) override
    {
        puts("painted");
        // Later: it closes the window, which is being painted.
        QTimer::singleShot(0, qApp, &QCoreApplication::quit);
    }
};

}

/// Says "painted" when its window is, and ends; or ends without a word if it is not.
int main(int argc, char **argv)
{
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    if (argc > 1 && qstrcmp(argv[1], "--no-windows") == 0) {
        QCoreApplication app(argc, argv);
        QTimer::singleShot(0, &app, &QCoreApplication::quit);
        return app.exec();
    }
    QGuiApplication app(argc, argv);
    Window window;
    window.show();
    // Long for a window that gets events, short for one that gets none.
    QTimer::singleShot(argc > 1 ? 500 : 30000, &app, &QCoreApplication::quit);
    return app.exec();
}
