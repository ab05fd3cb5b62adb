// SPDX-License-Identifier: MIT

#include "guitest.h"
#include "run.h"
#include "x11user.h"

#include <QtCore/QLibraryInfo>
#include <QtCore/QStandardPaths>

#include <memory>

namespace {

constexpr int Limit = 30'000;

// Each asks for the focus, as no window manager gives it one, and shows with its color when it has it.
constexpr char InputScene[] = R"(
    import QtQuick
    import QtQuick.Window
    Window {
        property string typed
        property int clicks: 0
        x: 100; y: 100; width: 300; height: 200
        visible: true
        color: !active ? "white" : typed !== "glib" ? "red" : clicks === 0 ? "yellow" : "lime"
        Component.onCompleted: requestActivate()
        Item { focus: true; Keys.onPressed: (event) => typed += event.text }
        MouseArea { anchors.fill: parent; onClicked: clicks += 1 }
        Rectangle {
            y: 180; width: 20; height: 20; color: "blue"
            NumberAnimation on x { running: clicks > 0; to: 280; duration: 300 }
        }
    })";

// With QT_QUICK_BACKEND=software not every Qt paints a VideoOutput, so the bar tells that frames come.
constexpr char VideoScene[] = R"(
    import QtQuick
    import QtQuick.Window
    import QtMultimedia
    Window {
        property int frames: 0
        x: 100; y: 100; width: 300; height: 200
        visible: true
        color: !active ? "white" : player.mediaStatus !== MediaPlayer.EndOfMedia ? "red" : "lime"
        Component.onCompleted: { requestActivate(); player.play() }
        MediaPlayer { id: player; source: "video.ogv"; videoOutput: output }
        VideoOutput { id: output; width: 80; height: 60 }
        Connections { target: output.videoSink; function onVideoFrameChanged() { frames += 1 } }
        Rectangle { y: 180; width: parent.width; height: 20; color: frames < 2 ? "black" : "blue" }
        Shortcut { sequence: "Q"; onActivated: Qt.quit() }
    })";

QString programOfQt(const QString &name)
{
    return QStandardPaths::findExecutable(name, {QLibraryInfo::path(QLibraryInfo::BinariesPath)});
}

bool hasModule(const QString &folder)
{
    return QFile::exists(QLibraryInfo::path(QLibraryInfo::QmlImportsPath) + u'/' + folder
                         + QStringLiteral("/qmldir"));
}

/// Whether it is of the blue that the style Fusion gives what is selected.
bool isHighlight(const QColor &color)
{
    return color.hslHue() > 190 && color.hslHue() < 220 && color.hslSaturation() > 100;
}

}

/// Programs as a distribution has them, with the dispatcher put in, and somebody who uses them.
class tst_Programs : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();
    void designer_data() { dispatchers(); }
    void designer();
    void qml_data() { dispatchers(); }
    void qml();
    void multimedia_data() { dispatchers(); }
    void multimedia();

private:
    static void dispatchers();
    QString file(const QString &name) const { return m_folder->filePath(name); }
    QProcessEnvironment environmentInFolder() const;
    void start(const QString &program, const QStringList &arguments, bool withDispatcher = true);
    void startScene(const QString &program, const char *scene, bool withDispatcher = true);
    void hasEnded();
    bool saysGLib();
    QColor colorAt(QPoint position) { return m_user.screenshot().pixelColor(position); }
    int selectedRow();
    bool showsProperties();

    X11User m_user;
    std::unique_ptr<QTemporaryDir> m_folder;
    std::unique_ptr<QProcess> m_program;
    QByteArray m_output;
    QRect m_window;
};

/// That windows and input do without the dispatcher, and GLib's sources do not, is what shows that a tick
/// comes from the dispatcher.
void tst_Programs::dispatchers()
{
    QTest::addColumn<bool>("withDispatcher");

    QTest::newRow("with the dispatcher") << true;
    QTest::newRow("turned off") << false;
}

void tst_Programs::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    QVERIFY(m_folder->isValid());
    m_program = std::make_unique<QProcess>();
    m_program->setProcessChannelMode(QProcess::MergedChannels);
    m_output.clear();
    // The windows of the program before, if it had to be killed.
    QTRY_COMPARE_WITH_TIMEOUT(m_user.topWindow().first, WId(0), Limit);
}

void tst_Programs::cleanup()
{
    if (QTest::currentTestFailed())
        qInfo("it has said: %s", (m_output += m_program->readAll()).constData());
    m_program->kill();
    m_program->waitForFinished();
}

