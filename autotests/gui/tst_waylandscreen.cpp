// SPDX-License-Identifier: MIT

#include "guitest.h"

#include <QtCore/QDir>
#include <QtCore/QProcess>
#include <QtCore/QStandardPaths>

using GuiTest::ColorWidget;
using GuiTest::waitUntil;

class tst_WaylandScreen : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void showsWindow();
    void showsRepaint();

private:
    /// How many pixels of the screen have this colour.
    static int count(const QColor &color);
};

void tst_WaylandScreen::initTestCase()
{
    if (QStandardPaths::findExecutable(QStringLiteral("weston-screenshooter")).isEmpty())
        QSKIP("needs weston-screenshooter (Debian: weston)");
}

int tst_WaylandScreen::count(const QColor &color)
{
    QTemporaryDir folder;
    QProcess camera;
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    environment.insert(QStringLiteral("XDG_PICTURES_DIR"), folder.path());
    camera.setProcessEnvironment(environment);
    camera.setWorkingDirectory(folder.path());
    camera.start(QStringLiteral("weston-screenshooter"), QStringList());
    if (!waitUntil([&] { return camera.state() == QProcess::NotRunning; }))
        return -1;
    const QStringList pictures = QDir(folder.path()).entryList({QStringLiteral("*.png")});
    if (pictures.size() != 1)
        return -1;
    const QImage picture(folder.filePath(pictures.constFirst()));
    int found = 0;
    for (int y = 0; y < picture.height(); ++y) {
        for (int x = 0; x < picture.width(); ++x)
            found += picture.pixelColor(x, y) == color;
    }
    return found;
}

void tst_WaylandScreen::showsWindow()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(waitUntil([&] { return window.paints > 0; }));
    QTRY_COMPARE_WITH_TIMEOUT(count(Qt::red), window.width() * window.height(), 20000);
}

void tst_WaylandScreen::showsRepaint()
{
    ColorWidget window(Qt::red);
    window.show();
    QVERIFY(waitUntil([&] { return window.paints > 0; }));
    const int before = window.paints;
    window.setColor(Qt::blue);
    QVERIFY(waitUntil([&] { return window.paints > before; }));
    QTRY_COMPARE_WITH_TIMEOUT(count(Qt::blue), window.width() * window.height(), 20000);
}

GUI_TEST_MAIN(tst_WaylandScreen)

#include "tst_waylandscreen.moc"
