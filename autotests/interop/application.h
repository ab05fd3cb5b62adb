// SPDX-License-Identifier: MIT

#ifndef APPLICATION_H
#define APPLICATION_H

#include "dispatcherundertest.h"

#include <GLibEventDispatcher>

#include <optional>

/// A QCoreApplication within a scope, for tests of what is before and after it.
class Application
{
public:
    /// On the dispatcher under test.
    Application()
    {
        DispatcherUnderTest::install();
        m_application.emplace(m_argumentCount, m_arguments);
        if (!DispatcherUnderTest::isInstalled())
            qFatal("the dispatcher under test is not the one in use");
    }

    /// On ours, with a context of the caller's.
    explicit Application(GMainContext *context)
    {
        QCoreApplication::setEventDispatcher(new GLibEventDispatcher(context));
        m_application.emplace(m_argumentCount, m_arguments);
    }

    Q_DISABLE_COPY_MOVE(Application)

    QAbstractEventDispatcher *dispatcher() const
    {
        return QAbstractEventDispatcher::instance(m_application->thread());
    }

private:
    char m_name[5] = "test";
    char *m_arguments[2] = { m_name, nullptr };
    int m_argumentCount = 1;
    std::optional<QCoreApplication> m_application;
};

#endif
