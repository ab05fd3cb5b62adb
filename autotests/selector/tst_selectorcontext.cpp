// SPDX-License-Identifier: MIT

#include "selectortest.h"

#include <atomic>
#include <functional>
#include <set>

#include <QtCore/QSemaphore>

#include <glib-unix.h>

/// The selector and GLib: sources dispatched meanwhile, what they may do, and whose context it is.
class tst_SelectorContext : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void usesTheDefaultContextUnlessGivenOne();
    void keepsAReferenceOnTheContext();

    void sourcesAreDispatchedWhileWaiting();
    void sourcesDoNotEndTheSelect();
    void sourcesAreDispatchedByASelectThatDoesNotWait();
    void sourcesWaitForDescriptorsOfTheirOwn();
    void onlyTheGivenContextIsDispatched();
    void busySourceDoesNotHideDescriptors();
    void busySourceDoesNotHideTheTimeout();
    void busyDescriptorDoesNotHideSources();

    void callbackMayAdd();
    void callbackMayAddWhatIsReadyLater();
    void callbackMayRemove();
    void callbackMayModify();
    void callbackMayCloseADescriptor();
    void callbackMayWakeUp();
    void callbackMaySelect();
    void callbackMayRemoveWhatANestedSelectFound();
    void callbackMayClose();
    void prepareFunctionMayAdd();
    void callbackMayReadWhatWasAlwaysReady();
    void checkFunctionMayReplaceWhatWasAlwaysReady();

    void contextIsNotKept();
    void contextIsLeftAsItWas_data();
    void contextIsLeftAsItWas();
    void ownerInThisThreadIsNoHindrance();
    void foreignContextDoesNotHideDescriptors();
    void foreignContextIsTakenWhenItIsFree();
};

namespace {

constexpr auto Read = GLibSelector::Read;
constexpr auto Write = GLibSelector::Write;

using Context = std::unique_ptr<GMainContext, decltype(&g_main_context_unref)>;

Context newContext()
{
    return Context(g_main_context_new(), g_main_context_unref);
}

/// A source of a context that calls a function, until the end of its scope.
class Source
{
public:
    /// At every chance.
    Source(GMainContext *context, std::function<void()> function)
        : Source(g_idle_source_new(), context, std::move(function))
    {
        g_source_set_priority(m_source, G_PRIORITY_DEFAULT);
    }
    Source(GMainContext *context, std::chrono::milliseconds interval,
           std::function<void()> function)
        : Source(g_timeout_source_new(guint(interval.count())), context, std::move(function))
    {
    }
    ~Source()
    {
        g_source_destroy(m_source);
        g_source_unref(m_source);
    }
    Q_DISABLE_COPY_MOVE(Source)

    int count() const { return m_count; }
    void stop() { g_source_destroy(m_source); }

private:
    Source(GSource *source, GMainContext *context, std::function<void()> function)
        : m_source(source)
        , m_function(std::move(function))
    {
        g_source_set_callback(m_source, call, this, nullptr);
        g_source_attach(m_source, context);
    }

    static gboolean call(gpointer data)
    {
        auto *self = static_cast<Source *>(data);
        ++self->m_count;
        self->m_function();
        return G_SOURCE_CONTINUE;
    }

    GSource *const m_source;
    std::atomic<int> m_count{0};
    std::function<void()> m_function;
};

/// How many descriptors a context polls, and which of the first source numbers are in use.
struct Contents
{
    int descriptors = 0;
    std::set<guint> sources;

    explicit Contents(GMainContext *context)
    {
        if (!g_main_context_acquire(context))
            qFatal("the context belongs to another thread");
        gint priority = 0;
        gint timeout = 0;
        std::vector<GPollFD> polled(64);
        g_main_context_prepare(context, &priority);
        descriptors = g_main_context_query(context, G_MAXINT, &timeout, polled.data(),
                                           gint(polled.size()));
        g_main_context_check(context, G_MAXINT, polled.data(), descriptors);
        g_main_context_release(context);
        for (guint id = 1; id < 1000; ++id) {
            if (g_main_context_find_source_by_id(context, id))
                sources.insert(id);
        }
    }

