# SPDX-License-Identifier: MIT

"""Lets one thread of a PySide6 or PyQt6 program serve Qt and all sources of GLib.

    from PySide6 import QtWidgets     # or PyQt6
    import glibeventdispatcher

    glibeventdispatcher.install()     # before the application
    app = QtWidgets.QApplication([])

From then on everything that PyGObject offers (GStreamer's bus, Gio's calls, GDBus signals,
GLib.timeout_add()) works beside Qt's widgets, signals and timers, whether or not this Qt was built with
GLib. It needs the library libGLibEventDispatcher.so.1; see install() for where it is looked for.
"""

import ctypes
import importlib
import importlib.util
import os
import pathlib
import re
import sys
import sysconfig

__all__ = ["install", "is_active"]
__version__ = "1.0.0"

_LIBRARY = "libGLibEventDispatcher.so.1"
_BINDINGS = ("PySide6", "PyQt6")


def install():
    """Gives the application that is constructed next in this thread a GLibEventDispatcher.

    If PySide6 or PyQt6 is imported already, then with the Qt of that one; else QtCore is imported from
    the one that is installed. If there is a GLibEventDispatcher already, nothing happens.

    The library is the one in the process if there is one, else the one in the lib folder that this module
    is in, else the one that the dynamic linker finds.

    Raises ImportError if there is no binding, or two to choose from; OSError if the library is not
    found or does not fit the binding's Qt; RuntimeError if there is an application or another
    dispatcher already, if two copies of Qt are loaded, or if QtGui is imported and windows could not
    be served, for a reason that is written to standard error. After each of them, a program can still run on
    Qt's own dispatcher.
    """
    qt_core = _loaded_qt_core() or _import_qt_core()
    if is_active():
        return
    if qt_core.QCoreApplication.instance() is not None:
        raise RuntimeError("too late for a GLibEventDispatcher: the application exists already")
    present = qt_core.QAbstractEventDispatcher.instance()
    if present is not None:
        raise RuntimeError("no GLibEventDispatcher is installed: the program has set its "
                           + present.metaObject().className())
    library = _load_library()
    copies = _copies_of_qt()
    if len(copies) > 1:
        raise RuntimeError("two copies of Qt are loaded: " + ", ".join(copies))
    library.glibeventdispatcher_install(ctypes.c_bool(_has_qt_gui()))
    if not is_active():
        raise RuntimeError("no GLibEventDispatcher is installed; standard error says why")


def is_active():
    """Whether the event dispatcher of this thread is a GLibEventDispatcher, whoever installed it."""
    qt_core = _loaded_qt_core()
    dispatcher = qt_core and qt_core.QAbstractEventDispatcher.instance()
    return dispatcher is not None and dispatcher.metaObject().className() == "GLibEventDispatcher"


def _loaded_qt_core():
    loaded = (sys.modules.get(binding + ".QtCore") for binding in _BINDINGS)
    return next(filter(None, loaded), None)


def _has_qt_gui():
    return any(binding + ".QtGui" in sys.modules for binding in _BINDINGS)


def _import_qt_core():
    bindings = ([binding for binding in _BINDINGS if sys.modules.get(binding)]
                or [binding for binding in _BINDINGS if importlib.util.find_spec(binding)])
    if not bindings:
        raise ImportError("neither PySide6 nor PyQt6 is installed")
    if len(bindings) > 1:
        # Each may have a Qt of its own, and the first to be loaded is the one that is used.
        raise ImportError("PySide6 and PyQt6 are both installed: import the one that the program "
                          "uses before glibeventdispatcher.install() is called")
    return importlib.import_module(bindings[0] + ".QtCore")


def _load_library():
    """Loads the library after Qt, so that it is linked with the Qt that is there."""
    try:
        return ctypes.CDLL(_LIBRARY, os.RTLD_NOW | os.RTLD_NOLOAD)
    except OSError:
        pass
    # lib/python3.x/site-packages/glibeventdispatcher.py, whatever the last two folders are called
    folder = pathlib.Path(__file__).resolve().parent.parent.parent
    multiarch = sysconfig.get_config_var("MULTIARCH") or "."
    for candidate in (folder / multiarch, folder, folder.parent / "lib64"):
        if (candidate / _LIBRARY).exists():
            return ctypes.CDLL(str(candidate / _LIBRARY), os.RTLD_NOW)
    try:
        return ctypes.CDLL(_LIBRARY, os.RTLD_NOW)
    except OSError as error:
        raise OSError(f"{error} (and there is none in {folder})") from None


def _copies_of_qt():
    """The files of Qt Core in this process. A class of one copy is unknown to the other."""
    try:
        maps = pathlib.Path("/proc/self/maps").read_text()
    except OSError:
        return []
    return sorted(set(re.findall(r"/.*/libQt6Core\.so.*", maps)))
