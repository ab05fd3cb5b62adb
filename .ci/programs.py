#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs programs on this dispatcher and on Qt's own, and prints what works in each.

To be run by .ci/programs, which installs the programs. Each one has an X server, a session bus and
a home of its own. It must paint, change its picture at a click and at a key, have GLib's timeouts
dispatched by its main thread, use no CPU time when nothing happens, do what needs GLib in it, and
end with exit code 0 when its window is closed.
"""

import collections
import concurrent.futures
import contextlib
import ctypes
import functools
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zlib

HERE = pathlib.Path(__file__).parent
LAUNCHER = str(HERE / "bin/qt-on-glib")
PROBE = str(HERE / "glibprobe.so")
# Name, command in front of the program, environment.
DISPATCHERS = [
    ("qt-on-glib", [LAUNCHER], {"QT_NO_GLIB": "1"}),
    ("Qt, no GLib", [], {"QT_NO_GLIB": "1"}),
    ("Qt, GLib", [], {}),
]
CHANGED = 300  # pixels; a text cursor that blinks has fewer
PATIENCE = 30  # seconds for anything
STARTING_XVFB = threading.Lock()


def wait_for(condition, seconds=PATIENCE):
    """The first true value of the condition, or its last one when the time is over."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.05)


class Screen:
    """The picture that Xvfb keeps in a file in XWD format."""

    def __init__(self, file):
        data = file.read_bytes()
        header = struct.unpack(">25I", data[:100])
        self.width, self.height, self.stride = header[4], header[5], header[12]
        self.pixels = data[header[0] + 12 * header[19]:]

    def row(self, y, left=0, right=None):
        right = self.width if right is None else right
        start = y * self.stride
        return memoryview(self.pixels)[start + 4 * left:start + 4 * right].cast("I")

    def colours(self):
        return len(set(memoryview(self.pixels).cast("I")))

    def difference(self, other):
        """The number of pixels that differ."""
        count = 0
        for y in range(self.height):
            mine, theirs = self.row(y), other.row(y)
            if mine != theirs:
                count += sum(a != b for a, b in zip(mine, theirs))
        return count


