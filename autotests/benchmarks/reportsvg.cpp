// SPDX-License-Identifier: MIT

#include "reports.h"

#include <algorithm>
#include <cmath>

using namespace Qt::StringLiterals;

namespace {

constexpr int width = 960;
constexpr int plotLeft = 424; // Left of it are the names, and room for a number of a bar to the left.
constexpr int plotRight = 900; // Right of it is room for the last bar's number.
constexpr int top = 76;
constexpr int barHeight = 9;
constexpr int barStep = 11;
constexpr int groupGap = 10;
constexpr int leastGroup = 28; // Two lines of text.

/// A contender's bar in a group.
struct Bar
{
    QString color;
    double ratio;
};

/// The bars of one workload, or without any the title of a family.
struct Group
{
    QString title;
    QString baseline;
    QList<Bar> bars;

    int height() const
    {
        const int ofBars = static_cast<int>(bars.size()) * barStep;
        return bars.isEmpty() ? leastGroup : std::max(leastGroup, ofBars) + groupGap;
    }
};

// Told apart by people who do not see all colours, too.
QString colorOf(const Contender &contender)
{
    switch (contender.kind) {
    case Kind::Ours:
        return u"#0072b2"_s;
    case Kind::QtUnix:
        return u"#9a9a9a"_s;
    case Kind::QtGLib:
        return u"#e69f00"_s;
    case Kind::Preloaded:
        return u"#009e73"_s;
    case Kind::Limit:
        return u"#000000"_s;
    }
    return {};
}

QString titleOf(const Results &results, const QString &id)
{
    for (const Contender &contender : results.contenders) {
        if (contender.id == id)
            return contender.title;
    }
    return {};
}

/// What users of a program feel.
bool isInOverview(const QString &workload)
{
    static const QStringList names {
        u"socket-pingpong/100"_s, u"timer-precise/10"_s, u"timer-cpu/10000"_s, u"glib-source"_s,
        u"delay/glib-fd-under-posts"_s, u"delay/notifier-under-source"_s, u"tcp-echo/1"_s,
        u"tcp-echo/100"_s, u"tcp-echo/1000"_s, u"gstreamer-appsink"_s, u"window/xcb/post-self"_s,
        u"window/xcb/socket-pingpong/0"_s,
    };
    return names.contains(workload);
}

QList<Group> groupsOf(const Results &results, Chart chart)
{
    QList<Group> groups;
    for (const FamilyResult &family : results.families) {
        QList<Group> ofFamily;
        for (const WorkloadResult &result : family.workloads) {
            if (chart == Chart::Overview && !isInOverview(result.workload.name))
                continue;
            const FigureResult &figure = result.figures.first();
            const QString baseline = chart == Chart::Overview ? figure.betterOfQt() : figure.baseline();
            const std::optional<double> one = figure.median(baseline);
            // Nothing can be drawn in relation to nothing, or to what was never done.
            if (!one || *one <= 0 || !std::isfinite(*one))
                continue;
            const QString name = baseline == idOf(Kind::Limit) ? result.workload.limit
                                                               : titleOf(results, baseline);
            Group group { result.workload.title,
                          u"%1; 1 = %2, %3"_s.arg(figure.figure.title, name,
                                                  formatted(*one, figure.figure.unit)),
                          {} };
            for (const Contender &contender : results.contenders) {
                const std::optional<double> ratio = figure.ratio(contender.id, baseline);
                if (ratio && contender.kind != Kind::Limit)
                    group.bars.append({ colorOf(contender), *ratio });
            }
            if (!group.bars.isEmpty())
                ofFamily.append(group);
        }
        if (!ofFamily.isEmpty())
            groups += QList<Group> { { family.title, {}, {} } } + ofFamily;
    }
    return groups;
}

/// The logarithmic axis; whole powers of ten at both ends.
class Axis
{
public:
    explicit Axis(const QList<Group> &groups)
    {
        for (const Group &group : groups) {
            for (const Bar &bar : group.bars) {
                const double exponent = std::log10(std::clamp(bar.ratio, 1e-4, 1e4));
                m_lowest = std::min(m_lowest, static_cast<int>(std::floor(exponent)));
                m_highest = std::max(m_highest, static_cast<int>(std::ceil(exponent)));
            }
        }
    }

    int lowest() const { return m_lowest; }
    int highest() const { return m_highest; }

