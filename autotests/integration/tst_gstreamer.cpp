// SPDX-License-Identifier: MIT

#include "countdown.h"
#include "dispatcherundertest.h"
#include "worker.h"

#include <gst/app/gstappsink.h>
#include <gst/gst.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <vector>

namespace {

/// A pipeline with a watch on its bus.
class Pipeline
{
public:
    using Watch = std::function<void(GstMessage *)>;

    Pipeline(const QByteArray &description, const Watch &watch) : m_watch(watch)
    {
        g_autoptr(GError) error = nullptr;
        m_pipeline = gst_parse_launch(description.constData(), &error);
        if (error)
            qFatal("%s: %s", description.constData(), error->message);
        g_autoptr(GstBus) bus = gst_element_get_bus(m_pipeline);
        gst_bus_add_watch(bus, &Pipeline::onMessage, this);
    }

    ~Pipeline()
    {
        g_autoptr(GstBus) bus = gst_element_get_bus(m_pipeline);
        gst_bus_remove_watch(bus);
        gst_element_set_state(m_pipeline, GST_STATE_NULL);
        gst_object_unref(m_pipeline);
    }

    Pipeline(const Pipeline &) = delete;
    Pipeline &operator=(const Pipeline &) = delete;

    void play() { gst_element_set_state(m_pipeline, GST_STATE_PLAYING); }
    GstElement *element() const { return m_pipeline; }
    bool inOwnThread() const { return m_inOwnThread; }

private:
    static gboolean onMessage(GstBus *, GstMessage *message, gpointer data)
    {
        auto self = static_cast<Pipeline *>(data);
        self->m_inOwnThread &= QThread::currentThread() == self->m_thread;
        // The watch may delete the pipeline.
        const Watch watch = self->m_watch;
        watch(message);
        return G_SOURCE_CONTINUE;
    }

    GstElement *m_pipeline;
    Watch m_watch;
    QThread *m_thread = QThread::currentThread();
    bool m_inOwnThread = true;
};

QByteArray errorText(GstMessage *message)
{
    g_autoptr(GError) error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    return error->message;
}

}

class tst_GStreamer : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();

    void endOfStreamBesideATimer();
    void error();
    void signalWatch();
    void severalPipelines();
    void tornDownInsideTheBusCallback();
    void tornDownInsideATimer();
    void appsinkPostsToQt();
    void syncHandlerPostsToQt();
    void nestedLoopInTheBusCallback();
    void inWorkerThreads();
};

void tst_GStreamer::initTestCase()
{
    gst_init(nullptr, nullptr);
    for (const char *name : {"audiotestsrc", "fakesink", "appsink", "filesrc"}) {
        g_autoptr(GstElementFactory) factory = gst_element_factory_find(name);
        if (!factory)
            QSKIP("GStreamer's base plugins are not installed");
    }
}

void tst_GStreamer::endOfStreamBesideATimer()
{
    // A fifth of a second of sound, in real time.
    constexpr int ticks = 5;
    Countdown done(1 + ticks);
    int messages = 0;
    Pipeline pipeline("audiotestsrc num-buffers=20 samplesperbuffer=441 ! fakesink sync=true",
                      [&](GstMessage *message) {
                          ++messages;
                          QVERIFY(GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR);
                          if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS)
                              done.step();
                      });
    int left = ticks;
    QTimer timer;
    timer.callOnTimeout([&] {
        if (left-- > 0)
            done.step();
    });
    pipeline.play();
    timer.start(10);
    QVERIFY(done.wait());
    QVERIFY(pipeline.inOwnThread());
    // The elements' changes of state, at least.
    QVERIFY2(messages >= 9, qPrintable(QString::number(messages)));
}

void tst_GStreamer::error()
{
    Countdown failed(1);
    QByteArray text;
    Pipeline pipeline("filesrc location=/nonexistent/file ! fakesink", [&](GstMessage *message) {
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
            text = errorText(message);
            failed.step();
        }
    });
    pipeline.play();
    QVERIFY(failed.wait());
    QVERIFY(!text.isEmpty());
    QVERIFY(pipeline.inOwnThread());
}

