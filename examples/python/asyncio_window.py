# SPDX-License-Identifier: MIT

"""asyncio, Gio and widgets in one thread: `python3 asyncio_window.py [PORT]`.

The window lists what is sent to a TCP port of this computer (asyncio) and what changes in the
current folder (Gio). What is typed below the list is sent to everybody who is connected, for example
by `nc localhost 7000`.
"""

import asyncio
import math
import selectors
import sys

from gi.repository import Gio, GLib

try:
    from PySide6 import QtWidgets
except ImportError:
    from PyQt6 import QtWidgets

import glibeventdispatcher


class GLibSelector(selectors.EpollSelector):
    """Waits on GLib's default context, for which an epoll set is one descriptor."""

    watch = None

    def select(self, timeout=None):
        context = GLib.MainContext.default()
        # Only if it is not there: GLib wakes up once for each descriptor that is added or removed.
        if self.watch is None:
            self.watch = GLib.io_add_watch(self.fileno(), GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN,
                                           self.on_ready)
        if timeout:
            timer = GLib.timeout_add(math.ceil(timeout * 1000), lambda: GLib.SOURCE_REMOVE)
        # One iteration, since what it dispatches may give asyncio something to do.
        context.iteration(timeout != 0)
        if timeout and context.find_source_by_id(timer):
            GLib.source_remove(timer)
        return super().select(0)

    def on_ready(self, *_):
        # Once: in a nested Qt or GLib loop nobody reads from the set, and it would stay ready.
        self.watch = None
        return GLib.SOURCE_REMOVE

    def close(self):
        if self.watch is not None:
            GLib.source_remove(self.watch)
        super().close()


class Window(QtWidgets.QWidget):
    def __init__(self, folder):
        super().__init__()
        self.setWindowTitle("asyncio, Gio and Qt")
        self.closed = asyncio.Event()
        self.clients = set()
        self.list = QtWidgets.QListWidget()
        self.entry = QtWidgets.QLineEdit()
        self.entry.returnPressed.connect(self.send)
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(self.list)
        layout.addWidget(self.entry)
        self.monitor = Gio.File.new_for_path(folder).monitor_directory(Gio.FileMonitorFlags.NONE, None)
        self.monitor.connect("changed", self.on_changed)

    def add(self, who, line):
        self.list.addItem(f"{who}: {line}")
        self.list.scrollToBottom()

    def on_changed(self, monitor, file, other_file, event):
        self.add(file.get_basename(), event.value_nick)

    async def serve(self, reader, writer):
        self.clients.add(writer)
        try:
            while line := await reader.readline():
                self.add("network", line.decode(errors="replace").rstrip())
        finally:
            self.clients.remove(writer)
            writer.close()

    def send(self):
        for client in self.clients:
            client.write(self.entry.text().encode() + b"\n")
        self.entry.clear()

    def closeEvent(self, event):
        self.closed.set()


async def main(port):
    window = Window(".")
    server = await asyncio.start_server(window.serve, "localhost", port)
    window.add("port", server.sockets[0].getsockname()[1])
    window.show()
    await window.closed.wait()
    server.close()


if __name__ == "__main__":
    glibeventdispatcher.install()
    app = QtWidgets.QApplication(sys.argv)
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(GLibSelector())) as runner:
        runner.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7000))
