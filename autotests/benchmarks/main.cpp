// SPDX-License-Identifier: MIT

#include "child.h"
#include "reports.h"
#include "schedule.h"

#include <QtCore/QCommandLineParser>
#include <QtCore/QCoreApplication>
#include <QtCore/QFile>
#include <QtCore/QFileInfo>
#include <QtCore/QRegularExpression>

#include <cstdio>

using namespace Qt::StringLiterals;

namespace {

struct Options
{
    QCommandLineOption list { u"list"_s, u"List the workloads and stop."_s };
    QCommandLineOption filter { u"filter"_s, u"Only workloads whose name matches <regex>."_s,
                                u"regex"_s };
    QCommandLineOption dispatchers { u"dispatchers"_s,
                                     u"Measure only these of: ours, unix, glib, limit."_s,
                                     u"id,..."_s };
    QCommandLineOption rounds { u"rounds"_s, u"Measure everything <n> times (5)."_s, u"n"_s,
                                u"5"_s };
    QCommandLineOption quick { u"quick"_s, u"Only see that every workload does its work; the "
                                            "figures are worth nothing."_s };
    QCommandLineOption json { u"json"_s, u"Write all figures to <file>."_s, u"file"_s };
    QCommandLineOption plot { u"plot"_s, u"Draw a chart into <file>."_s, u"file.svg"_s };
    QCommandLineOption overview { u"overview"_s, u"Draw a chart of what users feel into <file>."_s,
                                  u"file.svg"_s };
    QCommandLineOption markdown { u"markdown"_s, u"Print the table as Markdown."_s };
    QCommandLineOption preload { u"preload"_s,
                                 u"Measure in addition the dispatcher that <library> installs "
                                 "before main() when it is preloaded."_s,
                                 u"library"_s };
    QCommandLineOption dispatcherName { u"dispatcher-name"_s,
                                        u"What to call the preloaded dispatcher."_s, u"name"_s };
    QCommandLineOption measure { u"measure"_s, u"Measure in this process."_s, u"workload"_s };
    QCommandLineOption dispatcher { u"dispatcher"_s, u"On what to measure."_s, u"id"_s };
    QCommandLineOption round { u"round"_s, u"The number of the round."_s, u"n"_s, u"0"_s };

    void addTo(QCommandLineParser &parser)
    {
        for (QCommandLineOption *option : { &measure, &dispatcher, &round })
            option->setFlags(QCommandLineOption::HiddenFromHelp);
        parser.addOptions({ list, filter, dispatchers, rounds, quick, json, plot, overview, markdown,
                            preload, dispatcherName, measure, dispatcher, round });
        parser.addHelpOption();
    }
};

int fail(const QString &message)
{
    std::fprintf(stderr, "dispatcherbench: %s\n", message.toLocal8Bit().constData());
    return 2;
}

bool write(const QString &fileName, const QByteArray &content)
{
    QFile file(fileName);
    return file.open(QIODevice::WriteOnly) && file.write(content) == content.size();
}

QList<Contender> allContenders()
{
    QList<Contender> contenders;
    const auto add = [&contenders](Kind kind, const QString &title) {
        contenders.append({ kind, idOf(kind), title });
    };
    add(Kind::Ours, u"GLibEventDispatcher"_s);
    add(Kind::QtUnix, u"Qt UNIX"_s);
    add(Kind::QtGLib, u"Qt GLib"_s);
    add(Kind::Limit, u"limit"_s);
    return contenders;
}

QList<Family> matching(const QRegularExpression &filter)
{
    QList<Family> selected;
    for (Family &family : families()) {
        family.workloads.removeIf([&filter](const Workload &workload) {
            return !filter.match(workload.name).hasMatch();
        });
        if (!family.workloads.isEmpty())
            selected.append(family);
    }
    return selected;
}

void printList(const QList<Family> &selected)
{
    for (const Family &family : selected) {
        std::printf("%s\n", family.title.toUtf8().constData());
        for (const Workload &workload : family.workloads) {
            std::printf("  %-30s %s", workload.name.toUtf8().constData(),
                        workload.title.toUtf8().constData());
            if (workload.measureLimit)
                std::printf(" (limit: %s)", workload.limit.toUtf8().constData());
            std::printf("\n");
        }
    }
}

int measureOne(int argc, char **argv, const QString &name, const QString &dispatcher, int round,
               bool quick)
{
    raiseDescriptorLimit();
    for (const Family &family : families()) {
        for (const Workload &workload : family.workloads) {
            if (workload.name != name)
                continue;
            for (const Kind kind : { Kind::Ours, Kind::QtUnix, Kind::QtGLib, Kind::Preloaded,
                                     Kind::Limit }) {
                if (idOf(kind) == dispatcher && workload.runsOn(kind))
                    return measureInThisProcess(argc, argv, workload, kind, round, quick);
            }
        }
    }
    return fail(u"no workload %1 on %2"_s.arg(name, dispatcher));
}

}

