# SPDX-License-Identifier: MIT

import os
import shutil
import subprocess
import sys
import unittest
import zipfile

from programs import BINDING, LIBRARY, SOURCE_FOLDER, ProgramTest, is_installed, main

VERSION = os.environ["VERSION"]


class PythonPackage(ProgramTest):
    def test_installed_by_cmake(self):
        prefix = self.folder / "prefix"
        subprocess.run([os.environ["CMAKE"], "--install", os.environ["BUILD_FOLDER"], "--prefix", prefix],
                       check=True, stdout=subprocess.DEVNULL)
        # What is installed can be moved.
        prefix = prefix.rename(self.folder / "moved")
        [module] = prefix.rglob("glibeventdispatcher.py")
        [library] = prefix.rglob(LIBRARY.name)
        self.check(f"True\n{VERSION}\n{[str(library.resolve())]}\n", """
import glibeventdispatcher
import BINDING.QtCore
glibeventdispatcher.install()
print(glibeventdispatcher.is_active())
print(glibeventdispatcher.__version__)
maps = open("/proc/self/maps").read().splitlines()
print(list({line[line.index("/"):] for line in maps if "libGLibEventDispatcher" in line}))
""", PYTHONPATH=str(module.parent), LD_LIBRARY_PATH=None)

    @unittest.skipUnless(is_installed("setuptools.command.bdist_wheel") or is_installed("wheel.bdist_wheel"),
                         "setuptools or wheel is not installed")
    def test_wheel(self):
        # The build leaves files beside its sources.
        sources = shutil.copytree(SOURCE_FOLDER / "plugin/python", self.folder / "sources")
        subprocess.run([sys.executable, "-c", "import setuptools.build_meta as backend, sys\n"
                                              "backend.build_wheel(sys.argv[1])", self.folder],
                       cwd=sources, check=True, stdout=subprocess.DEVNULL)
        name = f"glibeventdispatcher-{VERSION}"
        with zipfile.ZipFile(self.folder / f"{name}-py3-none-any.whl") as wheel:
            files = {file for file in wheel.namelist() if ".dist-info/" not in file}
            self.assertEqual(files, {"glibeventdispatcher.py"})
            metadata = wheel.read(f"{name}.dist-info/METADATA").decode()
            self.assertIn(f"\nVersion: {VERSION}\n", metadata)


if __name__ == "__main__":
    main(BINDING + ".QtCore")
