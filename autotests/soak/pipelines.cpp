// SPDX-License-Identifier: MIT

// GStreamer's pipelines, built and torn down when their bus tells of the end.

#include "load.h"

#include <gst/gst.h>

using namespace std::chrono_literals;

namespace {

constexpr auto Interval = 200ms;

class Pipelines : public Load
{
public:
    Pipelines()
    {
        gst_init(nullptr, nullptr);
        repeat(Interval, [this] { work(); });
    }

private:
    struct Running
    {
        Pipelines *load;
        GstElement *pipeline;
    };

    void work()
    {
        GstElement *const pipeline = gst_parse_launch("fakesrc num-buffers=100 ! queue ! fakesink", nullptr);
        if (!pipeline)
            qFatal("no fakesrc, queue or fakesink");
        begin();
        GstBus *const bus = gst_element_get_bus(pipeline);
        gst_bus_add_watch_full(bus, G_PRIORITY_DEFAULT, &Pipelines::message, new Running{this, pipeline},
                               [](void *running) { delete static_cast<Running *>(running); });
        gst_object_unref(bus);
        gst_element_set_state(pipeline, GST_STATE_PLAYING);
    }

    static gboolean message(GstBus *, GstMessage *message, void *data)
    {
        auto *const running = static_cast<Running *>(data);
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
            qFatal("a pipeline has failed");
        if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_EOS)
            return G_SOURCE_CONTINUE;
        gst_element_set_state(running->pipeline, GST_STATE_NULL);
        gst_object_unref(running->pipeline);
        running->load->end();
        return G_SOURCE_REMOVE;
    }
};

}

std::unique_ptr<Load> makePipelines()
{
    return std::make_unique<Pipelines>();
}