    friend bool operator==(const Contents &a, const Contents &b)
    {
        return a.descriptors == b.descriptors && a.sources == b.sources;
    }
};

/// Another thread that owns a context until release().
class Owner
{
public:
    explicit Owner(GMainContext *context)
        : m_thread([this, context] {
            if (!g_main_context_acquire(context))
                qFatal("the context belongs to another thread");
            m_acquired.release();
            m_released.acquire();
            g_main_context_release(context);
        })
    {
        m_acquired.acquire();
    }
    ~Owner() { release(); }

    void release() { m_released.release(); }

private:
    QSemaphore m_acquired;
    QSemaphore m_released;
    Thread m_thread;
};

bool canBeAcquiredElsewhere(GMainContext *context)
{
    bool acquired = false;
    inAnotherThread([&] {
        acquired = g_main_context_acquire(context);
        if (acquired)
            g_main_context_release(context);
    });
    return acquired;
}

}

void tst_SelectorContext::usesTheDefaultContextUnlessGivenOne()
{
    QCOMPARE(GLibSelector().context(), g_main_context_default());
    QCOMPARE(GLibSelector(nullptr).context(), g_main_context_default());
    const Context context = newContext();
    QCOMPARE(GLibSelector(context.get()).context(), context.get());
}

void tst_SelectorContext::keepsAReferenceOnTheContext()
{
    bool gone = false;
    {
        Context context = newContext();
        GLibSelector selector(context.get());
        // A context that goes away takes its sources with it.
        GSource *source = g_timeout_source_new_seconds(1000);
        g_source_set_callback(
            source, [](gpointer) -> gboolean { return G_SOURCE_CONTINUE; }, &gone,
            [](gpointer data) { *static_cast<bool *>(data) = true; });
        g_source_attach(source, context.get());
        g_source_unref(source);
        context.reset();
        QVERIFY(!gone);
        QVERIFY(!selector.select(0ns));
        selector.close();
        QVERIFY(!gone);
    }
    QVERIFY(gone);
}

void tst_SelectorContext::sourcesAreDispatchedWhileWaiting()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    const Source source(nullptr, 1ms, [&] {
        if (source.count() == 5)
            channel.write();
    });
    QCOMPARE(select(selector), Ready({{channel.here, Read}}));
    QVERIFY(source.count() >= 5);
}

void tst_SelectorContext::sourcesDoNotEndTheSelect()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    const Source timeout(nullptr, 1ms, [] {});
    const Source longTimeout(nullptr, 10s, [] {});
    for (const auto wait : {Duration(300us), Duration(1500us), Duration(50ms)}) {
        const auto start = Clock::now();
        QCOMPARE(select(selector, wait), Ready());
        QVERIFY(Clock::now() - start >= wait);
    }
    QVERIFY(timeout.count() > 0);
    QCOMPARE(longTimeout.count(), 0);
}

void tst_SelectorContext::sourcesAreDispatchedByASelectThatDoesNotWait()
{
    GLibSelector selector;
    const Source source(nullptr, [] {});
    for (int i = 1; i <= 10; ++i) {
        QVERIFY(!selector.select(0ns));
        QCOMPARE(source.count(), i);
    }
}

void tst_SelectorContext::sourcesWaitForDescriptorsOfTheirOwn()
{
    const Channel ours = Channel::pipe();
    const Channel glibs = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(ours.here, Read));
    // The same descriptor for both is fine as well.
    const Channel shared = Channel::pipe();
    QVERIFY(!selector.add(shared.here, Read));
    int calls = 0;
    const auto call = [](gint fd, GIOCondition, gpointer data) -> gboolean {
        drain(fd);
        ++*static_cast<int *>(data);
        return G_SOURCE_CONTINUE;
    };
    const guint first = g_unix_fd_add(glibs.here, G_IO_IN, call, &calls);
    const guint second = g_unix_fd_add(shared.here, G_IO_IN, call, &calls);
    const auto cleanUp = qScopeGuard([&] {
        g_source_remove(first);
        g_source_remove(second);
    });
    QCOMPARE(disturbance(selector), QString());
    glibs.write();
    QCOMPARE(disturbance(selector), QString());
    QCOMPARE(calls, 1);
    ours.write();
    QCOMPARE(select(selector), Ready({{ours.here, Read}}));
    drain(ours.here);
    QCOMPARE(calls, 1);
    // GLib's callback has read it before the results were made.
    shared.write();
    QCOMPARE(disturbance(selector), QString());
    QCOMPARE(calls, 2);
}