    double x(double ratio) const
    {
        const double exponent = ratio > 0 ? std::log10(ratio) : m_lowest;
        const double part = (std::clamp<double>(exponent, m_lowest, m_highest) - m_lowest)
            / (m_highest - m_lowest);
        return plotLeft + part * (plotRight - plotLeft);
    }

private:
    int m_lowest = -1;
    int m_highest = 1;
};

QString text(double x, double y, const QString &content, const QString &attributes = {})
{
    return u"<text x=\"%1\" y=\"%2\" %3>%4</text>\n"_s.arg(x).arg(y).arg(attributes,
                                                                        content.toHtmlEscaped());
}

QString line(double x, double from, double to, const QString &color)
{
    return u"<path d=\"M%1 %2V%3\" stroke=\"%4\"/>\n"_s.arg(x).arg(from).arg(to).arg(color);
}

QString rectangle(double x, double y, double w, double h, const QString &color)
{
    return u"<rect x=\"%1\" y=\"%2\" width=\"%3\" height=\"%4\" fill=\"%5\"/>\n"_s
        .arg(x).arg(y).arg(w).arg(h).arg(color);
}

QString legendOf(const Results &results)
{
    QString svg;
    double x = plotLeft;
    for (const Contender &contender : results.contenders) {
        if (contender.kind == Kind::Limit)
            continue;
        svg += rectangle(x, 30, 12, 12, colorOf(contender));
        svg += text(x + 17, 40, contender.title);
        x += 40 + 7.0 * static_cast<double>(contender.title.size());
    }
    return svg;
}

QString machineLine(const Results &results)
{
    QStringList facts { results.date.toString(u"yyyy-MM-dd"_s) };
    for (const auto &[key, value] : results.machine) {
        if (key == "Qt"_L1 || key == "GLib"_L1)
            facts.append(key + u' ' + value);
        else if (key == "Processor"_L1 || key == "Kernel"_L1)
            facts.append(value);
    }
    return facts.join(u", "_s);
}

}

QByteArray svgReport(const Results &results, Chart chart)
{
    const QList<Group> groups = groupsOf(results, chart);
    const Axis axis(groups);
    int bottom = top;
    for (const Group &group : groups)
        bottom += group.height();

    QString svg = u"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%1\" height=\"%2\" "
                  "viewBox=\"0 0 %1 %2\" font-family=\"sans-serif\" font-size=\"12\">\n"
                  "<!-- SPDX-License-Identifier: MIT -->\n"
                  "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"_s.arg(width)
                      .arg(bottom + 30);
    svg += text(16, 24,
                chart == Chart::Overview
                    ? u"Time or cost, relative to the better of Qt's own"_s
                    : u"Time or cost, relative to the limit or to the better of Qt's own"_s,
                u"font-size=\"15\" font-weight=\"bold\""_s);
    svg += text(16, 40, u"less (left) is better; logarithmic"_s, u"fill=\"#555555\""_s);
    svg += text(16, bottom + 20, machineLine(results), u"fill=\"#555555\" font-size=\"11\""_s);
    svg += legendOf(results);

    for (int exponent = axis.lowest(); exponent <= axis.highest(); ++exponent) {
        const double x = axis.x(std::pow(10, exponent));
        svg += line(x, top - 8, bottom, exponent == 0 ? u"#000000"_s : u"#dddddd"_s);
        svg += text(x, top - 14, QString::number(std::pow(10, exponent)),
                    u"text-anchor=\"middle\" fill=\"#555555\" font-size=\"11\""_s);
    }

    int y = top;
    for (const Group &group : groups) {
        if (group.bars.isEmpty()) {
            svg += text(16, y + 18, group.title, u"font-size=\"13\" font-weight=\"bold\""_s);
        } else {
            svg += text(plotLeft - 36, y + 11, group.title, u"text-anchor=\"end\""_s);
            svg += text(plotLeft - 36, y + 24, group.baseline,
                        u"text-anchor=\"end\" fill=\"#777777\" font-size=\"10\""_s);
        }
        double barTop = y;
        for (const Bar &bar : group.bars) {
            const double from = std::min(axis.x(1), axis.x(bar.ratio));
            const double to = std::max(axis.x(1), axis.x(bar.ratio));
            svg += rectangle(from - 1, barTop, to - from + 2, barHeight, bar.color);
            const bool left = bar.ratio < 1;
            svg += text(left ? from - 4 : to + 4, barTop + barHeight - 1, formattedRatio(bar.ratio),
                        u"font-size=\"9\" text-anchor=\"%1\""_s.arg(left ? u"end"_s : u"start"_s));
            barTop += barStep;
        }
        y += group.height();
    }
    svg += u"</svg>\n"_s;
    return svg.toUtf8();
}