/// In which nobody's settings are found or changed, and programs look alike everywhere.
QProcessEnvironment tst_Programs::environmentInFolder() const
{
    QProcessEnvironment variables
        = environment({{QStringLiteral("QT_QPA_PLATFORMTHEME"), QStringLiteral("generic")},
                       {QStringLiteral("QT_STYLE_OVERRIDE"), QStringLiteral("Fusion")},
                       {QStringLiteral("QT_MEDIA_BACKEND"), QStringLiteral("gstreamer")}});
    for (const char *name : {"HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"})
        variables.insert(QLatin1String(name), m_folder->path());
    return variables;
}

void tst_Programs::start(const QString &program, const QStringList &arguments, bool withDispatcher)
{
    QProcessEnvironment variables = environmentInFolder();
    // The launcher puts the dispatcher's module in front of them.
    variables.insert(QStringLiteral("LD_PRELOAD"), QStringLiteral(GLIB_TICKS " " BUS_PROBE));
    if (!withDispatcher)
        variables.insert(QStringLiteral("GLIBEVENTDISPATCHER"), QStringLiteral("off"));
    m_program->setProcessEnvironment(variables);
    m_program->start(QStringLiteral(LAUNCHER), QStringList {program} + arguments);
    QVERIFY(m_program->waitForStarted());
    QTRY_VERIFY_WITH_TIMEOUT((m_window = m_user.topWindow().second).width() > 100, Limit);
    if (withDispatcher)
        QVERIFY(QTest::qWaitFor([&] { return saysGLib(); }, Limit));
}

void tst_Programs::startScene(const QString &program, const char *scene, bool withDispatcher)
{
    QFile qml(file(QStringLiteral("scene.qml")));
    QVERIFY(qml.open(QIODevice::WriteOnly));
    qml.write(scene);
    qml.close();
    start(program, {qml.fileName()}, withDispatcher);
}

void tst_Programs::hasEnded()
{
    QVERIFY(m_program->state() == QProcess::NotRunning || m_program->waitForFinished(Limit));
    QCOMPARE(m_program->exitStatus(), QProcess::NormalExit);
    QCOMPARE(m_program->exitCode(), 0);
    m_output += m_program->readAll();
    for (const char *complaint : {"GLibEventDispatcher", "CRITICAL"})
        QVERIFY2(!m_output.contains(complaint), m_output);
}

/// Whether a timeout of GLib's has been dispatched there.
bool tst_Programs::saysGLib()
{
    return (m_output += m_program->readAll()).contains("glib\n");
}

/// Where on the screen something wide is selected, or -1.
int tst_Programs::selectedRow()
{
    const QImage picture = m_user.screenshot();
    for (int y = 0; y < picture.height(); ++y) {
        int count = 0;
        for (int x = 0; x < picture.width(); ++x)
            count += isHighlight(picture.pixelColor(x, y));
        if (count > 120)
            return y;
    }
    return -1;
}

/// Whether Designer's property editor has its rows, which are of a light yellow.
bool tst_Programs::showsProperties()
{
    const QImage picture = m_user.screenshot();
    int count = 0;
    for (int y = 0; y < picture.height(); ++y) {
        for (int x = 0; x < picture.width(); ++x) {
            const QColor color = picture.pixelColor(x, y);
            count += color.red() > 240 && color.green() > 220 && color.blue() < 230;
        }
    }
    return count > 4000;
}

/// Makes a form of another kind than the one that its first dialog offers.
void tst_Programs::designer()
{
    QFETCH(bool, withDispatcher);
    const QString program = programOfQt(QStringLiteral("designer"));
    if (program.isEmpty())
        QSKIP("Qt Designer is not installed (Debian: designer-qt6)");
    start(program, {}, withDispatcher);
    if (QTest::currentTestFailed())
        return;

    int offered = -1;
    QTRY_VERIFY_WITH_TIMEOUT((offered = selectedRow()) > 0, Limit);
    QVERIFY(!showsProperties());
    const auto [dialog, place] = m_user.topWindow();
    // Without a window manager the keys go to the window below the pointer.
    m_user.moveTo(place.center());
    m_user.type("widget");
    QTRY_VERIFY_WITH_TIMEOUT(selectedRow() > offered, Limit);

    const QPoint create = place.bottomRight() - QPoint(311, 22);
    m_user.click(create);
    QTRY_VERIFY_WITH_TIMEOUT(showsProperties(), Limit);
    QTRY_VERIFY_WITH_TIMEOUT(m_user.topWindow().first != dialog, Limit);

    m_user.close(m_user.topWindow().first);
    hasEnded();
    QCOMPARE(saysGLib(), withDispatcher);
}

