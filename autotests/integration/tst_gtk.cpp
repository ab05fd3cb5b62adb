// SPDX-License-Identifier: MIT

// Built once against GTK 3 and once against GTK 4.

#include "countdown.h"
#include "dispatcherundertest.h"
#include "glibloop.h"

#include <gtk/gtk.h>

#include <QtCore/QProcess>
#include <QtCore/QStandardPaths>

#include <functional>

namespace {

struct Counters
{
    static void onMap(GtkWidget *, gpointer data) { ++static_cast<Counters *>(data)->mapped; }

    static void onDraw(GtkDrawingArea *, cairo_t *cairo, int width, int height, gpointer data)
    {
        auto self = static_cast<Counters *>(data);
        cairo_set_source_rgb(cairo, 0.2, 0.6, 0.2);
        cairo_rectangle(cairo, 0, 0, width, height);
        cairo_fill(cairo);
        ++self->drawn;
        self->inOwnThread &= QThread::currentThread() == qApp->thread();
        if (self->onDrawn)
            self->onDrawn();
    }

    static void onClicked(GtkButton *, gpointer data)
    {
        auto self = static_cast<Counters *>(data);
        ++self->clicked;
        if (self->onClick)
            self->onClick();
    }

    int mapped = 0;
    int drawn = 0;
    int clicked = 0;
    bool inOwnThread = true;
    std::function<void()> onDrawn;
    std::function<void()> onClick;
};

// What the two versions of GTK do not share.
#if GTK_MAJOR_VERSION == 3

bool initGtk()
{
    return gtk_init_check(nullptr, nullptr);
}

GtkWidget *newWindow()
{
    return gtk_window_new(GTK_WINDOW_TOPLEVEL);
}

void setChild(GtkWidget *window, GtkWidget *child)
{
    gtk_container_add(GTK_CONTAINER(window), child);
}

void show(GtkWidget *window)
{
    gtk_widget_show_all(window);
}

void destroy(GtkWidget *window)
{
    gtk_widget_destroy(window);
}

gboolean onDraw3(GtkWidget *area, cairo_t *cairo, gpointer data)
{
    Counters::onDraw(GTK_DRAWING_AREA(area), cairo, gtk_widget_get_allocated_width(area),
                     gtk_widget_get_allocated_height(area), data);
    return true;
}

void setDrawFunction(GtkWidget *area, Counters *counters)
{
    g_signal_connect(area, "draw", G_CALLBACK(onDraw3), counters);
}

#else

bool initGtk()
{
    return gtk_init_check();
}

GtkWidget *newWindow()
{
    return gtk_window_new();
}

void setChild(GtkWidget *window, GtkWidget *child)
{
    gtk_window_set_child(GTK_WINDOW(window), child);
}

void show(GtkWidget *window)
{
    gtk_window_present(GTK_WINDOW(window));
}

void destroy(GtkWidget *window)
{
    gtk_window_destroy(GTK_WINDOW(window));
}

void setDrawFunction(GtkWidget *area, Counters *counters)
{
    gtk_drawing_area_set_draw_func(GTK_DRAWING_AREA(area), &Counters::onDraw, counters, nullptr);
}

#endif

/// A window with something drawn in it.
class Window
{
public:
    explicit Window(Counters *counters) : m_window(newWindow()), m_area(gtk_drawing_area_new())
    {
        gtk_window_set_default_size(GTK_WINDOW(m_window), 200, 100);
        g_signal_connect(m_window, "map", G_CALLBACK(&Counters::onMap), counters);
        setDrawFunction(m_area, counters);
        setChild(m_window, m_area);
        show(m_window);
    }

    ~Window() { destroy(m_window); }

    Window(const Window &) = delete;
    Window &operator=(const Window &) = delete;

    void redraw() { gtk_widget_queue_draw(m_area); }
    GtkWindow *window() const { return GTK_WINDOW(m_window); }

private:
    GtkWidget *m_window;
    GtkWidget *m_area;
};

}

class tst_Gtk : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void cleanupTestCase();

    void windowBesideATimer();
    void glibLoopOutside();
    void modalDialogInASlot();
    void eventLoopInAHandler();

private:
    QProcess m_server;
};

void tst_Gtk::initTestCase()
{
    // An X server of the test's own, so that it neither needs nor disturbs anybody's desktop.
    const QString program = QStandardPaths::findExecutable(QStringLiteral("Xvfb"));
    if (program.isEmpty())
        QSKIP("Xvfb is not installed: GTK needs an X server for its windows");
    QByteArray display;
    Countdown ready(1);
    connect(&m_server, &QProcess::readyReadStandardOutput, this, [&] {
        display += m_server.readAllStandardOutput();
        if (display.endsWith('\n'))
            ready.step();
    });
    m_server.start(program,
                   {QStringLiteral("-displayfd"), QStringLiteral("1"), QStringLiteral("-screen"),
                    QStringLiteral("0"), QStringLiteral("640x480x24"), QStringLiteral("-nolisten"),
                    QStringLiteral("tcp")});
    QVERIFY2(ready.wait(), m_server.readAllStandardError().constData());
    qputenv("DISPLAY", ':' + display.trimmed());
    qputenv("GDK_BACKEND", "x11");
    // Neither a graphics driver nor a session bus is what is tested here.
    qputenv("GSK_RENDERER", "cairo");
    qputenv("GDK_GL", "disable"); // GTK 3
    qputenv("GDK_DEBUG", "gl-disable"); // GTK 4
    qputenv("GDK_DISABLE", "gl,vulkan"); // GTK 4.16 and later
    qputenv("GTK_A11Y", "none");
    qputenv("NO_AT_BRIDGE", "1");
    qputenv("GSETTINGS_BACKEND", "memory");
    qputenv("DBUS_SESSION_BUS_ADDRESS", "disabled:");
    QVERIFY(initGtk());
}

