// SPDX-License-Identifier: MIT

#ifndef DISPATCHERUNDERTEST_H
#define DISPATCHERUNDERTEST_H

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QCoreApplication>
#include <QtCore/QThread>
#include <QtTest/QTest>

/**
 * The same test runs on several dispatchers. Which one is said by DISPATCHER_UNDER_TEST: "ours"
 * (also if unset), "unix" or "glib", the latter two being Qt's own.
 */
namespace DispatcherUnderTest {

enum class Kind { Ours, QtUnix, QtGLib };

Kind kind();

/// Makes the dispatcher that a QCoreApplication constructed later will use. Call it first in main().
void install();

/// Gives @p thread, which must not run yet, a dispatcher of the kind under test.
void install(QThread *thread);

/// Ours only: whether the dispatcher of this thread really is the one that kind() says.
bool isInstalled();

}

/// QTEST_GUILESS_MAIN, on the dispatcher under test.
#define DISPATCHER_TEST_MAIN(TestClass)                                                            \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        DispatcherUnderTest::install();                                                            \
        QCoreApplication app(argc, argv);                                                          \
        if (!DispatcherUnderTest::isInstalled())                                                   \
            qFatal("the dispatcher under test is not the one in use");                             \
        TestClass test;                                                                            \
        return QTest::qExec(&test, argc, argv);                                                    \
    }

#endif