void tst_SelectorContext::onlyTheGivenContextIsDispatched()
{
    const Context context = newContext();
    GLibSelector selector(context.get());
    const Source other(nullptr, [] {});
    Source source(context.get(), 1ms, [&] {
        if (source.count() < 3)
            return;
        selector.wakeUp();
        source.stop(); // on a slow machine it would be due once more before the wake-up is looked at
    });
    QVERIFY(!selector.select(Long));
    QCOMPARE(source.count(), 3);
    QCOMPARE(other.count(), 0);
}

void tst_SelectorContext::busySourceDoesNotHideDescriptors()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    const Source source(nullptr, [&] {
        if (source.count() == 20)
            channel.write();
    });
    QCOMPARE(select(selector), Ready({{channel.here, Read}}));
    QVERIFY(source.count() < 25);
    QCOMPARE(select(selector, 0ns), Ready({{channel.here, Read}}));
}

void tst_SelectorContext::busySourceDoesNotHideTheTimeout()
{
    GLibSelector selector;
    const Source source(nullptr, [] {});
    const auto start = Clock::now();
    QCOMPARE(select(selector, 20ms), Ready());
    const auto elapsed = Clock::now() - start;
    QVERIFY(elapsed >= 20ms && elapsed < Long);
    QVERIFY(source.count() > 1);
}

void tst_SelectorContext::busyDescriptorDoesNotHideSources()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.there, Write));
    const Source source(nullptr, [] {});
    for (int i = 1; i <= 20; ++i) {
        QCOMPARE(select(selector), Ready({{channel.there, Write}}));
        QCOMPARE(source.count(), i);
    }
}

void tst_SelectorContext::callbackMayAdd()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    Source source(nullptr, 1ms, [&] {
        selector.add(channel.there, Write);
        source.stop();
    });
    QCOMPARE(select(selector), Ready({{channel.there, Write}}));
}

void tst_SelectorContext::callbackMayAddWhatIsReadyLater()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    Source adder(nullptr, 1ms, [&] {
        selector.add(channel.here, Read);
        adder.stop();
    });
    std::atomic<bool> stop{false};
    const Thread writer([&] {
        while (adder.count() == 0 && !stop)
            std::this_thread::sleep_for(1ms);
        std::this_thread::sleep_for(20ms);
        channel.write();
    });
    const auto stopWriter = qScopeGuard([&] { stop = true; });
    QCOMPARE(select(selector), Ready({{channel.here, Read}}));
}

void tst_SelectorContext::callbackMayRemove()
{
    const Channel first = Channel::socketPair();
    const Channel second = Channel::socketPair();
    GLibSelector selector;
    QVERIFY(!selector.add(first.here, Read));
    QVERIFY(!selector.add(second.here, Read));
    // Ready in the same look, so they compete.
    first.write();
    second.write();
    Source source(nullptr, [&] {
        selector.remove(first.here);
        source.stop();
    });
    QCOMPARE(select(selector), Ready({{second.here, Read}}));

    drain(second.here);
    second.write();
    Source last(nullptr, [&] {
        selector.remove(second.here);
        last.stop();
    });
    QCOMPARE(disturbance(selector), QString());
    QCOMPARE(last.count(), 1);
}

