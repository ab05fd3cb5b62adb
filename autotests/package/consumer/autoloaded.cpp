// SPDX-License-Identifier: MIT

#include <QAbstractEventDispatcher>
#include <QCoreApplication>

#include <cstdio>

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    std::puts(QAbstractEventDispatcher::instance()->metaObject()->className());
}
