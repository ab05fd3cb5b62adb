// SPDX-License-Identifier: MIT

#include "program.h"

#include <QtCore/QEventLoop>

#include <map>
#include <set>

using namespace Program;

namespace {

using Text = std::string;

const char *const NotifierNames[] = {"read", "write", "exception"};
const char *const NotifierTypes[] = {"Read", "Write", "Exception"};
const char *const TimerTypes[] = {"PreciseTimer", "CoarseTimer", "VeryCoarseTimer"};

Text number(int value)
{
    return std::to_string(value);
}

Text handler(const Operation &operation)
{
    return operation.handler ? "h" + number(operation.handler) : "[] { }";
}

Text flags(int value)
{
    Text text;
    const auto add = [&](int flag, const char *name) {
        if (value & flag)
            text += (text.empty() ? "QEventLoop::" : " | QEventLoop::") + Text(name);
    };
    add(QEventLoop::ExcludeUserInputEvents, "ExcludeUserInputEvents");
    add(QEventLoop::ExcludeSocketNotifiers, "ExcludeSocketNotifiers");
    add(QEventLoop::X11ExcludeTimers, "X11ExcludeTimers");
    add(QEventLoop::WaitForMoreEvents, "WaitForMoreEvents");
    return text.empty() ? "QEventLoop::AllEvents" : text;
}

/// The statement, and the objects it needs in @p declarations.
Text statement(const Operation &o, std::set<Text> &declarations)
{
    const Text target = number(o.target);
    const auto needObject = [&](int object) {
        declarations.insert("auto *object" + number(object) + " = new Receiver;");
        return "object" + number(object);
    };
    const auto needChannel = [&](int channel) {
        declarations.insert("Channel channel" + number(channel) + ";");
        return "channel" + number(channel);
    };
    const auto needWindow = [&] {
        declarations.insert("Window window" + target + ";");
        return "window" + target;
    };
    const auto needNotifier = [&] {
        const Text name = NotifierNames[o.value] + target;
        needChannel(o.target);
        declarations.insert("QSocketNotifier " + name + "(channel" + target + ".reader, QSocketNotifier::"
                            + NotifierTypes[o.value] + "); // disabled");
        return name;
    };
    const auto add = [&](const Text &create) {
        declarations.insert("GSource *source" + target + " = nullptr;");
        return "source" + target + " = " + create + "; g_source_set_priority(source" + target + ", "
            + number(o.value) + "); attach(source" + target + ", " + handler(o) + "); // "
            + number(o.count) + " calls";
    };
    switch (o.kind) {
    case Kind::Exec:
        return "QCoreApplication::exec();";
    case Kind::Nest:
        return "{ QEventLoop loop; loops.push_back(&loop); loop.exec(" + flags(o.option) + "); loops.pop_back(); }";
    case Kind::ProcessEvents:
        return "dispatcher()->processEvents(" + flags(o.option) + ");";
    case Kind::Exit:
        return "loops.end()[-" + number(1 + o.target) + "]->exit(" + number(o.value) + ");";
    case Kind::Quit:
        return "QCoreApplication::exit(" + number(o.value) + ");";
    case Kind::Interrupt:
        return "dispatcher()->interrupt();";
    case Kind::WakeUp:
        return "dispatcher()->wakeUp();";
    case Kind::Throw:
        return "throw 1; // caught around the loop";
    case Kind::Post:
        return "QCoreApplication::postEvent(" + needObject(o.target) + ", new Call(" + handler(o) + "), "
            + number(o.value) + ");";
    case Kind::SendPosted:
        return "QCoreApplication::sendPostedEvents();";
    case Kind::RemovePosted:
        return "QCoreApplication::removePostedEvents(" + needObject(o.target) + ", QEvent::User);";
    case Kind::DeleteLater:
        return needObject(o.target) + "->deleteLater();";
    case Kind::Delete:
        return "delete " + needObject(o.target) + ";";
    case Kind::Move:
        return (o.option ? needNotifier() + "." : needObject(o.target) + "->") + "moveToThread("
            + (o.performer == OtherThreads ? "qApp->thread()" : "&worker") + ");";
    case Kind::WorkerTurn:
        return "dispatcher()->processEvents(QEventLoop::AllEvents); // in the worker, with a dispatcher of the same kind";
    case Kind::StartTimer:
        declarations.insert("QTimer timer" + target + ";");
        return "start(timer" + target + ", " + number(o.value) + " * Unit, Qt::" + TimerTypes[o.option] + ", "
            + handler(o) + "); // " + number(o.count) + " ticks";
    case Kind::StopTimer:
        return "timer" + target + ".stop();";
    case Kind::Enable:
        if (o.target == FileChannel) {
            declarations.insert("FileDescriptor file(::open(\"/proc/self/mountinfo\", O_RDONLY));");
            declarations.insert("QSocketNotifier mounts(file, QSocketNotifier::Exception);");
            return "enable(mounts, " + handler(o) + ");";
        }
        return "enable(" + needNotifier() + ", " + handler(o) + "); // " + number(o.count)
            + " times, then drains or disables";
    case Kind::Disable:
        if (o.target == FileChannel)
            return "mounts.setEnabled(false);";
        return needNotifier() + ".setEnabled(false);";
    case Kind::Write:
        if (o.target == FileChannel)
            return "mount(\"/tmp\", \"/tmp\", nullptr, MS_BIND, nullptr); // in a name space of its own";
        return needChannel(o.target) + ".write();";
    case Kind::Drain:
        return needChannel(o.target) + ".drain();";
    case Kind::HangUp:
        return needChannel(o.target) + ".writer.close();";
    case Kind::Reopen:
        return needChannel(o.target) + " = Channel(); // notifiers disabled before, the same number"
            + (o.option ? ", a duplicate stays open" : "");
    case Kind::NestGLib:
        return "g_main_loop_run(g_main_loop_new(nullptr, false));";
    case Kind::AddIdle:
        return add("g_idle_source_new()");
    case Kind::AddTimeout:
        return add("g_timeout_source_new(" + number(o.option) + " * Unit)");
    case Kind::AddFd:
        return add("g_unix_fd_source_new(" + needChannel(o.option) + ".reader, G_IO_IN)");
    case Kind::RemoveSource:
        declarations.insert("GSource *source" + target + " = nullptr;");
        return "g_source_destroy(source" + target + ");";
    case Kind::ShowWindow:
        return needWindow() + ".show(); // exposed: " + handler(o);
    case Kind::HideWindow:
        return needWindow() + ".hide();";
    case Kind::CloseWindow:
        return needWindow() + ".close(); // closed: " + handler(o);
    case Kind::DestroyWindow:
        return needWindow() + " = Window();";
    case Kind::RequestUpdate:
        return needWindow() + ".requestUpdate(); // updated: " + handler(o);
    case Kind::Input:
        return "queue" + Text(o.option ? "KeyRelease(" : "MouseMove(") + needWindow() + ", " + handler(o)
            + "); // QWindowSystemInterface, if it is shown";
    }
    return {};
}

}

