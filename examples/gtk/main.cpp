// SPDX-License-Identifier: MIT

/*
A GTK window and a Qt window in one thread. The loop is Qt's, or GTK's with `gtk-example gtk`.

    c++ -std=c++17 -fPIC -DQT_NO_KEYWORDS -o gtk-example main.cpp \
        $(pkg-config --cflags --libs glibeventdispatcher Qt6Widgets gtk+-3.0)

QT_NO_KEYWORDS, because GTK includes GIO, where a struct has a member called signals, and Qt a
macro of that name. The other cure is to include GTK's headers before Qt's.

GTK 3, because Qt's plugin for the look of GNOME loads GTK 3, and one process cannot have GTK 4 as
well. In a program whose windows are all GTK's, GTK 4 works in the same way.
*/

#include <GLibEventDispatcher>

#include <QtWidgets/QApplication>
#include <QtWidgets/QPushButton>

#include <gtk/gtk.h>

int main(int argc, char **argv)
{
    gtk_init(&argc, &argv);
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    QApplication app(argc, argv);
    const bool loopIsGtks = app.arguments().value(1) == QLatin1String("gtk");

    QPushButton qtButton(QStringLiteral("Count in GTK"));
    GtkWidget *gtkButton = gtk_button_new_with_label("Count in Qt");
    GtkWidget *window = gtk_window_new(GTK_WINDOW_TOPLEVEL);
    gtk_window_set_default_size(GTK_WINDOW(window), 300, 200);
    gtk_container_add(GTK_CONTAINER(window), gtkButton);

    const auto countInQt = [](GtkButton *, gpointer button) {
        static int count = 0;
        static_cast<QPushButton *>(button)->setText(QStringLiteral("GTK: %1").arg(++count));
        qInfo("clicked in GTK: %d", count);
    };
    g_signal_connect(gtkButton, "clicked", G_CALLBACK(+countInQt), &qtButton);
    QObject::connect(&qtButton, &QPushButton::clicked, [gtkButton, count = 0]() mutable {
        gtk_button_set_label(GTK_BUTTON(gtkButton),
                             qUtf8Printable(QStringLiteral("Qt: %1").arg(++count)));
        qInfo("clicked in Qt: %d", count);
    });

    // Either window ends the program.
    const auto quit = loopIsGtks ? gtk_main_quit : QCoreApplication::quit;
    g_signal_connect(window, "delete-event", G_CALLBACK(gtk_widget_hide_on_delete), nullptr);
    g_signal_connect(window, "hide", G_CALLBACK(quit), nullptr);
    QObject::connect(&app, &QGuiApplication::lastWindowClosed, quit);

    gtk_widget_show_all(window);
    qtButton.setGeometry(320, 0, 300, 200);
    qtButton.show();
    if (loopIsGtks)
        gtk_main();
    else
        app.exec();
    qInfo("end");
}
