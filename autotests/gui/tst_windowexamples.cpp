// SPDX-License-Identifier: MIT

#include "displayserver.h"
#include "exampleprocess.h"
#include "guitest.h"
#include "x11user.h"

#include <map>
#include <memory>

/// The examples with windows, as somebody sees them who sits in front of them.
class tst_WindowExamples : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();
    void video_data();
    void video();
    void videoWidgetPauses();
    void qmlVideoWithoutItsSource();
    void gtkBesideQt_data();
    void gtkBesideQt();

private:
    void start(const char *example, const QStringList &arguments = {});
    void endsWithItsWindow();
    bool prints(const QByteArray &text);
    bool showsPattern();
    bool isMoving();

    std::unique_ptr<X11User> m_user;
    std::unique_ptr<ExampleProcess> m_program;
    QByteArray m_output;
};

void tst_WindowExamples::init()
{
    m_user = std::make_unique<X11User>();
    m_output.clear();
}

void tst_WindowExamples::cleanup()
{
    m_program.reset();
}

void tst_WindowExamples::start(const char *example, const QStringList &arguments)
{
    m_program = std::make_unique<ExampleProcess>(QLatin1String(example), arguments);
    if (m_program->program().isEmpty())
        QSKIP("it is not built here; CMake's summary says what it needs");
    m_program->setProcessChannelMode(QProcess::MergedChannels);
    m_program->setVariable(QStringLiteral("DISPLAY"), qEnvironmentVariable("DISPLAY"));
    m_program->setVariable(QStringLiteral("GDK_BACKEND"), QStringLiteral("x11"));
    m_program->setVariable(QStringLiteral("NO_AT_BRIDGE"), QStringLiteral("1"));
    // Mesa's drivers, when they are unloaded, leave what LeakSanitizer takes for leaks.
    m_program->setVariable(QStringLiteral("GDK_GL"), QStringLiteral("disable"));
    m_program->setVariable(QStringLiteral("QT_XCB_GL_INTEGRATION"), QStringLiteral("none"));
    m_program->start();
    QVERIFY(m_program->waitForStarted());
}

#define START_EXAMPLE(...)                                                                         \
    start(__VA_ARGS__);                                                                            \
    if (QTest::currentTestFailed() || m_program->program().isEmpty())                              \
        return

void tst_WindowExamples::endsWithItsWindow()
{
    m_user->close(m_user->topWindow().first);
    QVERIFY(m_program->ends());
    m_output += m_program->readAll();
    QVERIFY2(m_program->exitCode() == 0, m_output);
    QVERIFY2(!m_output.contains("CRITICAL"), m_output);
}

bool tst_WindowExamples::prints(const QByteArray &text)
{
    m_output += m_program->readAll();
    return m_output.contains(text);
}

/// Whether each color of the test pattern covers a good part of the screen.
bool tst_WindowExamples::showsPattern()
{
    const QImage picture = m_user->screenshot().convertToFormat(QImage::Format_RGB32);
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
bool tst_WindowExamples::isMoving()
{
    const QImage before = m_user->screenshot();
    for (int looks = 0; looks < 10; ++looks) {
        QThread::msleep(100);
        if (m_user->screenshot() != before)
            return true;
    }
    return false;
}

void tst_WindowExamples::video_data()
{
    QTest::addColumn<QByteArray>("example");
    for (const char *example : {"video-widget", "qml-video"})
        QTest::newRow(example) << QByteArray(example);
}

void tst_WindowExamples::video()
{
    QFETCH(const QByteArray, example);
    START_EXAMPLE(example);
    QTRY_VERIFY_WITH_TIMEOUT(showsPattern() && isMoving(), 30'000);
    endsWithItsWindow();
}

void tst_WindowExamples::videoWidgetPauses()
{
    START_EXAMPLE("video-widget");
    QTRY_VERIFY_WITH_TIMEOUT(showsPattern() && isMoving(), 30'000);
    const QPoint button = m_user->topWindow().second.bottomLeft() + QPoint(23, -22);
    m_user->click(button);
    QTRY_VERIFY(!isMoving());
    QVERIFY(showsPattern());
    m_user->click(button);
    QTRY_VERIFY(isMoving());
}

void tst_WindowExamples::qmlVideoWithoutItsSource()
{
    START_EXAMPLE("qml-video", {QStringLiteral("filesrc location=/nonexistent")});
    QVERIFY(m_program->ends());
    const QByteArray output = m_program->readAll();
    QVERIFY2(m_program->exitCode() == EXIT_FAILURE, output);
    QVERIFY2(output.contains("Resource not found"), output);
}

void tst_WindowExamples::gtkBesideQt_data()
{
    QTest::addColumn<QStringList>("arguments");
    QTest::newRow("Qt's loop") << QStringList();
    QTest::newRow("GTK's loop") << QStringList(QStringLiteral("gtk"));
}

void tst_WindowExamples::gtkBesideQt()
{
    QFETCH(const QStringList, arguments);
    START_EXAMPLE("gtk-example", arguments);
    // Until they are there: where the windows are without a window manager.
    QTRY_VERIFY_WITH_TIMEOUT((m_user->click({150, 100}), prints("clicked in GTK: 1\n")), 30'000);
    QTRY_VERIFY_WITH_TIMEOUT((m_user->click({470, 100}), prints("clicked in Qt: 1\n")), 30'000);
    endsWithItsWindow();
    QVERIFY2(m_output.endsWith("end\n"), m_output);
}

int main(int argc, char **argv)
{
    qputenv("QT_NO_GLIB", "1");
    const DisplayServer server;
    // Without a window of its own, and so without a connection other than the user's.
    const QCoreApplication app(argc, argv);
    tst_WindowExamples test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_windowexamples.moc"
