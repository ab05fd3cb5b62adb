// SPDX-License-Identifier: MIT

#ifndef EXAMPLEPROCESS_H
#define EXAMPLEPROCESS_H

#include <QtCore/QProcess>
#include <QtTest/QTest>

/// Runs an example, away from the audio devices and the display of this machine.
class ExampleProcess : public QProcess
{
public:
    ExampleProcess(const QString &folder, const QStringList &arguments)
    {
        setProgram(path(folder));
        setArguments(arguments);
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        environment.insert(QStringLiteral("QT_NO_GLIB"), QStringLiteral("1"));
        environment.insert(QStringLiteral("QT_FORCE_STDERR_LOGGING"), QStringLiteral("1"));
        environment.remove(QStringLiteral("DISPLAY"));
        environment.remove(QStringLiteral("WAYLAND_DISPLAY"));
        environment.insert(QStringLiteral("GST_PLUGIN_FEATURE_RANK"), noAudioSinks());
        setProcessEnvironment(environment);
    }

    ~ExampleProcess() override
    {
        kill();
        waitForFinished();
    }

    /// The program of the example in @p folder, or nothing if it is not built here.
    static QString path(const QString &folder)
    {
        const QStringList programs
            = QStringLiteral(EXAMPLES).split(u'|').filter(QRegularExpression(u'^' + folder + u'='));
        return programs.value(0).section(u'=', 1);
    }

    static QString noAudioSinks()
    {
        QStringList ranks;
        for (const char *sink : { "alsasink", "jackaudiosink", "openalsink", "oss4sink", "osssink",
                                  "pipewiresink", "pulsesink" })
            ranks.append(QLatin1String(sink) + QStringLiteral(":NONE"));
        return ranks.join(u',');
    }

    void setVariable(const QString &name, const QString &value)
    {
        QProcessEnvironment environment = processEnvironment();
        environment.insert(name, value);
        setProcessEnvironment(environment);
    }

    /// Whether it ends by itself, of its own will.
    bool ends()
    {
        // Not waitForFinished(), which would leave what talks to the example without an event loop.
        return QTest::qWaitFor([this] { return state() == NotRunning; }, 30000)
            && exitStatus() == NormalExit;
    }
};

#endif
