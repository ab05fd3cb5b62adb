// SPDX-License-Identifier: MIT

#ifdef SETS_THE_DISPATCHER
#    include <GLibEventDispatcher>
#endif

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QTimer>
#include <QtGui/QGuiApplication>
#include <QtGui/QRasterWindow>

#include <cstdio>

#include <dlfcn.h>

namespace {

void print(const char *what)
{
    std::printf("%s with %s\n", what, QAbstractEventDispatcher::instance()->metaObject()->className());
}

class Window : public QRasterWindow
{
protected:
    void paintEvent(QPaintEvent *) override
    {
        print("painted");
        // Later: it closes the window, which is being painted.
        QTimer::singleShot(0, qApp, &QCoreApplication::quit);
    }
};

}

/// Says "painted with" which dispatcher when its window is, and ends; or ends without a word if it is not.
int main(int argc, char **argv)
{
#ifdef SETS_THE_DISPATCHER
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
#endif
    const QByteArray option(argc > 1 ? argv[1] : "");
    if (option == "--no-windows") {
        QCoreApplication app(argc, argv);
        QTimer::singleShot(0, &app, [] {
            print("ran");
            QCoreApplication::quit();
        });
        return app.exec();
    }
    if (option == "--load" && !dlopen(argv[2], RTLD_NOW))
        std::printf("%s\n", dlerror());
    QGuiApplication app(argc, argv);
    Window window;
    window.show();
    // Long for a window that gets events, short for one that gets none.
    QTimer::singleShot(option == "--briefly" ? 500 : 30000, &app, &QCoreApplication::quit);
    return app.exec();
}
