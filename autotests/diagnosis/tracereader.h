// SPDX-License-Identifier: MIT

#ifndef TRACEREADER_H
#define TRACEREADER_H

#include <QtCore/QFile>
#include <QtCore/QJsonArray>
#include <QtCore/QJsonDocument>
#include <QtCore/QJsonObject>
#include <QtTest/QTest>

#include <algorithm>
#include <functional>

/// What a file of trace events has. It is read without a lie: what is no JSON has no events.
class Trace
{
public:
    struct Slice
    {
        QString name;
        qint64 begin = 0; ///< In nanoseconds.
        qint64 end = 0;
        int thread = 0;

        bool contains(const Slice &other) const
        {
            return thread == other.thread && begin <= other.begin && other.end <= end && this != &other;
        }
        int milliseconds() const { return int((end - begin) / 1000000); }
    };

    explicit Trace(const QString &fileName)
    {
        QFile file(fileName);
        if (file.open(QIODevice::ReadOnly))
            text = file.readAll();
        const QJsonArray array = QJsonDocument::fromJson(text).array();
        QHash<int, QList<Slice>> begun;
        for (const QJsonValue &value : array) {
            const QJsonObject event = value.toObject();
            const QString phase = event[QLatin1String("ph")].toString();
            Slice slice;
            slice.name = event[QLatin1String("name")].toString();
            slice.begin = nanoseconds(event[QLatin1String("ts")]);
            slice.end = slice.begin + nanoseconds(event[QLatin1String("dur")]);
            slice.thread = event[QLatin1String("tid")].toInt();
            process = event[QLatin1String("pid")].toInt();
            if (phase == QLatin1String("X"))
                slices += slice;
            else if (phase == QLatin1String("B"))
                begun[slice.thread] += slice;
            else if (phase == QLatin1String("E") && !begun[slice.thread].isEmpty()) {
                slices += begun[slice.thread].takeLast();
                slices.last().end = slice.end;
            } else if (phase == QLatin1String("s"))
                arrows[event[QLatin1String("id")].toInt()].first = slice;
            else if (phase == QLatin1String("f"))
                arrows[event[QLatin1String("id")].toInt()].second = slice;
            else if (phase == QLatin1String("i"))
                lost += event[QLatin1String("args")][QLatin1String("lost")].toInt();
            else if (slice.name == QLatin1String("thread_name"))
                threads[slice.thread] = event[QLatin1String("args")][QLatin1String("name")].toString();
        }
        for (const QList<Slice> &open : std::as_const(begun))
            unended += open;
    }

    /// Those whose name has @p words, the longest first.
    QList<Slice> named(const QString &words) const
    {
        QList<Slice> found;
        std::copy_if(slices.begin(), slices.end(), std::back_inserter(found),
                     [&words](const Slice &slice) { return slice.name.contains(words); });
        std::sort(found.begin(), found.end(),
                  [](const Slice &a, const Slice &b) { return a.end - a.begin > b.end - b.begin; });
        return found;
    }

    /// Two slices of a thread that overlap, with neither in the other; nothing if there are none.
    QString overlap() const
    {
        QHash<int, QList<Slice>> open;
        QList<Slice> sorted = slices;
        std::sort(sorted.begin(), sorted.end(), [](const Slice &a, const Slice &b) {
            return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
        });
        for (const Slice &slice : std::as_const(sorted)) {
            QList<Slice> &around = open[slice.thread];
            while (!around.isEmpty() && around.last().end <= slice.begin)
                around.removeLast();
            if (!around.isEmpty() && around.last().end < slice.end)
                return around.last().name + QStringLiteral(" and ") + slice.name;
            around += slice;
        }
        return {};
    }

    /// The one at that moment in that thread.
    bool isAt(const Slice &moment, const QString &name) const
    {
        return std::any_of(slices.begin(), slices.end(), [&](const Slice &slice) {
            return slice.name == name && slice.thread == moment.thread && slice.begin <= moment.begin
                && moment.begin < slice.end;
        });
    }

    QByteArray text;
    QList<Slice> slices;
    QList<Slice> unended; ///< That have no end.
    QHash<int, QString> threads;
    QMap<int, std::pair<Slice, Slice>> arrows; ///< From one moment to another.
    int lost = 0;
    int process = 0;

private:
    static qint64 nanoseconds(const QJsonValue &microseconds) { return qRound64(microseconds.toDouble() * 1000); }
};

#endif