void tst_Programs::qml()
{
    QFETCH(bool, withDispatcher);
    const QString program = programOfQt(QStringLiteral("qml"));
    if (program.isEmpty())
        QSKIP("the QML runtime is not installed (Debian: qml-qt6)");
    if (!hasModule(QStringLiteral("QtQuick/Window")))
        QSKIP("Qt Quick is not installed (Debian: qml6-module-qtquick-window)");
    startScene(program, InputScene, withDispatcher);
    if (QTest::currentTestFailed())
        return;

    const QPoint center = m_window.center();
    const QPoint leftEnd = m_window.bottomLeft() + QPoint(10, -10);
    const QPoint rightEnd = m_window.bottomRight() - QPoint(10, 10);
    QTRY_COMPARE_WITH_TIMEOUT(colorAt(center), QColor(Qt::red), Limit);
    QTRY_COMPARE(colorAt(leftEnd), QColor(Qt::blue));
    m_user.type("glib");
    QTRY_COMPARE_WITH_TIMEOUT(colorAt(center), QColor(Qt::yellow), Limit);
    m_user.click(center);
    QTRY_COMPARE_WITH_TIMEOUT(colorAt(center), QColor(Qt::green), Limit);
    QTRY_COMPARE_WITH_TIMEOUT(colorAt(rightEnd), QColor(Qt::blue), Limit);
    QTRY_COMPARE(colorAt(leftEnd), QColor(Qt::green));

    m_user.close(m_user.topWindow().first);
    hasEnded();
    QCOMPARE(saysGLib(), withDispatcher);
}

/// Plays a video to its end, without sound as there may be no device for it. Where Qt Multimedia does not think that
/// GLib is served, a timer polls the bus, which runs the context.
void tst_Programs::multimedia()
{
    QFETCH(bool, withDispatcher);
    const QString program = programOfQt(QStringLiteral("qml"));
    if (program.isEmpty())
        QSKIP("the QML runtime is not installed (Debian: qml-qt6)");
    if (!hasModule(QStringLiteral("QtQuick/Window")) || !hasModule(QStringLiteral("QtMultimedia")))
        QSKIP("Qt Multimedia is not installed for QML (Debian: qml6-module-qtmultimedia)");
    if (!QFile::exists(QLibraryInfo::path(QLibraryInfo::PluginsPath)
                       + QStringLiteral("/multimedia/libgstreamermediaplugin.so")))
        QSKIP("Qt Multimedia has no plugin for GStreamer (Debian: libqt6multimedia6)");
    const QString pipeline = QStringLiteral(
        "videotestsrc num-buffers=30 ! video/x-raw,width=160,height=120,framerate=30/1 ! theoraenc ! "
        "oggmux ! filesink location=");
    const QStringList words = (pipeline + file(QStringLiteral("video.ogv"))).split(u' ');
    const Result made = run(QStringLiteral("gst-launch-1.0"), words, environmentInFolder());
    if (made.status != 0)
        QSKIP("no video can be made (Debian: gstreamer1.0-tools, gstreamer1.0-plugins-base)");
    startScene(program, VideoScene, withDispatcher);
    if (QTest::currentTestFailed())
        return;

    QTRY_COMPARE_WITH_TIMEOUT(colorAt(m_window.center()), QColor(Qt::green), Limit);
    QTRY_COMPARE_WITH_TIMEOUT(colorAt(m_window.bottomRight() - QPoint(10, 10)), QColor(Qt::blue), Limit);
    QFile maps(QStringLiteral("/proc/%1/maps").arg(m_program->processId()));
    QVERIFY(maps.open(QIODevice::ReadOnly));
    const QByteArray loaded = maps.readAll();
    QVERIFY2(loaded.contains("libgstplayback"), "it was not GStreamer that played it");
    QCOMPARE(loaded.contains("libGLibEventDispatcher.so"), withDispatcher);

    m_user.type("q");
    hasEnded();
    if (withDispatcher)
        QVERIFY2(!m_output.contains("bus polled"), m_output);
#if QT_VERSION < QT_VERSION_CHECK(6, 8, 0)
    QCOMPARE(m_output.contains("bus watched"), withDispatcher);
    QCOMPARE(m_output.contains("bus polled"), !withDispatcher);
#endif
}

int main(int argc, char **argv)
{
    const DisplayServer server;
    // Without a window of its own, and so without a connection other than the user's.
    const QCoreApplication app(argc, argv);
    tst_Programs test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_programs.moc"
