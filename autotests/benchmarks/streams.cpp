// SPDX-License-Identifier: MIT

// GStreamer: small buffers into the main thread, and the end of the stream through the bus.

#include "measure.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QObject>

#include <gst/app/gstappsink.h>
#include <gst/gst.h>

using namespace Qt::StringLiterals;

namespace {

/// One run of a pipeline. Its streaming thread announces each sample, which the thread of the loop
/// then pulls.
class Pipeline : public QObject
{
public:
    Pipeline(const Task &task, qint64 buffers) : m_loop(task), m_isLimit(task.kind == Kind::Limit)
    {
        const QByteArray description = "fakesrc sizetype=fixed sizemax=64 num-buffers="
            + QByteArray::number(buffers) + " ! appsink name=sink sync=false max-buffers=64";
        m_pipeline = gst_parse_launch(description.constData(), nullptr);
        if (!m_pipeline)
            throw Unavailable("GStreamer's appsink is not installed");
        m_sink = GST_APP_SINK(gst_bin_get_by_name(GST_BIN(m_pipeline), "sink"));
        GstAppSinkCallbacks callbacks {};
        callbacks.new_sample = [](GstAppSink *, void *self) {
            static_cast<Pipeline *>(self)->announce();
            return GST_FLOW_OK;
        };
        gst_app_sink_set_callbacks(m_sink, &callbacks, this, nullptr);

        g_source_set_callback(m_source, &Pipeline::announced, this, nullptr);
        g_source_attach(m_source, nullptr);
        GstBus *const bus = gst_element_get_bus(m_pipeline);
        m_watch = gst_bus_add_watch(bus, &Pipeline::message, this);
        gst_object_unref(bus);
    }

    ~Pipeline() override
    {
        gst_element_set_state(m_pipeline, GST_STATE_NULL);
        g_source_remove(m_watch);
        g_source_destroy(m_source);
        g_source_unref(m_source);
        gst_object_unref(m_sink);
        gst_object_unref(m_pipeline);
    }
    Q_DISABLE_COPY_MOVE(Pipeline)

    /// Nanoseconds from the first sample to the end of the stream.
    qint64 run()
    {
        gst_element_set_state(m_pipeline, GST_STATE_PLAYING);
        m_loop.run();
        return m_end - m_start;
    }

    qint64 samples() const { return m_samples; }

private:
    void announce()
    {
        if (m_isLimit)
            g_source_set_ready_time(m_source, 0);
        else
            QCoreApplication::postEvent(this, new QEvent(QEvent::User));
    }

    // For the limit: once for all samples that have come by then.
    static gboolean announced(void *data)
    {
        Pipeline *const self = static_cast<Pipeline *>(data);
        g_source_set_ready_time(self->m_source, -1);
        while (self->pull(0)) { }
        return G_SOURCE_CONTINUE;
    }

    bool event(QEvent *event) override
    {
        if (event->type() != QEvent::User)
            return QObject::event(event);
        pull(GST_CLOCK_TIME_NONE);
        return true;
    }

    bool pull(GstClockTime timeout)
    {
        GstSample *const sample = gst_app_sink_try_pull_sample(m_sink, timeout);
        if (!sample)
            return false;
        if (m_samples++ == 0)
            m_start = now();
        gst_sample_unref(sample);
        return true;
    }

    static gboolean message(GstBus *, GstMessage *message, void *self)
    {
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS
            || GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
            static_cast<Pipeline *>(self)->m_end = now();
            static_cast<Pipeline *>(self)->m_loop.quit();
        }
        return G_SOURCE_CONTINUE;
    }

    static gboolean dispatch(GSource *, GSourceFunc callback, void *data) { return callback(data); }
    static inline GSourceFuncs s_functions { nullptr, nullptr, dispatch,
                                             nullptr, nullptr, nullptr };

    Loop m_loop;
    const bool m_isLimit;
    GSource *const m_source = g_source_new(&s_functions, sizeof(GSource));
    GstElement *m_pipeline;
    GstAppSink *m_sink;
    guint m_watch;
    qint64 m_samples = 0;
    qint64 m_start = 0;
    qint64 m_end = 0;
};

Values stream(const Task &task)
{
    gst_init(nullptr, nullptr);
    return perOperation(task, [&](qint64 count) -> Values {
        Pipeline pipeline(task, count);
        const qint64 elapsed = pipeline.run();
        require(pipeline.samples() == count, "samples were lost");
        return { static_cast<double>(elapsed) };
    });
}

}

Family streamFamily()
{
    Workload workload { u"gstreamer-appsink"_s, u"GStreamer buffers of 64 bytes to appsink"_s,
                        { { u"per buffer"_s } }, stream, stream, u"bare GMainLoop"_s };
    workload.needsGLib = true;
    workload.seconds = 0.6;
    return { u"GStreamer"_s, { workload } };
}
