// SPDX-License-Identifier: MIT

#include "x11user.h"

#include <QtCore/QDeadlineTimer>
#include <QtCore/QThread>

#include <xcb/xtest.h>

#include <cstdlib>
#include <memory>

namespace {

struct Free
{
    void operator()(void *reply) const { free(reply); }
};

template<typename Reply>
std::unique_ptr<Reply, Free> own(Reply *reply)
{
    if (!reply)
        qFatal("X11User: a request was not answered");
    return std::unique_ptr<Reply, Free>(reply);
}

}

X11User::X11User()
    : m_connection(xcb_connect(nullptr, nullptr))
    , m_screen(xcb_setup_roots_iterator(xcb_get_setup(m_connection)).data)
{
    if (xcb_connection_has_error(m_connection))
        qFatal("X11User: no connection");
}

X11User::~X11User()
{
    xcb_disconnect(m_connection);
}

void X11User::sync()
{
    own(xcb_get_input_focus_reply(m_connection, xcb_get_input_focus(m_connection), nullptr));
}

void X11User::fake(std::uint8_t type, std::uint8_t detail, QPoint position)
{
    xcb_test_fake_input(m_connection, type, detail, XCB_CURRENT_TIME, m_screen->root,
                        std::int16_t(position.x()), std::int16_t(position.y()), 0);
    sync();
}

void X11User::moveTo(QPoint position)
{
    fake(XCB_MOTION_NOTIFY, 0, position);
}

void X11User::press()
{
    fake(XCB_BUTTON_PRESS, XCB_BUTTON_INDEX_1);
}

void X11User::release()
{
    fake(XCB_BUTTON_RELEASE, XCB_BUTTON_INDEX_1);
}

void X11User::click(QPoint position)
{
    moveTo(position);
    press();
    release();
}

xcb_keycode_t X11User::keycode(char symbol)
{
    const xcb_setup_t *setup = xcb_get_setup(m_connection);
    const int count = setup->max_keycode - setup->min_keycode + 1;
    const auto mapping = own(xcb_get_keyboard_mapping_reply(
        m_connection,
        xcb_get_keyboard_mapping(m_connection, setup->min_keycode, std::uint8_t(count)), nullptr));
    const xcb_keysym_t *symbols = xcb_get_keyboard_mapping_keysyms(mapping.get());
    for (int i = 0; i < count; ++i) {
        // Latin-1 characters are their own key symbols.
        if (symbols[i * mapping->keysyms_per_keycode] == xcb_keysym_t(symbol))
            return xcb_keycode_t(setup->min_keycode + i);
    }
    qFatal("X11User: no key for '%c'", symbol);
}

void X11User::type(const QByteArray &lowerCase)
{
    for (char symbol : lowerCase) {
        const xcb_keycode_t key = keycode(symbol);
        fake(XCB_KEY_PRESS, key);
        fake(XCB_KEY_RELEASE, key);
    }
}

xcb_atom_t X11User::atom(const QByteArray &name)
{
    return own(xcb_intern_atom_reply(
                   m_connection,
                   xcb_intern_atom(m_connection, false, std::uint16_t(name.size()), name.constData()),
                   nullptr))
        ->atom;
}

void X11User::focus(WId window)
{
    xcb_set_input_focus(m_connection, XCB_INPUT_FOCUS_POINTER_ROOT, xcb_window_t(window),
                        XCB_CURRENT_TIME);
    sync();
}

void X11User::close(WId window)
{
    xcb_client_message_event_t message{};
    message.response_type = XCB_CLIENT_MESSAGE;
    message.format = 32;
    message.window = xcb_window_t(window);
    message.type = atom("WM_PROTOCOLS");
    message.data.data32[0] = atom("WM_DELETE_WINDOW");
    xcb_send_event(m_connection, false, message.window, XCB_EVENT_MASK_NO_EVENT,
                   reinterpret_cast<const char *>(&message));
    sync();
}

std::pair<WId, QRect> X11User::topWindow()
{
    std::pair<WId, QRect> top;
    const auto tree = own(xcb_query_tree_reply(
        m_connection, xcb_query_tree(m_connection, m_screen->root), nullptr));
    // From the bottom to the top; and any of them may be gone by now.
    for (int i = 0; i < xcb_query_tree_children_length(tree.get()); ++i) {
        const xcb_window_t window = xcb_query_tree_children(tree.get())[i];
        const std::unique_ptr<xcb_get_window_attributes_reply_t, Free> attributes(
            xcb_get_window_attributes_reply(
                m_connection, xcb_get_window_attributes(m_connection, window), nullptr));
        const std::unique_ptr<xcb_get_geometry_reply_t, Free> geometry(xcb_get_geometry_reply(
            m_connection, xcb_get_geometry(m_connection, window), nullptr));
        if (attributes && geometry && attributes->map_state == XCB_MAP_STATE_VIEWABLE)
            top = {window, QRect(geometry->x, geometry->y, geometry->width, geometry->height)};
    }
    return top;
}

void X11User::resize(WId window, QSize size)
{
    const std::uint32_t values[] = {std::uint32_t(size.width()), std::uint32_t(size.height())};
    xcb_configure_window(m_connection, xcb_window_t(window),
                         XCB_CONFIG_WINDOW_WIDTH | XCB_CONFIG_WINDOW_HEIGHT, values);
    sync();
}

QImage X11User::screenshot()
{
    const auto pixels = own(xcb_get_image_reply(
        m_connection,
        xcb_get_image(m_connection, XCB_IMAGE_FORMAT_Z_PIXMAP, m_screen->root, 0, 0,
                      m_screen->width_in_pixels, m_screen->height_in_pixels, ~0U),
        nullptr));
    const QImage image(xcb_get_image_data(pixels.get()), m_screen->width_in_pixels,
                       m_screen->height_in_pixels, QImage::Format_RGB32);
    return image.copy();
}

bool X11User::sees(const QColor &color, QPoint position)
{
    const QDeadlineTimer limit(20000);
    QColor seen;
    do {
        seen = screenshot().pixelColor(position);
        if (seen == color)
            return true;
        QThread::msleep(10);
    } while (!limit.hasExpired());
    qWarning("at %d,%d is %s", position.x(), position.y(), qPrintable(seen.name()));
    return false;
}