int main(int argc, char **argv)
{
    QStringList arguments;
    for (int i = 0; i < argc; ++i)
        arguments.append(QString::fromLocal8Bit(argv[i]));
    QCommandLineParser parser;
    Options options;
    options.addTo(parser);
    parser.setApplicationDescription(u"Measures GLibEventDispatcher, Qt's own dispatchers and the "
                                     "bare calls that are the limit."_s);

    // The process that measures must not have an application object before its dispatcher.
    if (parser.parse(arguments) && parser.isSet(options.measure)) {
        return measureOne(argc, argv, parser.value(options.measure),
                          parser.value(options.dispatcher), parser.value(options.round).toInt(),
                          parser.isSet(options.quick));
    }

    QCoreApplication application(argc, argv);
    parser.process(application);

    const QRegularExpression filter(parser.value(options.filter));
    if (!filter.isValid())
        return fail(u"--filter: "_s + filter.errorString());
    Schedule schedule;
    schedule.families = matching(filter);
    if (schedule.families.isEmpty())
        return fail(u"no workload has such a name"_s);
    if (parser.isSet(options.list)) {
        printList(schedule.families);
        return 0;
    }

    schedule.quick = parser.isSet(options.quick);
    bool isNumber = false;
    schedule.rounds = parser.value(options.rounds).toInt(&isNumber);
    if (!isNumber || schedule.rounds < 1)
        return fail(u"--rounds: not a number of rounds"_s);

    schedule.contenders = allContenders();
    if (parser.isSet(options.dispatchers)) {
        const QStringList ids = parser.value(options.dispatchers).split(u',');
        schedule.contenders.removeIf([&ids](const Contender &contender) {
            return !ids.contains(contender.id);
        });
    }
    if (parser.isSet(options.preload)) {
        const QFileInfo library(parser.value(options.preload));
        if (!library.exists())
            return fail(u"--preload: there is no file %1"_s.arg(library.filePath()));
        const QString name = parser.value(options.dispatcherName);
        schedule.contenders.append({ Kind::Preloaded, idOf(Kind::Preloaded),
                                     name.isEmpty() ? library.completeBaseName() : name,
                                     library.absoluteFilePath() });
    }
    if (schedule.contenders.isEmpty())
        return fail(u"--dispatchers: expected some of ours, unix, glib, limit"_s);

    const Results results = measureAll(schedule);
    const std::pair<const QCommandLineOption &, QByteArray> files[] {
        { options.json, jsonReport(results) },
        { options.plot, svgReport(results, Chart::All) },
        { options.overview, svgReport(results, Chart::Overview) },
    };
    for (const auto &[option, content] : files) {
        if (parser.isSet(option) && !write(parser.value(option), content))
            return fail(u"cannot write %1"_s.arg(parser.value(option)));
    }
    const QByteArray table = parser.isSet(options.markdown) ? markdownReport(results)
                                                            : textReport(results);
    std::fwrite(table.constData(), 1, static_cast<size_t>(table.size()), stdout);
    return results.anyFailed() ? 1 : 0;
}