void tst_SelectorContext::callbackMayModify()
{
    const Channel channel = Channel::socketPair();
    GLibSelector selector;
    int data = 0;
    QVERIFY(!selector.add(channel.here, Read));
    channel.write();
    Source source(nullptr, [&] {
        selector.modify(channel.here, Write, &data);
        source.stop();
    });
    QVERIFY(!selector.select(Long));
    const auto ready = selector.takeReady();
    QVERIFY(ready);
    QCOMPARE(ready->events, GLibSelector::Events(Write));
    QCOMPARE(ready->data, &data);
    QVERIFY(!selector.takeReady());

    // Less, which makes what was seen to be ready no longer wanted.
    Source less(nullptr, [&] {
        selector.modify(channel.here, GLibSelector::Exception);
        less.stop();
    });
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorContext::callbackMayCloseADescriptor()
{
    Channel channel = Channel::socketPair();
    const int number = channel.here;
    GLibSelector selector;
    QVERIFY(!selector.add(number, Read));
    channel.write();
    Source source(nullptr, [&] {
        selector.remove(number);
        channel.here.close();
        source.stop();
    });
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorContext::callbackMayWakeUp()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    Source source(nullptr, 1ms, [&] {
        selector.wakeUp();
        source.stop();
    });
    QCOMPARE(select(selector, std::nullopt), Ready());
    QCOMPARE(disturbance(selector), QString());
}

void tst_SelectorContext::callbackMaySelect()
{
    const Channel first = Channel::pipe();
    const Channel second = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(first.here, Read));
    QVERIFY(!selector.add(second.here, Read));

    Ready nested;
    Duration nestedWait{};
    Source source(nullptr, 1ms, [&] {
        source.stop();
        const auto start = Clock::now();
        nested = select(selector, 10ms);
        nestedWait = Clock::now() - start;
        first.write();
        nested.merge(select(selector));
        second.write();
        // These are not taken, so the outer one has to find them.
        selector.select(Long);
    });
    QCOMPARE(select(selector), Ready({{first.here, Read}, {second.here, Read}}));
    QCOMPARE(nested, Ready({{first.here, Read}}));
    QVERIFY(nestedWait >= 10ms);

    // What the nested one took and dealt with is not found again.
    drain(first.here);
    drain(second.here);
    Source taker(nullptr, [&] {
        taker.stop();
        first.write();
        nested = select(selector);
        drain(first.here);
    });
    QCOMPARE(disturbance(selector), QString());
    QCOMPARE(nested, Ready({{first.here, Read}}));
}

void tst_SelectorContext::callbackMayRemoveWhatANestedSelectFound()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    Source source(nullptr, 1ms, [&] {
        source.stop();
        channel.write();
        selector.select(Long);
        selector.remove(channel.here);
    });
    QCOMPARE(disturbance(selector), QString());
    QCOMPARE(source.count(), 1);
}

void tst_SelectorContext::callbackMayClose()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.there, Write));
    Source source(nullptr, [&] {
        selector.close();
        source.stop();
    });
    const auto start = Clock::now();
    const std::error_code error = selector.select(Long);
    QVERIFY(Clock::now() - start < Long);
    QVERIFY(!error || error == std::errc::bad_file_descriptor);
    QVERIFY(!selector.takeReady());
    QVERIFY(selector.select() == std::errc::bad_file_descriptor);
}

void tst_SelectorContext::prepareFunctionMayAdd()
{
    struct Adder
    {
        GSource base;
        GLibSelector *selector;
        int fd;
    };
    static GSourceFuncs functions = {[](GSource *source, gint *timeout) -> gboolean {
                                         auto *adder = reinterpret_cast<Adder *>(source);
                                         *timeout = -1;
                                         if (!adder->selector->find(adder->fd))
                                             adder->selector->add(adder->fd, Read);
                                         return FALSE;
                                     },
                                     nullptr, nullptr, nullptr, nullptr, nullptr};
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    GSource *source = g_source_new(&functions, sizeof(Adder));
    auto *adder = reinterpret_cast<Adder *>(source);
    adder->selector = &selector;
    adder->fd = channel.here;
    g_source_attach(source, nullptr);
    const auto cleanUp = qScopeGuard([&] {
        g_source_destroy(source);
        g_source_unref(source);
    });
    // Nothing was ready and nobody called wakeUp(), so the time has to pass.
    QCOMPARE(disturbance(selector), QString());
    QVERIFY(selector.find(channel.here));
    QVERIFY(!selector.remove(channel.here));
    channel.write();
    QCOMPARE(select(selector), Ready({{channel.here, Read}}));
}

