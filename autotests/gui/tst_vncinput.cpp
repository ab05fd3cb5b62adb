// SPDX-License-Identifier: MIT

#include "guitest.h"

#include <QtCore/QtEndian>
#include <QtNetwork/QTcpServer>
#include <QtNetwork/QTcpSocket>

using GuiTest::ColorWidget;
using GuiTest::waitUntil;

namespace {

/**
 * Someone who looks at the screen from elsewhere: a client of the protocol RFB 3.3 (RFC 6143), which is what the
 * platform plugin speaks, without encodings other than raw pixels.
 */
class VncUser
{
public:
    bool connectTo(quint16 port);
    /// Asks for the whole screen, and waits for it.
    bool look();
    QColor colorAt(QPoint position) const;
    void click(QPoint position);
    void type(const QByteArray &text);

private:
    template<typename... Numbers>
    void send(Numbers... numbers)
    {
        QByteArray message;
        (message.append(reinterpret_cast<const char *>(&numbers), sizeof numbers), ...);
        m_socket.write(message);
    }
    static quint16 wide(int number) { return qToBigEndian(quint16(number)); }
    /// The next @p size bytes, when they are there.
    bool read(qsizetype size);
    int number16(qsizetype at) const { return qFromBigEndian<quint16>(m_data.constData() + at); }

    QTcpSocket m_socket;
    QByteArray m_data;
    QSize m_size;
    QImage m_screen;
};

bool VncUser::read(qsizetype size)
{
    if (!waitUntil([&] { return m_socket.bytesAvailable() >= size; }))
        return false;
    m_data = m_socket.read(size);
    return true;
}

bool VncUser::connectTo(quint16 port)
{
    m_socket.connectToHost(QStringLiteral("127.0.0.1"), port);
    if (!read(12) || !m_data.startsWith("RFB 003.003"))
        return false;
    m_socket.write(m_data);
    if (!read(4) || m_data != QByteArray("\0\0\0\1", 4)) // no password
        return false;
    send(quint8(1)); // others may look, too
    if (!read(24))
        return false;
    m_size = QSize(number16(0), number16(2));
    if (!read(qFromBigEndian<quint32>(m_data.constData() + 20))) // its name
        return false;
    // 32 bits for a pixel, of which 24 are used; not big-endian; true color, 8 bits of each.
    send(quint8(0), quint8(0), quint16(0), quint8(32), quint8(24), quint8(0), quint8(1), wide(255), wide(255),
         wide(255), quint8(16), quint8(8), quint8(0), quint8(0), quint16(0));
    send(quint8(2), quint8(0), wide(1), quint32(0)); // raw pixels alone
    return true;
}

bool VncUser::look()
{
    m_screen = QImage(m_size, QImage::Format_RGB32);
    m_screen.fill(Qt::black);
    send(quint8(3), quint8(0), wide(0), wide(0), wide(m_size.width()), wide(m_size.height()));
    if (!read(4) || m_data.at(0) != 0)
        return false;
    for (int left = number16(2); left > 0; --left) {
        if (!read(12))
            return false;
        const QRect place(number16(0), number16(2), number16(4), number16(6));
        if (m_data.last(4) != QByteArray(4, '\0') || !QRect({}, m_size).contains(place))
            return false;
        if (!read(qsizetype(place.width()) * place.height() * 4))
            return false;
        for (int y = 0; y < place.height(); ++y) {
            const qsizetype line = qsizetype(place.width()) * 4;
            memcpy(m_screen.scanLine(place.y() + y) + place.x() * 4, m_data.constData() + y * line,
                   std::size_t(line));
        }
    }
    return true;
}

QColor VncUser::colorAt(QPoint position) const
{
    return m_screen.pixelColor(position);
}

void VncUser::click(QPoint position)
{
    for (int buttons : {0, 1, 0})
        send(quint8(5), quint8(buttons), wide(position.x()), wide(position.y()));
}

void VncUser::type(const QByteArray &text)
{
    for (char symbol : text) {
        for (int isDown : {1, 0})
            send(quint8(4), quint8(isDown), quint16(0), qToBigEndian(quint32(symbol)));
    }
}

quint16 port = 0;

}

/// A program whose screen is elsewhere.
class tst_VncInput : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void showsWindow();
    void showsRepaint();
    void mouse();
    void keyboard();

private:
    /// Looks until it is there.
    bool sees(const QColor &color);

    VncUser m_user;
    // Away from the pointer, and in the window.
    const QPoint m_place{150, 150};
};

bool tst_VncInput::sees(const QColor &color)
{
    QDeadlineTimer limit(20000);
    while (m_user.look()) {
        if (m_user.colorAt(m_place) == color)
            return true;
        if (limit.hasExpired())
            break;
    }
    return false;
}

void tst_VncInput::initTestCase()
{
    QVERIFY(m_user.connectTo(port));
}

void tst_VncInput::showsWindow()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(sees(Qt::red));
}

void tst_VncInput::showsRepaint()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(sees(Qt::red));
    window.setColor(Qt::blue);
    QVERIFY(sees(Qt::blue));
}

void tst_VncInput::mouse()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(sees(Qt::red));
    m_user.click(window.globalCenter());
    QVERIFY(waitUntil([&] { return window.releases == 1; }));
    QCOMPARE(window.presses, 1);
}

void tst_VncInput::keyboard()
{
    ColorWidget window(Qt::red);
    window.show();
    window.activateWindow();
    QVERIFY(sees(Qt::red));
    QVERIFY(waitUntil([&] { return window.isActiveWindow(); }));
    m_user.type("text");
    QVERIFY(waitUntil([&] { return window.keys == QLatin1String("text"); }));
}

int main(int argc, char **argv)
{
    {
        // The plugin wants a number; this one has just been free.
        QTcpServer server;
        if (!server.listen(QHostAddress::LocalHost))
            qFatal("no port is free");
        port = server.serverPort();
    }
    DispatcherUnderTest::install();
    DisplayServer server;
    qputenv("QT_QPA_PLATFORM", "vnc:size=800x600:port=" + QByteArray::number(port));
    QApplication app(argc, argv);
    app.setQuitOnLastWindowClosed(false);
    tst_VncInput test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_vncinput.moc"