void tst_Gtk::cleanupTestCase()
{
    if (m_server.state() == QProcess::NotRunning)
        return;
    // GDK ends the program when its server is gone.
    if (GdkDisplay *display = gdk_display_get_default())
        gdk_display_close(display);
    m_server.terminate();
    m_server.waitForFinished();
}

void tst_Gtk::windowBesideATimer()
{
    // A timer of Qt's asks for each picture, and GTK's frame clock draws it.
    constexpr int pictures = 10;
    Counters counters;
    Countdown drawn(pictures);
    counters.onDrawn = [&] {
        if (counters.drawn <= pictures)
            drawn.step();
    };
    Window window(&counters);
    QTimer timer;
    timer.callOnTimeout([&] { window.redraw(); });
    timer.start(5);
    QVERIFY(drawn.wait());
    QCOMPARE(counters.mapped, 1);
    QVERIFY(counters.inOwnThread);
}

void tst_Gtk::glibLoopOutside()
{
    // The loop is GLib's, as in gtk_main() or g_application_run(); Qt's timers and posted events
    // live in it.
    constexpr int pictures = 5;
    g_autoptr(GMainLoop) loop = g_main_loop_new(nullptr, false);
    Counters counters;
    Window window(&counters);
    int posted = 0;
    counters.onDrawn = [&] {
        QMetaObject::invokeMethod(
            this,
            [&] {
                if (++posted == pictures)
                    g_main_loop_quit(loop);
            },
            Qt::QueuedConnection);
    };
    QTimer timer;
    timer.callOnTimeout([&] { window.redraw(); });
    timer.start(5);
    QVERIFY(run(loop));
    counters.onDrawn = nullptr;
    QVERIFY(posted >= pictures);
}

void tst_Gtk::modalDialogInASlot()
{
    // The slot returns when the dialog is answered, by a timer that the dialog's loop serves.
    Counters counters;
    Window parent(&counters);
    Countdown done(1);
    int ticksInside = 0;
    QTimer::singleShot(0, this, [&] {
        g_autoptr(GMainLoop) loop = g_main_loop_new(nullptr, false);
        GtkWidget *dialog = newWindow();
        gtk_window_set_modal(GTK_WINDOW(dialog), true);
        gtk_window_set_transient_for(GTK_WINDOW(dialog), parent.window());
        GtkWidget *button = gtk_button_new_with_label("Close");
        setChild(dialog, button);
        Counters clicks;
        clicks.onClick = [&] { g_main_loop_quit(loop); };
        g_signal_connect(button, "clicked", G_CALLBACK(&Counters::onClicked), &clicks);
        show(dialog);
        QTimer timer;
        timer.callOnTimeout([&] {
            if (++ticksInside == 5)
                gtk_widget_activate(button);
        });
        timer.start(2);
        QVERIFY(run(loop));
        QCOMPARE(clicks.clicked, 1);
        destroy(dialog);
        done.step();
    });
    QVERIFY(done.wait());
    QVERIFY(ticksInside >= 5);
}

void tst_Gtk::eventLoopInAHandler()
{
    // The other way round: a loop of Qt's inside of a button's handler draws the window as well.
    constexpr int pictures = 5;
    Counters counters;
    Window window(&counters);
    GtkWidget *second = newWindow();
    GtkWidget *button = gtk_button_new_with_label("Wait");
    setChild(second, button);
    Countdown done(1);
    bool drawnInside = false;
    counters.onClick = [&] {
        Countdown drawn(pictures);
        int left = pictures;
        counters.onDrawn = [&] {
            if (left-- > 0)
                drawn.step();
        };
        QTimer timer;
        timer.callOnTimeout([&] { window.redraw(); });
        timer.start(5);
        drawnInside = drawn.wait();
        counters.onDrawn = nullptr;
        done.step();
    };
    g_signal_connect(button, "clicked", G_CALLBACK(&Counters::onClicked), &counters);
    show(second);
    QTimer::singleShot(0, this, [&] { gtk_widget_activate(button); });
    QVERIFY(done.wait());
    QVERIFY(drawnInside);
    QCOMPARE(counters.clicked, 1);
    destroy(second);
}

DISPATCHER_TEST_MAIN(tst_Gtk)
#include "tst_gtk.moc"
