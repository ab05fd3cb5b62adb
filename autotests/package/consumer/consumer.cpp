// SPDX-License-Identifier: MIT

#include <GLibEventDispatcher>
#include <GLibSelector>

#include <QCoreApplication>

#include <cstdio>

static_assert(GLIBEVENTDISPATCHER_VERSION >= QT_VERSION_CHECK(1, 0, 0));
static_assert(QT_VERSION >= GLIBEVENTDISPATCHER_QT_VERSION);

int main(int argc, char **argv)
{
    GLibSelector selector;
    if (selector.select(std::chrono::milliseconds(1)))
        return 1;

    QCoreApplication::setEventDispatcher(new GLibEventDispatcher);
    QCoreApplication app(argc, argv);
    g_timeout_add(
        1,
        [](void *) -> gboolean {
            std::puts("glib");
            QCoreApplication::quit();
            return G_SOURCE_REMOVE;
        },
        nullptr);
    return app.exec();
}
