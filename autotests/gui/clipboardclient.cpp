// SPDX-License-Identifier: MIT

#include <GLibEventDispatcher>

#include <QtCore/QSocketNotifier>
#include <QtGui/QClipboard>
#include <QtGui/QGuiApplication>

#include <cstdio>
#include <unistd.h>

/// "set TEXT" offers the text until standard input ends, "get" prints what others offer.
int main(int argc, char **argv)
{
    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    QGuiApplication app(argc, argv);
    QClipboard *clipboard = QGuiApplication::clipboard();
    if (argc == 3 && qstrcmp(argv[1], "set") == 0) {
        clipboard->setText(QString::fromLocal8Bit(argv[2]));
        QSocketNotifier end(STDIN_FILENO, QSocketNotifier::Read);
        QObject::connect(&end, &QSocketNotifier::activated, &app, &QCoreApplication::quit);
        return app.exec();
    }
    fputs(clipboard->text().toLocal8Bit().constData(), stdout);
    return 0;
}
