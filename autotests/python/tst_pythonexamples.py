# SPDX-License-Identifier: MIT

import unittest

from programs import BINDING, HAS_WINDOWS, SOURCE_FOLDER, ProgramTest, main

# Runs an example, with step() called again and again from GLib as soon as there is a window, until it
# returns False.
USE_EXAMPLE = """
import runpy, socket, sys
from BINDING import QtCore, QtTest, QtWidgets
from gi.repository import GLib

def use():
    windows = QtWidgets.QApplication.instance() and QtWidgets.QApplication.topLevelWidgets()
    return step(windows[0]) if windows else True

GLib.timeout_add(20, use)
other = "PySide6" if "BINDING" == "PyQt6" else "PyQt6"
sys.modules[other] = None
example = sys.argv.pop(1)
try:
    runpy.run_path(example, run_name="__main__")
except SystemExit as end:
    print("status", end.code)
"""

PLAYER = """
paused = False

def step(window):
    global paused
    state = window.message.text()
    if state == "playing" and not paused:
        paused = True
        QtTest.QTest.mouseClick(window.button, QtCore.Qt.MouseButton.LeftButton)
    elif state == "paused" and window.button.text() == "Play" and paused:
        print("paused")
        QtTest.QTest.mouseClick(window.button, QtCore.Qt.MouseButton.LeftButton)
    elif state not in ("null", "ready", "paused", "playing", ""):
        print(state)
        window.close()
        return False
    return True
"""

ASYNCIO_WINDOW = """
import selectors

connection = None
typed = False
selects = 0
idle = 0

def select(selector, timeout, original=selectors.EpollSelector.select):
    global selects
    selects += 1
    return original(selector, timeout)

selectors.EpollSelector.select = select

def step(window):
    global connection, typed, selects, idle
    lines = [window.list.item(row).text() for row in range(window.list.count())]
    if connection is None and lines:
        connection = socket.create_connection(("localhost", int(lines[0].removeprefix("port: "))))
        connection.settimeout(0)
        connection.sendall(b"from the network\\n")
        open("file", "w").close()
        return True
    if "network: from the network" not in lines or "file: changes-done-hint" not in lines:
        return True
    if not typed:
        QtTest.QTest.keyClicks(window.entry, "from the keyboard")
        QtTest.QTest.keyClick(window.entry, QtCore.Qt.Key.Key_Return)
        typed = True
    if idle == 0:
        try:
            print(connection.recv(100))
        except BlockingIOError:
            return True
        selects = 0
    idle += 1
    if idle < 20:
        return True
    # This callback ends each wait, and the cursor blinks.
    print("idle" if selects < 80 else selects)
    window.close()
    return False
"""

# What is left is a sink that drops it.
NO_SOUND = ",".join(f"{sink}sink:NONE" for sink in ("alsa", "jackaudio", "openal", "oss4", "oss",
                                                    "pipewire", "pulse"))


def has_gstreamer():
    try:
        import gi
        gi.require_version("Gst", "1.0")
        from gi.repository import Gst
    except (ImportError, ValueError):
        return False
    Gst.init(None)
    return bool(Gst.ElementFactory.find("autoaudiosink") and Gst.ElementFactory.find("audiotestsrc"))


@unittest.skipUnless(HAS_WINDOWS, "the plugin for programs with windows is not built")
class PythonExamples(ProgramTest):
    def use(self, output, step, name, *arguments):
        self.check(output, step + USE_EXAMPLE, str(SOURCE_FOLDER / "examples/python" / name), *arguments,
                   cwd=self.folder, GST_PLUGIN_FEATURE_RANK=NO_SOUND)

    @unittest.skipUnless(has_gstreamer(), "GStreamer is not installed for PyGObject")
    def test_player(self):
        self.use("paused\nend of stream\nstatus 0\n", PLAYER, "player.py")

    def test_asyncio_window(self):
        self.use("b'from the keyboard\\n'\nidle\n", ASYNCIO_WINDOW, "asyncio_window.py", "0")


if __name__ == "__main__":
    main(BINDING + ".QtWidgets", BINDING + ".QtTest", "gi")
