// SPDX-License-Identifier: MIT

// Windows that open, paint some frames, and close.

#include "load.h"

#include <QtGui/QPainter>
#include <QtGui/QRasterWindow>

using namespace std::chrono_literals;

namespace {

constexpr auto Interval = 100ms;
constexpr int Frames = 10;

class Window : public QRasterWindow
{
public:
    int frames = 0;

protected:
    void paintEvent(QPaintEvent *) override
    {
        QPainter(this).fillRect(0, 0, width(), height(), Qt::white);
        if (++frames == Frames)
            QMetaObject::invokeMethod(this, &QWindow::close, Qt::QueuedConnection);
        else
            update();
    }

    bool event(QEvent *event) override
    {
        if (event->type() == QEvent::Close)
            deleteLater();
        return QRasterWindow::event(event);
    }
};

class Windows : public Load
{
public:
    Windows() { repeat(Interval, [this] { work(); }); }

private:
    void work()
    {
        auto *const window = new Window;
        connect(window, &QObject::destroyed, this, [this] { end(); });
        begin();
        window->resize(100, 100);
        window->show();
    }
};

}

std::unique_ptr<Load> makeWindows()
{
    return std::make_unique<Windows>();
}