void tst_GStreamer::signalWatch()
{
    struct State
    {
        static void onEos(GstBus *, GstMessage *, gpointer data)
        {
            auto self = static_cast<State *>(data);
            self->inOwnThread &= QThread::currentThread() == qApp->thread();
            self->ended.step();
        }

        static void onStateChanged(GstBus *, GstMessage *, gpointer data)
        {
            ++static_cast<State *>(data)->stateChanges;
        }

        Countdown ended{1};
        int stateChanges = 0;
        bool inOwnThread = true;
    } state;
    GstElement *pipeline = gst_parse_launch("audiotestsrc num-buffers=10 ! fakesink", nullptr);
    QVERIFY(pipeline);
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    gst_bus_add_signal_watch(bus);
    g_signal_connect(bus, "message::eos", G_CALLBACK(&State::onEos), &state);
    g_signal_connect(bus, "message::state-changed", G_CALLBACK(&State::onStateChanged), &state);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    const bool ended = state.ended.wait();
    gst_bus_remove_signal_watch(bus);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    QVERIFY(ended);
    QVERIFY(state.inOwnThread);
    // Three elements, each by way of READY and PAUSED to PLAYING.
    QCOMPARE(state.stateChanges, 9);
}

void tst_GStreamer::severalPipelines()
{
    constexpr int count = 8;
    Countdown ended(count);
    std::vector<int> ends(count, 0);
    std::vector<std::unique_ptr<Pipeline>> pipelines;
    for (int i = 0; i < count; ++i) {
        const QByteArray buffers = QByteArray::number(10 * (i + 1));
        const QByteArray description = "audiotestsrc num-buffers=" + buffers + " ! fakesink";
        pipelines.push_back(std::make_unique<Pipeline>(description, [&, i](GstMessage *message) {
            if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) {
                ++ends[std::size_t(i)];
                ended.step();
            }
        }));
    }
    for (const auto &pipeline : pipelines)
        pipeline->play();
    QVERIFY(ended.wait());
    QCOMPARE(ends, std::vector<int>(count, 1));
}

void tst_GStreamer::tornDownInsideTheBusCallback()
{
    // Each pipeline's end deletes it, inside of its own watch, and starts the next one there.
    constexpr int count = 10;
    Countdown ended(count);
    int left = count;
    std::unique_ptr<Pipeline> pipeline;
    std::function<void()> start = [&] {
        pipeline = std::make_unique<Pipeline>(
            "audiotestsrc num-buffers=5 ! fakesink", [&](GstMessage *message) {
                if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_EOS)
                    return;
                pipeline.reset();
                ended.step();
                if (--left > 0)
                    start();
            });
        pipeline->play();
    };
    start();
    QVERIFY(ended.wait());
    QVERIFY(!pipeline);
}

void tst_GStreamer::tornDownInsideATimer()
{
    // Messages that are still in the queue go with it.
    int messages = 0;
    auto pipeline = std::make_unique<Pipeline>("audiotestsrc ! fakesink sync=true",
                                               [&](GstMessage *) { ++messages; });
    pipeline->play();
    Countdown gone(1);
    int messagesThen = 0;
    QTimer::singleShot(0, this, [&] {
        pipeline.reset();
        messagesThen = messages;
        gone.step();
    });
    QVERIFY(gone.wait());
    Countdown later(1);
    QTimer::singleShot(20, this, [&] { later.step(); });
    QVERIFY(later.wait());
    QCOMPARE(messages, messagesThen);
}

