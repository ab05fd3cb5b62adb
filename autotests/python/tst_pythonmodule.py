# SPDX-License-Identifier: MIT

import importlib
import pathlib
import re
import shutil
import unittest

from programs import (BINDING, HAS_WINDOWS, LIBRARY, SOURCE_FOLDER, ProgramTest, is_installed,
                      main, run)

INSTALL = """
import BINDING.QtCore
import glibeventdispatcher
glibeventdispatcher.install()
"""

FAILING_INSTALL = """
try:
    glibeventdispatcher.install()
except Exception as error:
    print(type(error).__name__ + ":", error)
print(glibeventdispatcher.is_active())
"""

# Says which of the two are served.
LOOP = """
from BINDING.QtCore import QCoreApplication, QTimer
from gi.repository import GLib
app = QCoreApplication([])
said = set()
def say(who, enough):
    said.add(who)
    if len(said) == enough:
        app.quit()
GLib.timeout_add(10, say, "GLib", 2)
timer = QTimer()
timer.timeout.connect(lambda: say("Qt", 2))
timer.start(10)
guard = QTimer()
guard.timeout.connect(app.quit)
guard.start(GUARD)
app.exec()
print(*sorted(said))
"""
LONG_LOOP = LOOP.replace("GUARD", "30000")
SHORT_LOOP = LOOP.replace("GUARD", "300")

PRINT_ACTIVE = "\nprint(glibeventdispatcher.is_active())\n"

# A binding with a Qt of its own has it loaded from its own folders.
LOAD_COPY_OF_QT = """
import ctypes, sys
ctypes.CDLL(sys.argv[1])
"""

PRINT_COPIES_OF_QT = """
maps = open("/proc/self/maps").read().splitlines()
print(*sorted({line[line.index("/"):] for line in maps if "libQt6Core" in line}))
"""


