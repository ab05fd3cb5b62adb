# SPDX-License-Identifier: MIT

# The library needs Qt Core and GLib and nothing else. Whatever is looked for beside them adds
# tests or examples, and the feature summary says which.

find_package(Qt6 6.4 REQUIRED COMPONENTS Core)
set_package_properties(Qt6 PROPERTIES TYPE REQUIRED PURPOSE "Qt 6.4 or later: Qt Core")

find_package(PkgConfig REQUIRED)
pkg_check_modules(GLIB REQUIRED IMPORTED_TARGET glib-2.0>=2.74)
