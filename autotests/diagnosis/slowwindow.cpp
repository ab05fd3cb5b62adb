// SPDX-License-Identifier: MIT

// A window whose first handler of QEvent::Expose takes as many milliseconds as the argument says.

#include <GLibEventDispatcher>

#include <QtGui/QGuiApplication>
#include <QtGui/QWindow>

#include <chrono>
#include <cstdlib>

namespace {

class Window : public QWindow
{
public:
    explicit Window(std::chrono::milliseconds duration)
        : m_duration(duration)
    {
        setObjectName(QStringLiteral("slow window"));
    }

protected:
    void exposeEvent(QExposeEvent *) override
    {
        const auto end = std::chrono::steady_clock::now() + m_duration;
        while (std::chrono::steady_clock::now() < end) { }
        QCoreApplication::quit();
    }

private:
    const std::chrono::milliseconds m_duration;
};

}

int main(int argc, char **argv)
{
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    const QGuiApplication app(argc, argv);
    Window window(std::chrono::milliseconds(argc > 1 ? std::atoi(argv[1]) : 0));
    window.show();
    return QGuiApplication::exec();
}
