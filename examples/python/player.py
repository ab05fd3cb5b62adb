# SPDX-License-Identifier: MIT

"""A window that plays a file or URI, or a tone: `python3 player.py [FILE]`.

GStreamer's bus messages come through GLib, everything else through Qt, in one thread.
"""

import pathlib
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

try:
    gi.require_version("GLibUnix", "2.0")
    from gi.repository.GLibUnix import signal_add
except (ImportError, ValueError):  # older PyGObject or GLib
    signal_add = GLib.unix_signal_add

try:
    from PySide6 import QtCore, QtWidgets
except ImportError:
    from PyQt6 import QtCore, QtWidgets

import glibeventdispatcher


class Player(QtWidgets.QWidget):
    def __init__(self, pipeline):
        super().__init__()
        self.setWindowTitle("Player")
        self.pipeline = pipeline
        self.button = QtWidgets.QPushButton()
        self.button.clicked.connect(lambda: self.set_playing(not self.playing))
        self.position = QtWidgets.QProgressBar()
        self.message = QtWidgets.QLabel()
        layout = QtWidgets.QHBoxLayout(self)
        for widget in (self.button, self.position, self.message):
            layout.addWidget(widget)

        bus = pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::state-changed", self.on_state_changed)
        bus.connect("message::eos", lambda bus, message: self.finish("end of stream"))
        bus.connect("message::error",
                    lambda bus, message: self.finish(message.parse_error()[0].message))
        self.timer = QtCore.QTimer(self, interval=100)
        self.timer.timeout.connect(self.show_position)
        self.timer.start()
        self.set_playing(True)

    def set_playing(self, playing):
        self.playing = playing
        self.button.setText("Pause" if playing else "Play")
        self.pipeline.set_state(Gst.State.PLAYING if playing else Gst.State.PAUSED)

    def on_state_changed(self, bus, message):
        if message.src == self.pipeline:
            self.message.setText(message.parse_state_changed().newstate.value_nick)

    def finish(self, reason):
        self.show_position()
        self.button.setEnabled(False)
        self.message.setText(reason)
        self.pipeline.set_state(Gst.State.NULL)

    def show_position(self):
        known, position = self.pipeline.query_position(Gst.Format.TIME)
        measured, duration = self.pipeline.query_duration(Gst.Format.TIME)
        if known and measured:
            self.position.setRange(0, duration // Gst.MSECOND)
            self.position.setValue(position // Gst.MSECOND)

    def closeEvent(self, event):
        self.pipeline.set_state(Gst.State.NULL)


def make_pipeline(file):
    if file is None:
        return Gst.parse_launch("audiotestsrc wave=ticks num-buffers=200 ! autoaudiosink")
    pipeline = Gst.ElementFactory.make("playbin")
    pipeline.set_property("uri", file if Gst.uri_is_valid(file) else pathlib.Path(file).resolve().as_uri())
    return pipeline


def main():
    Gst.init(None)
    glibeventdispatcher.install()
    app = QtWidgets.QApplication(sys.argv)
    # Python's own handlers wait for Python code to run, which may take long in a Qt loop.
    signal_add(GLib.PRIORITY_DEFAULT, signal.SIGINT, app.quit)
    player = Player(make_pipeline(sys.argv[1] if len(sys.argv) > 1 else None))
    player.show()
    status = app.exec()
    player.pipeline.set_state(Gst.State.NULL)
    return status


if __name__ == "__main__":
    sys.exit(main())