void tst_GStreamer::appsinkPostsToQt()
{
    // GStreamer's thread pulls the samples and posts them; none is lost, and their order is kept.
    constexpr int count = 500;
    struct Receiver : FunctionQueue
    {
        static GstFlowReturn onSample(GstAppSink *sink, gpointer data)
        {
            auto self = static_cast<Receiver *>(data);
            g_autoptr(GstSample) sample = gst_app_sink_pull_sample(sink);
            if (!sample)
                return GST_FLOW_EOS;
            GstBuffer *buffer = gst_sample_get_buffer(sample);
            const quint64 offset = GST_BUFFER_OFFSET(buffer);
            const gsize size = gst_buffer_get_size(buffer);
            self->post([self, offset, size] { self->receive(offset, size); });
            return GST_FLOW_OK;
        }

        void receive(quint64 offset, gsize size)
        {
            inOwnThread &= QThread::currentThread() == thread();
            inOrder &= offset == samples;
            samples += size / 2;
            ++buffers;
            done.step();
        }

        Countdown done{count + 1};
        int buffers = 0;
        quint64 samples = 0;
        bool inOrder = true;
        bool inOwnThread = true;
    } receiver;
    Pipeline pipeline("audiotestsrc num-buffers=500 samplesperbuffer=100"
                      " ! audio/x-raw,format=S16LE,channels=1 ! appsink name=sink sync=false",
                      [&](GstMessage *message) {
                          if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS)
                              receiver.done.step();
                      });
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline.element()), "sink");
    GstAppSinkCallbacks callbacks = {};
    callbacks.new_sample = &Receiver::onSample;
    gst_app_sink_set_callbacks(GST_APP_SINK(sink), &callbacks, &receiver, nullptr);
    gst_object_unref(sink);
    pipeline.play();
    QVERIFY(receiver.done.wait());
    QCOMPARE(receiver.buffers, count);
    QCOMPARE(receiver.samples, quint64(count * 100));
    QVERIFY(receiver.inOrder);
    QVERIFY(receiver.inOwnThread);
}

void tst_GStreamer::syncHandlerPostsToQt()
{
    // Without a watch: the bus calls in whichever thread posts, which wakes Qt up.
    struct Receiver : FunctionQueue
    {
        static GstBusSyncReply onMessage(GstBus *, GstMessage *message, gpointer data)
        {
            auto self = static_cast<Receiver *>(data);
            if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS)
                self->post([self] { self->ended.step(); });
            return GST_BUS_PASS;
        }

        Countdown ended{1};
    } receiver;
    Pipeline pipeline("audiotestsrc num-buffers=10 ! fakesink", [](GstMessage *) { });
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline.element());
    gst_bus_set_sync_handler(bus, &Receiver::onMessage, &receiver, nullptr);
    pipeline.play();
    QVERIFY(receiver.ended.wait());
    gst_bus_set_sync_handler(bus, nullptr, nullptr, nullptr);
}

void tst_GStreamer::nestedLoopInTheBusCallback()
{
    // The loop that runs inside of a bus callback serves timers, events and another pipeline's bus.
    Countdown ended(1);
    bool innerEnded = false;
    bool timerFired = false;
    Pipeline outer("audiotestsrc num-buffers=5 ! fakesink", [&](GstMessage *message) {
        if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_EOS)
            return;
        Countdown inside(2);
        QTimer::singleShot(1, this, [&] {
            timerFired = true;
            inside.step();
        });
        Pipeline inner("audiotestsrc num-buffers=5 ! fakesink", [&](GstMessage *innerMessage) {
            if (GST_MESSAGE_TYPE(innerMessage) == GST_MESSAGE_EOS) {
                innerEnded = true;
                inside.step();
            }
        });
        inner.play();
        QVERIFY(inside.wait());
        ended.step();
    });
    outer.play();
    QVERIFY(ended.wait());
    QVERIFY(innerEnded);
    QVERIFY(timerFired);
}

void tst_GStreamer::inWorkerThreads()
{
    // A watch belongs to the context of the thread that adds it.
    std::atomic<int> succeeded = 0;
    Countdown returned(2);
    FunctionQueue here;
    std::array<Worker, 2> workers;
    for (Worker &worker : workers) {
        worker.post([&] {
            Countdown ended(1);
            Pipeline pipeline("audiotestsrc num-buffers=20 ! fakesink", [&](GstMessage *message) {
                if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS)
                    ended.step();
            });
            pipeline.play();
            if (ended.wait() && pipeline.inOwnThread())
                ++succeeded;
            here.post([&] { returned.step(); });
        });
    }
    QVERIFY(returned.wait());
    QCOMPARE(succeeded.load(), 2);
}

DISPATCHER_TEST_MAIN(tst_GStreamer)
#include "tst_gstreamer.moc"
