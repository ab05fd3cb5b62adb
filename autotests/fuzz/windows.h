// SPDX-License-Identifier: MIT

#ifndef WINDOWS_H
#define WINDOWS_H

#include <QtCore/QCoreApplication>

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

/// The windows of a program. Without Qt Gui there are none, and nothing calls them.
class Windows
{
public:
    enum Event { Input, Exposed, Update, Closed };
    static constexpr int EventCount = 4;
    using Happened = std::function<void(int window, Event event, int input)>;

    explicit Windows(Happened happened);
    ~Windows();
    Q_DISABLE_COPY_MOVE(Windows)

    /// Whether they were built, and the platform "offscreen" can be had.
    static bool areSupported();
    static std::unique_ptr<QCoreApplication> makeApplication(int &argc, char **argv, bool quitsWithLastWindow);
    /// Has windows updated at times at which nothing else happens in programs.
    static void separateUpdates();
    /// How long the platform waits before it updates a window.
    static std::chrono::milliseconds updateDelay();
    /// How many events of the window system are queued, those of input included or not.
    static int queued(bool withInput);

    void show(int window);
    bool isShown(int window) const;
    void hide(int window);
    void close(int window);
    void destroy(int window);
    /// Returns whether there is none pending yet, and the window can have one.
    bool requestUpdate(int window);
    /// From any thread, as a platform does. The number @p input comes with it.
    void queueInput(int window, int input, bool isKey);
    bool isExposed(int window) const;

private:
    class Window;

    Happened m_happened;
    std::vector<std::unique_ptr<Window>> m_windows;
};

#endif