class PythonModule(ProgramTest):
    def copy_qt(self):
        importlib.import_module(BINDING + ".QtCore")
        maps = pathlib.Path("/proc/self/maps").read_text()
        copy = self.folder / "libQt6Core.so.6"
        shutil.copy(re.search("/.*/libQt6Core.so.*", maps)[0], copy)
        return copy

    def test_glib_is_served(self):
        self.check("GLib Qt\nTrue\n", INSTALL + LONG_LOOP + PRINT_ACTIVE)

    def test_glib_is_not_served_otherwise(self):
        self.check("Qt\nFalse\n", "import glibeventdispatcher" + SHORT_LOOP + PRINT_ACTIVE)

    def test_before_the_binding_is_imported(self):
        other = "PySide6" if BINDING == "PyQt6" else "PyQt6"
        hide = f"import sys\nsys.modules['{other}'] = None\n"
        self.check("GLib Qt\n", hide + INSTALL.replace("import BINDING.QtCore", "") + LONG_LOOP)

    def test_twice(self):
        self.check("True\nGLib Qt\n", INSTALL + INSTALL + PRINT_ACTIVE + LONG_LOOP + INSTALL)

    def test_glib_loop_outside(self):
        self.check("Qt\n", INSTALL + """
from BINDING.QtCore import QCoreApplication, QTimer
from gi.repository import GLib
app = QCoreApplication([])
loop = GLib.MainLoop()
timer = QTimer()
timer.timeout.connect(lambda: (print("Qt"), loop.quit()))
timer.setSingleShot(True)
timer.start(10)
loop.run()
""")

    @unittest.skipUnless(BINDING == "PySide6" and is_installed("PySide6.QtAsyncio"),
                         "this binding has no QtAsyncio")
    def test_qtasyncio(self):
        self.check("GLib\nasyncio\n", INSTALL + """
import asyncio
from PySide6 import QtAsyncio
from gi.repository import GLib
async def main():
    called = asyncio.get_running_loop().create_future()
    GLib.timeout_add(10, called.set_result, "GLib")
    print(await called)
    await asyncio.sleep(0.01)
    print("asyncio")
QtAsyncio.run(main(), keep_running=False)
""")

    @unittest.skipUnless(is_installed("gi.events"), "this PyGObject has no event loop for asyncio")
    def test_asyncio_of_pygobject(self):
        self.check("Qt\nasyncio\n", INSTALL + """
import asyncio, subprocess, warnings
from BINDING.QtCore import QCoreApplication, QTimer
from gi.events import GLibEventLoopPolicy
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.14 wants no policies any more, PyGObject has nothing else
app = QCoreApplication([])
async def main():
    called = asyncio.get_running_loop().create_future()
    QTimer.singleShot(10, lambda: called.set_result("Qt"))
    print(await called)
    process = await asyncio.create_subprocess_exec("echo", "asyncio", stdout=subprocess.PIPE)
    print((await process.communicate())[0].decode(), end="")
policy = GLibEventLoopPolicy()
asyncio.set_event_loop_policy(policy)
policy.get_event_loop().run_until_complete(main())
""")

    @unittest.skipUnless(HAS_WINDOWS and is_installed(BINDING + ".QtWidgets")
                         and is_installed(BINDING + ".QtTest"),
                         "needs the plugin for programs with windows, QtWidgets and QtTest")
    def test_windows(self):
        self.check("painted\nclicked in a callback of GLib\n", INSTALL + """
from BINDING.QtWidgets import QApplication, QPushButton
from BINDING.QtTest import QTest
from BINDING.QtCore import Qt
from gi.repository import GLib
class Button(QPushButton):
    painted = False
    def paintEvent(self, event):
        super().paintEvent(event)
        if not self.painted:
            print("painted")
        self.painted = True
app = QApplication([])
button = Button("Button")
button.clicked.connect(lambda: (print("clicked in a callback of GLib"), app.quit()))
button.show()
def click():
    if button.painted:
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    return not button.painted
GLib.timeout_add(10, click)
app.exec()
""")

    @unittest.skipUnless(is_installed(BINDING + ".QtGui"), "QtGui is not installed")
    def test_windows_that_could_not_be_served(self):
        # Without the plugin beside it.
        shutil.copy(LIBRARY, self.folder)
        result = run("import BINDING.QtGui\n"
                     "import glibeventdispatcher\n" + FAILING_INSTALL, LD_LIBRARY_PATH=str(self.folder))
        self.assertEqual(result.stdout, "RuntimeError: no GLibEventDispatcher is installed; "
                                        "standard error says why\nFalse\n")
        self.assertIn("GLibEventDispatcher: not installed, as the windows", result.stderr)

    def test_too_late(self):
        self.check("RuntimeError: too late for a GLibEventDispatcher: the application exists already\n"
                   "False\nQt\n",
                   "from BINDING.QtCore import QCoreApplication\n"
                   "import glibeventdispatcher\n"
                   "app = QCoreApplication([])\n" + FAILING_INSTALL
                   + SHORT_LOOP.replace("app = QCoreApplication([])", ""))

    def test_other_dispatcher(self):
        # PyQt6 has no way to make one in Python.
        self.check("RuntimeError: no GLibEventDispatcher is installed: the program has set its Other\n"
                   "False\n",
                   "from BINDING import QtCore\n"
                   "import glibeventdispatcher\n"
                   "class Other(QtCore.QObject):\n"
                   "    instance = classmethod(lambda cls: cls())\n"
                   "QtCore.QAbstractEventDispatcher = Other\n" + FAILING_INSTALL)

    def test_no_binding(self):
        self.check("ImportError: neither PySide6 nor PyQt6 is installed\nFalse\n",
                   "import glibeventdispatcher, sys\n"
                   "sys.modules.update(PySide6=None, PyQt6=None)\n" + FAILING_INSTALL)

    def test_two_bindings_to_choose_from(self):
        for name in ("PySide6", "PyQt6"):
            (self.folder / name).mkdir()
            (self.folder / name / "__init__.py").touch()
        self.check("ImportError: PySide6 and PyQt6 are both installed: import the one that the program "
                   "uses before glibeventdispatcher.install() is called\nFalse\n",
                   "import glibeventdispatcher, sys\n"
                   "sys.path.insert(0, sys.argv[1])\n" + FAILING_INSTALL, str(self.folder))

    def test_no_library(self):
        modules = self.folder / "lib/python3/dist-packages"
        modules.mkdir(parents=True)
        shutil.copy(SOURCE_FOLDER / "plugin/python/glibeventdispatcher.py", modules)
        self.check(f"OSError: {LIBRARY.name}: cannot open shared object file: No such file or directory "
                   f"(and there is none in {self.folder}/lib)\nFalse\nQt\n",
                   "import BINDING.QtCore\n"
                   "import glibeventdispatcher\n" + FAILING_INSTALL + SHORT_LOOP,
                   LD_LIBRARY_PATH=None, PYTHONPATH=str(modules))

    def test_library_that_does_not_load(self):
        (self.folder / LIBRARY.name).write_text("not a library")
        self.check(f"OSError: {self.folder / LIBRARY.name}: file too short "
                   f"(and there is none in {SOURCE_FOLDER})\nFalse\n",
                   "import BINDING.QtCore\n"
                   "import glibeventdispatcher\n" + FAILING_INSTALL, LD_LIBRARY_PATH=str(self.folder))

    def test_binding_with_its_own_qt(self):
        copy = self.copy_qt()
        self.check(f"True\n{copy}\nGLib Qt\n",
                   LOAD_COPY_OF_QT + INSTALL + PRINT_ACTIVE + PRINT_COPIES_OF_QT + LONG_LOOP, str(copy))

    def test_two_copies_of_qt(self):
        copy = self.copy_qt()
        program = "import BINDING.QtCore\n" + LOAD_COPY_OF_QT + "import glibeventdispatcher\n"
        self.check("RuntimeError two\nFalse\n", program + FAILING_INSTALL.replace(
            'print(type(error).__name__ + ":", error)',
            'assert sys.argv[1] in str(error)\n'
            '    print(type(error).__name__, str(error).split()[0])'), str(copy))


if __name__ == "__main__":
    main(BINDING + ".QtCore", "gi")