Text Program::toCode(const Operations &operations)
{
    std::set<Text> declarations;
    std::map<int, Text> bodies;
    for (const Operation &operation : operations) {
        Text &body = bodies[operation.performer];
        if (operation.performer == OtherThreads && (operation.delay > 0 || body.empty())) {
            body += "        // after " + number(operation.delay) + " units"
                + (operation.early ? ", just before the main thread sleeps\n" : "\n");
        }
        body += (operation.performer == Main ? "    " : "        ") + statement(operation, declarations) + '\n';
        if (operation.handler > 0)
            bodies[operation.handler];
    }
    Text text;
    for (const Text &declaration : declarations)
        text += "    " + declaration + '\n';
    Text handlers;
    for (const auto &[performer, body] : bodies) {
        if (performer > 0)
            handlers += (handlers.empty() ? "    std::function<void()> h" : ", h") + number(performer);
    }
    text += handlers.empty() ? "" : handlers + ";\n";
    for (const auto &[performer, body] : bodies) {
        if (performer > 0)
            text += "    h" + number(performer) + " = [&] {\n" + body + "    };\n";
    }
    if (bodies.count(OtherThreads))
        text += "    const std::function<void()> otherThreads = [&] {\n" + bodies[OtherThreads] + "    };\n";
    return text + bodies[Main] + "    QCoreApplication::exec(); // until it is idle\n";
}
