# SPDX-License-Identifier: MIT

# The library needs Qt Core and GLib and nothing else. Whatever is looked for beside them adds
# tests or examples, and the feature summary says which.

find_package(Qt6 6.4 REQUIRED COMPONENTS Core)
set_package_properties(Qt6 PROPERTIES TYPE REQUIRED PURPOSE "Qt 6.4 or later: Qt Core")

find_package(PkgConfig REQUIRED)
pkg_check_modules(GLIB REQUIRED IMPORTED_TARGET glib-2.0>=2.74)

# The first Qt that has the base class of this build's dispatcher: Qt 6.8 brought
# QAbstractEventDispatcherV2. Programs are built for one of the two, see docs/packaging.md.
set(GLIBEVENTDISPATCHER_QT_VERSION 6.4)
if(Qt6_VERSION VERSION_GREATER_EQUAL 6.8)
    set(GLIBEVENTDISPATCHER_QT_VERSION 6.8)
endif()
string(REPLACE "." "" GLIBEVENTDISPATCHER_QT QT${GLIBEVENTDISPATCHER_QT_VERSION})

# Shared unless the user wants otherwise. option() would decide for the libraries of the project that
# this one may be a part of.
set(GLIBEVENTDISPATCHER_SHARED ON)
if(DEFINED BUILD_SHARED_LIBS AND NOT BUILD_SHARED_LIBS)
    set(GLIBEVENTDISPATCHER_SHARED OFF)
endif()