void tst_SelectorContext::callbackMayReadWhatWasAlwaysReady()
{
    const Channel channel = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    channel.write();
    // It comes to be looked for in another way than what is ready now and then.
    for (int i = 0; i < 100; ++i)
        QCOMPARE(select(selector, 0ns), Ready({{channel.here, Read}}));
    const Source source(nullptr, [&] { drain(channel.here); });
    for (int i = 0; i < 10; ++i) {
        QCOMPARE(select(selector, 0ns), Ready());
        channel.write();
    }
}

void tst_SelectorContext::checkFunctionMayReplaceWhatWasAlwaysReady()
{
    struct Replacer
    {
        GSource base;
        GLibSelector *selector;
        int number;
        int idle;
    };
    static GSourceFuncs functions = {[](GSource *, gint *timeout) -> gboolean {
                                         *timeout = -1;
                                         return FALSE;
                                     },
                                     [](GSource *source) -> gboolean {
                                         auto *replacer = reinterpret_cast<Replacer *>(source);
                                         replacer->selector->remove(replacer->number);
                                         reuse(replacer->number, replacer->idle);
                                         replacer->selector->add(replacer->number, Read);
                                         return FALSE;
                                     },
                                     nullptr, nullptr, nullptr, nullptr};
    const Channel channel = Channel::pipe();
    const Channel other = Channel::pipe();
    GLibSelector selector;
    QVERIFY(!selector.add(channel.here, Read));
    channel.write();
    for (int i = 0; i < 100; ++i)
        QCOMPARE(select(selector, 0ns), Ready({{channel.here, Read}}));
    GSource *source = g_source_new(&functions, sizeof(Replacer));
    auto *replacer = reinterpret_cast<Replacer *>(source);
    replacer->selector = &selector;
    replacer->number = channel.here;
    replacer->idle = other.here;
    g_source_attach(source, nullptr);
    const auto cleanUp = qScopeGuard([&] {
        g_source_destroy(source);
        g_source_unref(source);
    });
    QCOMPARE(select(selector, 0ns), Ready());
    other.write();
    QCOMPARE(select(selector), Ready({{channel.here, Read}}));
}

void tst_SelectorContext::contextIsNotKept()
{
    const Context context = newContext();
    GMainContext *const threadDefault = g_main_context_get_thread_default();
    GLibSelector selector(context.get());
    QVERIFY(!g_main_context_is_owner(context.get()));

    bool ownedMeanwhile = false;
    Source source(context.get(), [&] {
        ownedMeanwhile = g_main_context_is_owner(context.get());
        source.stop();
    });
    QVERIFY(!selector.select(1ms));
    QVERIFY(ownedMeanwhile);
    QVERIFY(!g_main_context_is_owner(context.get()));
    QVERIFY(canBeAcquiredElsewhere(context.get()));
    QCOMPARE(g_main_context_get_thread_default(), threadDefault);
}

void tst_SelectorContext::contextIsLeftAsItWas_data()
{
    QTest::addColumn<bool>("isDefault");
    QTest::addColumn<bool>("isClosed");
    QTest::newRow("default, destroyed") << true << false;
    QTest::newRow("default, closed") << true << true;
    QTest::newRow("another, destroyed") << false << false;
    QTest::newRow("another, closed") << false << true;
}

