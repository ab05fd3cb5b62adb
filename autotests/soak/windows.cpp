// SPDX-License-Identifier: MIT

// Windows that open, paint some frames, and close.

#include "load.h"

#include <QtCore/QTimer>
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
    Windows()
    {
        m_timer.callOnTimeout([this] { begin(); });
        m_timer.start(Interval);
    }

    void stop() override { m_timer.stop(); }
    int pending() const override { return m_pending; }

private:
    void begin()
    {
        auto *const window = new Window;
        connect(window, &QObject::destroyed, this, [this] {
            ++operations;
            --m_pending;
        });
        ++m_pending;
        window->resize(100, 100);
        window->show();
    }

    QTimer m_timer;
    int m_pending = 0;
};

}

std::unique_ptr<Load> makeWindows()
{
    return std::make_unique<Windows>();
}
