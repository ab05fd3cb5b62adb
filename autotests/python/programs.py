# SPDX-License-Identifier: MIT

"""For the tests of the Python module: programs, each in a process of its own."""

import importlib
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

BINDING = os.environ["BINDING"]
SOURCE_FOLDER = pathlib.Path(os.environ["SOURCE_FOLDER"])
LIBRARY = pathlib.Path(os.environ["LIBRARY"])
HAS_WINDOWS = os.environ["WINDOWS"] == "1"

# With QT_NO_GLIB, nothing but the dispatcher can have served GLib.
_ENVIRONMENT = {
    "QT_NO_GLIB": "1",
    "QT_QPA_PLATFORM": "offscreen",
    "QT_FORCE_STDERR_LOGGING": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": str(SOURCE_FOLDER / "plugin/python"),
    "LD_LIBRARY_PATH": str(LIBRARY.parent),
}


def run(source, *arguments, cwd=None, **variables):
    """Runs Python source, in which BINDING stands for the binding; variables that are None are unset."""
    environment = os.environ | _ENVIRONMENT | variables
    environment = {name: value for name, value in environment.items() if value is not None}
    return subprocess.run([sys.executable, "-c", source.replace("BINDING", BINDING), *arguments],
                          cwd=cwd, env=environment, timeout=60, text=True, capture_output=True)


class ProgramTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()

    def check(self, output, source, *arguments, **options):
        """The program says exactly that, and no more on standard error than Qt's offscreen platform."""
        result = run(source, *arguments, **options)
        errors = [line for line in result.stderr.splitlines()
                  if not line.startswith(("This plugin does not support", "QStandardPaths:"))]
        self.assertEqual(errors, [])
        self.assertEqual(result.stdout, output)
        self.assertEqual(result.returncode, 0)


def is_installed(module):
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def main(*modules):
    """Runs the tests of the calling script, which need the modules."""
    missing = [module for module in modules if not is_installed(module)]
    if missing:
        print("not installed for", sys.executable + ":", ", ".join(missing))
        sys.exit(77)
    unittest.main()
