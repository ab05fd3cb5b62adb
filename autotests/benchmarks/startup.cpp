// SPDX-License-Identifier: MIT

// The program whose start-up is measured: its event loop has one turn.

#include <QtCore/QCoreApplication>
#include <QtCore/QTimer>

int main(int argc, char **argv)
{
    const QCoreApplication application(argc, argv);
    QTimer::singleShot(0, &application, &QCoreApplication::quit);
    return QCoreApplication::exec();
}