class Run:
    """One program on one dispatcher, from its start to its end."""

    def __init__(self, program, dispatcher, stack):
        self.program = program
        self.home = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.log = self.home / "log"
        self.stack = stack
        (self.home / "run").mkdir(mode=0o700)
        (self.home / "work").mkdir()
        self.environment = {
            **os.environ, "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home / "run"),
            "TMPDIR": str(self.home), "XDG_CURRENT_DESKTOP": "none", "QT_QUICK_BACKEND": "software",
            "NO_AT_BRIDGE": "1",
            # A sandbox needs privileges that a change of root takes away.
            "QTWEBENGINE_DISABLE_SANDBOX": "1",
        }
        reader, writer = os.pipe()
        # Of two that start at once, both may choose the same number. One that resets when its last client leaves refuses
        # those that come meanwhile.
        with STARTING_XVFB, open(reader) as display:
            self.start("Xvfb", "-displayfd", str(writer), "-screen", "0", "800x600x24", "-fbdir",
                       str(self.home), "-nolisten", "tcp", "-noreset", pass_fds=[writer])
            os.close(writer)
            self.environment["DISPLAY"] = ":" + display.readline().strip()
        bus = f"unix:path={self.home}/run/bus"
        self.start("dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={bus}")
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = bus
        wait_for((self.home / "run/bus").exists)

        program.prepare(self)
        _, launcher, more = dispatcher
        # Only the program itself is looked into.
        environment = {**self.environment, **more, "LD_PRELOAD": PROBE, "GLIBPROBE": str(self.home / "glib")}
        self.process = subprocess.Popen(
            [*launcher, *(part.format(run=self) for part in program.command)],
            env=environment, cwd=self.home / "work", stdin=subprocess.DEVNULL,
            stdout=self.log.open("ab"), stderr=subprocess.STDOUT)
        stack.callback(self.kill)

    def start(self, *command, **options):
        """Starts a server that lives as long as this object."""
        process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=self.log.open("ab"), stderr=subprocess.STDOUT, **options)
        self.stack.callback(process.wait)
        self.stack.callback(process.terminate)
        return process

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def do(self, *command):
        """What the command prints; nothing if it fails."""
        result = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        return result.stdout if result.returncode == 0 else ""

    # What is on the screen.

    def screen(self):
        return Screen(self.home / "Xvfb_screen0")

    def settled(self):
        """The screen, when it has stopped to change."""
        last = self.screen()
        for _ in range(20):
            time.sleep(0.3)
            now = self.screen()
            if now.difference(last) < CHANGED:
                break
            last = now
        return now

    def changes(self, action, seconds=5):
        """Whether the screen changes after the action."""
        before = self.settled()
        action()
        return wait_for(lambda: self.screen().difference(before) >= CHANGED, seconds)

    def window(self):
        """Number and geometry of the program's largest window; none if it has ended."""
        if self.process.poll() is not None:
            return None
        windows = []
        for number in self.do("xdotool", "search", "--onlyvisible", "--pid", str(self.process.pid)).split():
            lines = self.do("xdotool", "getwindowgeometry", "--shell", number).split()
            geometry = {key: int(value) for key, value in (line.split("=") for line in lines)}
            if geometry:
                windows.append(geometry)
        return max(windows, key=lambda window: window["WIDTH"] * window["HEIGHT"], default=None)

    # What is looked at, in this order.

    def paints(self):
        if not wait_for(lambda: self.window() or self.process.poll() is not None):
            return False
        painted = wait_for(lambda: self.screen().colours() > 16)
        window = self.window()
        if window:
            # There is no window manager to do so.
            self.do("xdotool", "windowfocus", str(window["WINDOW"]))
        self.settled()
        return painted

    def takes_click(self):
        window = self.window()
        x, y, button = self.program.click
        x = str(window["X"] + int(x * window["WIDTH"]))
        y = str(window["Y"] + int(y * window["HEIGHT"]))
        return self.changes(lambda: self.do("xdotool", "mousemove", x, y, "click", str(button)))

    def takes_key(self):
        return self.changes(lambda: self.do("xdotool", "key", *self.program.keys))

    def ticks_of_glib(self):
        file = pathlib.Path(f"{self.home}/glib.{self.process.pid}")
        counts = file.read_text().split() if file.exists() else []
        return [int(count) for count in counts] if len(counts) == 2 else [0, 0]

    def glib(self):
        """Which thread dispatches GLib's sources of the default context."""
        before = self.ticks_of_glib()
        wait_for(lambda: self.ticks_of_glib()[0] >= before[0] + 3, 3)
        after = self.ticks_of_glib()
        main, other = (now - then for now, then in zip(after, before))
        return "main" if main >= 3 else "other" if other >= 3 else "none" if main + other == 0 else "hardly"

    def idles(self):
        """Whether there are two seconds in which at most 1 % of the CPU is used."""
        def ticks():
            fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])

        def quiet():
            before = ticks()
            time.sleep(2)
            return ticks() - before <= 2

        return wait_for(quiet)

    def ends(self):
        """The exit code, after the window has been closed."""
        self.program.close(self)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(15)
        return "no"

    def close_window(self):
        """Sends WM_DELETE_WINDOW, as a window manager does."""
        x11 = ctypes.CDLL("libX11.so.6")
        x11.XOpenDisplay.restype = ctypes.c_void_p
        x11.XInternAtom.restype = ctypes.c_ulong
        display = ctypes.c_void_p(x11.XOpenDisplay(self.environment["DISPLAY"].encode()))
        protocols, delete = (x11.XInternAtom(display, name, False) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
        window = self.window()["WINDOW"]
        client_message = 33
        event = struct.pack("iLiPLLi5l", client_message, 0, 1, 0, window, protocols, 32, delete, 0, 0, 0, 0)
        x11.XSendEvent(display, ctypes.c_ulong(window), False, ctypes.c_long(0), event.ljust(192, b"\0"))
        x11.XCloseDisplay(display)


class Program:
    """One with a window. The click is a place in it, from 0 to 1, and a button."""

    works = None

    def __init__(self, *command, click=(0.5, 0.5, 3), keys=("Escape",), glib="main"):
        self.command, self.click, self.keys, self.glib = command, click, keys, glib
        self.name = command[0]

    def prepare(self, run):
        pass

    def close(self, run):
        run.close_window()

    def checks(self, run):
        """Name and result, as it is printed, of each thing that is looked at."""
        if not run.paints():
            yield "paints", "no"
            return
        yield "paints", "yes"
        yield "click", "yes" if run.takes_click() else "no"
        yield "key", "yes" if run.takes_key() else "no"
        yield from self.checks_of_any(run)

    def checks_of_any(self, run):
        if self.works:
            yield "works", self.works if self.does_work(run) else "no"
        yield "GLib", run.glib()
        yield "idles", "yes" if run.idles() else "no"
        yield "ends", str(run.ends())


class FileManager(Program):
    works = "sees new files"

    def does_work(self, run):
        def create():
            for number in range(20):
                (run.home / f"work/{number}.txt").touch()
        return run.changes(create)


class VolumeControl(Program):
    works = "connects"

    def prepare(self, run):
        path = run.home / "pulse.socket"
        run.environment["PULSE_SERVER"] = f"unix:{path}"
        run.start("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
                  "-L", "module-null-sink sink_name=null sink_properties=device.description=Loudspeakers",
                  "-L", f"module-native-protocol-unix auth-anonymous=1 socket={path}")
        wait_for(path.exists)

    def does_work(self, run):
        return wait_for(lambda: "pavucontrol" in run.do("pactl", "list", "clients"), 3)


class Terminal(Program):
    def prepare(self, run):
        file = run.home / ".config/qterminal.org/qterminal.ini"
        file.parent.mkdir(parents=True)
        file.write_text("[General]\nAskOnExit=false\n")


class Script(Program):
    """One whose own text is here."""

    def __init__(self, name, interpreter, text, works=None):
        super().__init__(interpreter, "{run.home}/script", keys=("space",), click=(0.5, 0.5, 1))
        self.name, self.text, self.works = name, text, works

    def prepare(self, run):
        (run.home / "script").write_text(self.text)

    def does_work(self, run):
        return wait_for((run.home / "work/done").exists, 3)


class Server(Program):
    """One without windows that speaks HTTP."""

    works = "replies"

    def prepare(self, run):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            run.port = free.getsockname()[1]

    def close(self, run):
        run.process.terminate()

    def checks(self, run):
        yield from self.checks_of_any(run)

    def does_work(self, run):
        def get():
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(f"http://localhost:{run.port}/", timeout=5).status == 200
        return wait_for(get)


QML = """
import QtQuick
Window {
    visible: true; width: 400; height: 300
    Rectangle {
        anchors.fill: parent; focus: true
        gradient: Gradient {
            GradientStop { position: 0; color: "red" }
            GradientStop { id: end; position: 1; color: "blue" }
        }
        Keys.onPressed: end.color = "green"
        MouseArea { anchors.fill: parent; onClicked: end.color = "yellow" }
    }
}
"""

PYTHON = """
import pathlib
from gi.repository import Gio
from PySide6.QtWidgets import QApplication, QPushButton
app = QApplication([])
button = QPushButton("GLib", checkable=True)
button.resize(400, 300)
button.show()
button.setFocus()
def loaded(file, result):
    file.load_contents_finish(result)
    pathlib.Path("done").touch()
Gio.File.new_for_path(__file__).load_contents_async(None, loaded)
app.exec()
"""

PROGRAMS = [
    FileManager("pcmanfm-qt", "{run.home}/work"),
    Program("lximage-qt", "/usr/share/pixmaps/debian-logo.png"),
    Terminal("qterminal"),
    VolumeControl("pavucontrol-qt", click=(0.4, 0.03, 1), keys=("Left",)),
    Program("featherpad", "/etc/protocols"),
    Program("kwrite", "/etc/protocols"),
    # It asks for the class of the dispatcher, by its name, and has a thread for GLib if that is not Qt's. With such a
    # thread it does not always idle, on Qt's own dispatcher either.
    Program("strawberry", click=(0.03, 0.02, 1), glib="other"),
    Program("lxqt-archiver", click=(0.03, 0.02, 1)),
    Program("falkon", "file:///usr/share/doc/falkon/copyright"),
    Script("QML", "qml6", QML),
    Script("PySide6, PyGObject", "python3", PYTHON, works="calls GIO"),
    Server("qbittorrent-nox", "--confirm-legal-notice", "--webui-port={run.port}"),
]
COLUMNS = ["paints", "click", "key", "GLib", "idles", "ends", "works"]
GOOD = {"paints": "yes", "click": "yes", "key": "yes", "idles": "yes", "ends": "0"}


def look(program, dispatcher):
    """What the program does on that dispatcher, by the names of the columns, and what it prints."""
    result = {}
    with contextlib.ExitStack() as stack:
        run = Run(program, dispatcher, stack)
        try:
            result.update(program.checks(run))
        except (OSError, TypeError) as error:
            # Without its process or its window nothing more can be looked at.
            result["ends"] = f"early ({error})"
        log = run.log.read_text(errors="replace")
    return result, log


def write_png(file, rows):
    """The rows are lists of pixels, as Screen has them; the 256 most frequent colours remain."""
    frequent = collections.Counter(pixel & 0xffffff for row in rows for pixel in row).most_common(256)
    palette = [colour.to_bytes(3, "big") for colour, _ in frequent]

    @functools.cache
    def index(pixel):
        colour = (pixel & 0xffffff).to_bytes(3, "big")
        return min(range(len(palette)), key=lambda i: sum((a - b) ** 2 for a, b in zip(palette[i], colour)))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    depth, palette_type, no_filter = 8, 3, b"\0"
    header = struct.pack(">2I5B", len(rows[0]), len(rows), depth, palette_type, 0, 0, 0)
    lines = b"".join(no_filter + bytes(map(index, row)) for row in rows)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"PLTE", b"".join(palette))
                     + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b""))


