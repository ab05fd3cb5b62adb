// SPDX-License-Identifier: MIT

#include "guitest.h"
#include "x11user.h"

#include <QtQml/QQmlApplicationEngine>
#include <QtQuick/QQuickWindow>

using GuiTest::waitUntil;

class tst_QuickWindow : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void paint();
    void mouse();
    void keyboard();
    void animation();
    void closeButton();
    void cleanup();

private:
    QPoint center() const { return m_window->geometry().center(); }

    X11User m_user;
    std::unique_ptr<QQmlApplicationEngine> m_engine;
    QQuickWindow *m_window = nullptr;
};

void tst_QuickWindow::init()
{
    m_engine = std::make_unique<QQmlApplicationEngine>();
    m_engine->loadData(R"(
        import QtQuick
        import QtQuick.Window
        Window {
            property int clicks: 0
            property alias text: input.text
            property bool moving: false
            property alias movedTo: moved.x
            x: 100; y: 100; width: 300; height: 200
            visible: true
            color: clicks == 0 ? "red" : "lime"
            MouseArea { anchors.fill: parent; onClicked: clicks += 1 }
            TextInput { id: input; focus: true; width: parent.width; cursorDelegate: Item {} }
            Rectangle {
                id: moved
                y: 150; width: 20; height: 20; color: "blue"
                NumberAnimation on x { running: moving; to: 200; duration: 200 }
            }
        })");
    QCOMPARE(m_engine->rootObjects().size(), 1);
    m_window = qobject_cast<QQuickWindow *>(m_engine->rootObjects().constFirst());
    QVERIFY(m_window);
    QVERIFY(waitUntil([&] { return m_window->isExposed(); }));
}

void tst_QuickWindow::cleanup()
{
    m_engine.reset();
}

void tst_QuickWindow::paint()
{
    QTRY_COMPARE(m_user.screenshot().pixelColor(center()), QColor(Qt::red));
}

void tst_QuickWindow::mouse()
{
    m_user.click(center());
    QVERIFY(waitUntil([&] { return m_window->property("clicks").toInt() == 1; }));
    QTRY_COMPARE(m_user.screenshot().pixelColor(center()), QColor(Qt::green));
}

void tst_QuickWindow::keyboard()
{
    m_window->requestActivate();
    QVERIFY(QTest::qWaitForWindowActive(m_window));
    m_user.type("qml");
    QVERIFY(waitUntil([&] { return m_window->property("text").toString() == QLatin1String("qml"); }));
}

void tst_QuickWindow::animation()
{
    QCOMPARE(m_window->property("movedTo").toInt(), 0);
    m_window->setProperty("moving", true);
    QVERIFY(waitUntil([&] { return m_window->property("movedTo").toInt() == 200; }));
    QTRY_COMPARE(m_user.screenshot().pixelColor(m_window->geometry().topLeft() + QPoint(210, 160)),
                 QColor(Qt::blue));
}

void tst_QuickWindow::closeButton()
{
    m_user.close(m_window->winId());
    QVERIFY(waitUntil([&] { return !m_window->isVisible(); }));
}

GUI_TEST_MAIN(tst_QuickWindow)

#include "tst_quickwindow.moc"