void tst_SelectorContext::contextIsLeftAsItWas()
{
    QFETCH(bool, isDefault);
    QFETCH(bool, isClosed);
    const Context own = newContext();
    GMainContext *const context = isDefault ? g_main_context_default() : own.get();
    const Source source(context, 1000s, [] {});
    const Channel channel = Channel::pipe();
    const Contents before(context);
    QVERIFY(before.descriptors > 0);
    QVERIFY(!before.sources.empty());
    {
        GLibSelector selector(context);
        QVERIFY(!selector.add(channel.here, Read));
        QVERIFY(!selector.add(channel.there, Write));
        for (int i = 0; i < 3; ++i)
            QVERIFY(!selector.select(1ms));
        selector.wakeUp();
        if (isClosed) {
            selector.close();
            QVERIFY(Contents(context) == before);
        }
    }
    QVERIFY(Contents(context) == before);
    QVERIFY(!g_main_context_is_owner(context));
    QVERIFY(canBeAcquiredElsewhere(context));
    QVERIFY(!g_main_context_get_thread_default());
    QVERIFY(::fcntl(channel.here, F_GETFD) >= 0);
    QVERIFY(::fcntl(channel.there, F_GETFD) >= 0);
}

void tst_SelectorContext::ownerInThisThreadIsNoHindrance()
{
    const Context context = newContext();
    const Channel channel = Channel::pipe();
    g_main_context_push_thread_default(context.get());
    {
        GLibSelector selector(context.get());
        QVERIFY(!selector.add(channel.here, Read));
        const Source source(context.get(), 1ms, [&] {
            if (source.count() == 2)
                channel.write();
        });
        QCOMPARE(select(selector), Ready({{channel.here, Read}}));
    }
    QVERIFY(g_main_context_is_owner(context.get()));
    QCOMPARE(g_main_context_get_thread_default(), context.get());
    g_main_context_pop_thread_default(context.get());
    QVERIFY(!g_main_context_is_owner(context.get()));
}

void tst_SelectorContext::foreignContextDoesNotHideDescriptors()
{
    const Context context = newContext();
    const Channel channel = Channel::pipe();
    GLibSelector selector(context.get());
    QVERIFY(!selector.add(channel.here, Read));
    const Source source(context.get(), [] {});
    Owner owner(context.get());

    QCOMPARE(select(selector, 0ns), Ready());
    QCOMPARE(disturbance(selector), QString());
    for (const auto timeout : {Duration(1ms), Duration(20ms), Duration(300us)}) {
        const auto start = Clock::now();
        QCOMPARE(select(selector, timeout), Ready());
        QVERIFY(Clock::now() - start >= timeout);
    }
    channel.write();
    QCOMPARE(select(selector), Ready({{channel.here, Read}}));
    QCOMPARE(select(selector, 0ns), Ready({{channel.here, Read}}));
    drain(channel.here);
    {
        const Thread writer([&] {
            std::this_thread::sleep_for(30ms);
            channel.write();
        });
        QCOMPARE(select(selector), Ready({{channel.here, Read}}));
        drain(channel.here);
    }
    {
        const Thread waker([&] {
            std::this_thread::sleep_for(30ms);
            selector.wakeUp();
        });
        const auto start = Clock::now();
        QCOMPARE(select(selector, Long), Ready());
        QVERIFY(Clock::now() - start < Long);
    }
    // Its sources are the other thread's business.
    QCOMPARE(source.count(), 0);
}

void tst_SelectorContext::foreignContextIsTakenWhenItIsFree()
{
    const Context context = newContext();
    GLibSelector selector(context.get());
    Owner owner(context.get());
    QVERIFY(!selector.select(0ns));

    std::atomic<bool> released{false};
    bool dispatchedBefore = false;
    GThread *dispatcher = nullptr;
    const Source source(context.get(), [&] {
        dispatchedBefore = dispatchedBefore || !released;
        dispatcher = g_thread_self();
        selector.wakeUp();
    });
    const Thread releaser([&] {
        std::this_thread::sleep_for(50ms);
        released = true;
        owner.release();
    });
    const auto start = Clock::now();
    QVERIFY(!selector.select(Long));
    QVERIFY(Clock::now() - start < Long);
    QVERIFY(source.count() > 0);
    QVERIFY(!dispatchedBefore);
    QCOMPARE(dispatcher, g_thread_self());
}

QTEST_APPLESS_MAIN(tst_SelectorContext)

#include "tst_selectorcontext.moc"
