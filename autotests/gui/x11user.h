// SPDX-License-Identifier: MIT

#ifndef X11USER_H
#define X11USER_H

#include <QtCore/QPoint>
#include <QtCore/QRect>
#include <QtGui/QImage>
#include <QtGui/qwindowdefs.h>

#include <xcb/xcb.h>

#include <utility>

/**
 * Someone at the X server's mouse and keyboard, who looks at the screen.
 *
 * It has a connection of its own: what it does reaches the program under test through the server, as it
 * does in life. When a function returns, the server has done it; the program may not have heard yet.
 */
class X11User
{
public:
    X11User();
    ~X11User();
    X11User(const X11User &) = delete;
    X11User &operator=(const X11User &) = delete;

    void moveTo(QPoint position);
    void press();
    void release();
    void click(QPoint position);
    void type(const QByteArray &lowerCase);
    /// Has the keys go to this window, as a window manager does.
    void focus(WId window);
    /// As the close button of a window manager does it.
    void close(WId window);
    /// The window of some program that is on top of all others, and where it is.
    std::pair<WId, QRect> topWindow();
    void resize(WId window, QSize size);

    QImage screenshot();
    /// Looks until @p color is at @p position, without running an event loop.
    bool sees(const QColor &color, QPoint position);

private:
    void fake(std::uint8_t type, std::uint8_t detail, QPoint position = {});
    xcb_keycode_t keycode(char symbol);
    xcb_atom_t atom(const QByteArray &name);
    void sync();

    xcb_connection_t *m_connection;
    const xcb_screen_t *m_screen;
};

#endif
