// SPDX-License-Identifier: MIT

#include "windows.h"

#include "program.h"

#include <QtGui/QGuiApplication>
#include <QtGui/QPointingDevice>
#include <QtGui/QWindow>
#include <QtGui/qpa/qwindowsysteminterface_p.h>

namespace {

constexpr char UpdateDelay[] = "QT_QPA_UPDATE_IDLE_TIME"; // in milliseconds

}

class Windows::Window final : public QWindow
{
public:
    Window(const Happened &happened, int number)
        : m_happened(happened)
        , m_number(number)
    {
        setGeometry(100 * number, 0, 100, 100);
    }

    bool isUpdateRequested = false;

protected:
    bool event(QEvent *event) override
    {
        switch (event->type()) {
        case QEvent::MouseMove:
        case QEvent::KeyRelease:
            m_happened(m_number, Input, int(static_cast<QInputEvent *>(event)->timestamp()));
            return true;
        case QEvent::Expose:
            if (isExposed())
                m_happened(m_number, Exposed, 0);
            return true;
        case QEvent::UpdateRequest:
            isUpdateRequested = false;
            m_happened(m_number, Update, 0);
            return true;
        case QEvent::Close: {
            const bool isHandled = QWindow::event(event);
            isUpdateRequested = false;
            m_happened(m_number, Closed, 0);
            return isHandled;
        }
        default:
            return QWindow::event(event);
        }
    }

private:
    const Happened &m_happened;
    const int m_number;
};

Windows::Windows(Happened happened)
    : m_happened(std::move(happened))
    , m_windows(Program::WindowCount)
{
}

Windows::~Windows() = default;

bool Windows::areSupported()
{
    return true;
}

std::unique_ptr<QCoreApplication> Windows::makeApplication(int &argc, char **argv, bool quitsWithLastWindow)
{
    auto app = std::make_unique<QGuiApplication>(argc, argv);
    QGuiApplication::setQuitOnLastWindowClosed(quitsWithLastWindow);
    // The platform "offscreen" has none. Qt would make it where it is first needed, which is in the thread that queues input.
    static_cast<void>(QInputDevice::primaryKeyboard());
    static_cast<void>(QPointingDevice::primaryPointingDevice());
    return app;
}

void Windows::separateUpdates()
{
    qputenv(UpdateDelay, "39000");
}

std::chrono::milliseconds Windows::updateDelay()
{
    bool isSet = false;
    const int delay = qEnvironmentVariableIntValue(UpdateDelay, &isSet);
    return std::chrono::milliseconds(isSet ? delay : 5);
}

int Windows::queued(bool withInput)
{
    if (withInput)
        return QWindowSystemInterface::windowSystemEventsQueued();
    return QWindowSystemInterfacePrivate::windowSystemEventQueue.nonUserInputEventsQueued();
}

void Windows::show(int window)
{
    auto &shown = m_windows[std::size_t(window)];
    if (!shown)
        shown = std::make_unique<Window>(m_happened, window);
    shown->show();
}

bool Windows::isShown(int window) const
{
    const auto &shown = m_windows[std::size_t(window)];
    return shown && shown->isVisible();
}

void Windows::hide(int window)
{
    if (isShown(window))
        m_windows[std::size_t(window)]->hide();
}

void Windows::close(int window)
{
    if (isShown(window))
        m_windows[std::size_t(window)]->close();
}

void Windows::destroy(int window)
{
    m_windows[std::size_t(window)].reset();
}

bool Windows::requestUpdate(int window)
{
    Window *const updated = m_windows[std::size_t(window)].get();
    if (!updated || !updated->handle() || updated->isUpdateRequested)
        return false;
    updated->isUpdateRequested = true;
    updated->requestUpdate();
    return true;
}

void Windows::queueInput(int window, int input, bool isKey)
{
    QWindow *const receiver = m_windows[std::size_t(window)].get();
    const auto time = ulong(input);
    if (isKey) {
        QWindowSystemInterface::handleKeyEvent(receiver, time, QEvent::KeyRelease, Qt::Key_A, Qt::NoModifier);
    } else {
        // Qt drops a move to where the mouse is.
        static int moves = 0;
        const QPointF position(++moves % 97, 50);
        QWindowSystemInterface::handleMouseEvent(receiver, time, position, position + QPointF(100 * window, 0),
                                                 Qt::NoButton, Qt::NoButton, QEvent::MouseMove);
    }
}

bool Windows::isExposed(int window) const
{
    const auto &shown = m_windows[std::size_t(window)];
    return shown && shown->isExposed();
}
