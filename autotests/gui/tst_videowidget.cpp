// SPDX-License-Identifier: MIT

#include "displayserver.h"
#include "guitest.h"
#include "x11user.h"

#include <QtCore/QProcess>

#include <map>
#include <memory>

/// The example video-widget, as somebody sees it who sits in front of it.
class tst_VideoWidget : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();
    void showsThePattern();
    void pauses();
    void endsWhenTheWindowIsClosed();

private:
    void start();
    bool showsPattern();
    bool isMoving();

    std::unique_ptr<X11User> m_user;
    QProcess m_program;
    QRect m_window;
};

void tst_VideoWidget::init()
{
    m_user = std::make_unique<X11User>();
    m_program.setProcessChannelMode(QProcess::MergedChannels);
}

void tst_VideoWidget::cleanup()
{
    m_program.kill();
    m_program.waitForFinished();
}

void tst_VideoWidget::start()
{
    m_program.start(QStringLiteral(VIDEO_WIDGET), QStringList());
    QVERIFY(m_program.waitForStarted());
    QTRY_VERIFY_WITH_TIMEOUT((m_window = m_user->topWindow().second).width() > 100, 30'000);
}

/// Whether each color of the test pattern covers a good part of the screen.
bool tst_VideoWidget::showsPattern()
{
    const QImage picture
        = m_user->screenshot().copy(m_window).convertToFormat(QImage::Format_RGB32);
    std::map<QRgb, int> seen;
    for (int y = 0; y < picture.height(); ++y) {
        for (int x = 0; x < picture.width(); ++x)
            ++seen[picture.pixel(x, y)];
    }
    for (const QColor color : { Qt::yellow, Qt::cyan, Qt::green, Qt::magenta, Qt::red, Qt::blue }) {
        if (seen[color.rgb()] < 5000)
            return false;
    }
    return true;
}

/// Whether the picture, which has snow in it, changes.
bool tst_VideoWidget::isMoving()
{
    const QImage before = m_user->screenshot();
    QThread::msleep(100);
    return m_user->screenshot() != before;
}

void tst_VideoWidget::showsThePattern()
{
    start();
    QTRY_VERIFY_WITH_TIMEOUT(showsPattern(), 30'000);
    QTRY_VERIFY(isMoving());
}

void tst_VideoWidget::pauses()
{
    start();
    QTRY_VERIFY_WITH_TIMEOUT(isMoving(), 30'000);
    const QPoint button = m_window.bottomLeft() + QPoint(23, -22);
    m_user->click(button);
    QTRY_VERIFY(!isMoving());
    QVERIFY(showsPattern());
    m_user->click(button);
    QTRY_VERIFY(isMoving());
}

void tst_VideoWidget::endsWhenTheWindowIsClosed()
{
    start();
    QTRY_VERIFY_WITH_TIMEOUT(isMoving(), 30'000);
    m_user->close(m_user->topWindow().first);
    QVERIFY(m_program.waitForFinished());
    QCOMPARE(m_program.exitStatus(), QProcess::NormalExit);
    QCOMPARE(m_program.exitCode(), 0);
    const QByteArray output = m_program.readAll();
    QVERIFY2(!output.contains("CRITICAL"), output);
}

int main(int argc, char **argv)
{
    qputenv("QT_NO_GLIB", "1");
    const DisplayServer server;
    // Without a window of its own, and so without a connection other than the user's.
    const QCoreApplication app(argc, argv);
    tst_VideoWidget test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_videowidget.moc"