def take_picture(program, file):
    """The program on Qt's own dispatcher and on this one, side by side, both without Qt's support for GLib."""
    gap, white = 16, 0xffffff
    pictures = []
    for dispatcher in (DISPATCHERS[1], DISPATCHERS[0]):
        with contextlib.ExitStack() as stack:
            run = Run(program, dispatcher, stack)
            run.paints()
            program.does_work(run)
            run.do("xdotool", "mousemove", "799", "599")  # out of the picture
            screen, window = run.settled(), run.window()
            left, right = window["X"], window["X"] + window["WIDTH"]
            pictures.append([list(screen.row(y, left, right))
                             for y in range(window["Y"], window["Y"] + window["HEIGHT"])])
    write_png(file, [[*left, *[white] * gap, *right] for left, right in zip(*pictures)])


def main(arguments):
    if arguments[:1] == ["--picture"]:
        take_picture(next(program for program in PROGRAMS if isinstance(program, VolumeControl)),
                     pathlib.Path(arguments[1]))
        return 0
    chosen = [program for program in PROGRAMS if not arguments or program.name in arguments]
    print(f"{'':20}{'':13}" + "".join(f"{column:8}" for column in COLUMNS))
    failed = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = [(program, dispatcher, pool.submit(look, program, dispatcher))
                for program in chosen for dispatcher in DISPATCHERS]
        for program, dispatcher, run in runs:
            result, log = run.result()
            ours = dispatcher is DISPATCHERS[0]
            print(f"{program.name if ours else '':20}{dispatcher[0]:13}"
                  + "".join(f"{result.get(column, '-'):8}" for column in COLUMNS).rstrip(), flush=True)
            good = {**GOOD, "GLib": program.glib, "works": program.works}
            if program.glib == "other":
                good["idles"] = result.get("idles")  # it is not for us to say how that thread waits
            if ours and any(value != good[column] for column, value in result.items()):
                failed.append((program, log))
    for program, log in failed:
        print(f"\n{program.name} falls short with {DISPATCHERS[0][0]}; it printed:\n{log}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
