# SPDX-License-Identifier: MIT

# cpack -G DEB makes Debian packages of the components that are installed, if the build was configured with
# -DCMAKE_INSTALL_PREFIX=/usr: then the libraries go where Debian has them. docs/packaging.md tells what
# is in which package.

set(GLIBEVENTDISPATCHER_MAINTAINER
    "The GLibEventDispatcher authors <maintainer@glibeventdispatcher.invalid>" CACHE STRING
    "Who made the Debian packages: a name and an address")
set(GLIBEVENTDISPATCHER_HOMEPAGE "https://glibeventdispatcher.invalid/" CACHE STRING
    "The web page that the Debian packages name")

set(library_package libglibeventdispatcher${PROJECT_VERSION_MAJOR})
# Not named after the library's version: it has the same file for all of them.
set(windowsystem_package glibeventdispatcher-windowsystem)
string(TOLOWER ${GLIBEVENTDISPATCHER_QT} qt)
set(same_version "(= ${PROJECT_VERSION})")
set(debian_dir ${PROJECT_BINARY_DIR}/debian)

set(CPACK_PACKAGE_NAME glibeventdispatcher)
set(CPACK_PACKAGE_VENDOR GLibEventDispatcher)
# Or CPack puts it above each of the descriptions, which have a line of their own for that.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")
set(CPACK_PACKAGE_CONTACT "${GLIBEVENTDISPATCHER_MAINTAINER}")
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE "${GLIBEVENTDISPATCHER_HOMEPAGE}")
set(CPACK_DEBIAN_PACKAGE_SOURCE glibeventdispatcher)
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_GENERATOR DEB)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
if("${CMAKE_BUILD_TYPE} ${CMAKE_CXX_FLAGS}" MATCHES "Deb|-g")
    set(CPACK_DEBIAN_DEBUGINFO_PACKAGE ON)
else()
    set(CPACK_STRIP_FILES ON)
endif()

get_cmake_property(installed_components COMPONENTS)
set(CPACK_COMPONENTS_ALL "")
foreach(component IN ITEMS library windowsystem launcher development python)
    if(component IN_LIST installed_components)
        list(APPEND CPACK_COMPONENTS_ALL ${component})
    endif()
endforeach()

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME ${library_package})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SUGGESTS ${windowsystem_package})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_PROVIDES ${library_package}-${qt})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${debian_dir}/shlibs ${debian_dir}/triggers)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
"Qt 6 event dispatcher that waits on a GLib main context
It lets one thread serve Qt's sockets, timers and events and all sources of
GLib, whether or not Qt was built with GLib.

Programs with windows need ${windowsystem_package} as well.")

set(CPACK_DEBIAN_WINDOWSYSTEM_PACKAGE_NAME ${windowsystem_package})
set(CPACK_DEBIAN_WINDOWSYSTEM_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_WINDOWSYSTEM_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_WINDOWSYSTEM_PACKAGE_DEPENDS "${library_package} ${same_version}")
set(CPACK_COMPONENT_WINDOWSYSTEM_DESCRIPTION
"window-system plugin of the GLib event dispatcher for Qt 6
GLibEventDispatcher lets one thread serve Qt's events and all sources of GLib.
With this plugin, which it loads by itself, it serves windows too.

The plugin uses private interfaces of Qt Gui. It fits the version of Qt that it
was built with and later ones, up to the newest that it was tried with.")

set(CPACK_DEBIAN_LAUNCHER_PACKAGE_NAME qt-on-glib)
set(CPACK_DEBIAN_LAUNCHER_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_LAUNCHER_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_LAUNCHER_PACKAGE_DEPENDS "${library_package} ${same_version}")
set(CPACK_DEBIAN_LAUNCHER_PACKAGE_RECOMMENDS ${windowsystem_package})
set(CPACK_DEBIAN_LAUNCHER_PACKAGE_CONTROL_EXTRA ${debian_dir}/triggers)
set(CPACK_COMPONENT_LAUNCHER_DESCRIPTION
"run Qt 6 programs on an event dispatcher that serves GLib
The command qt-on-glib starts a Qt 6 program, as it is, so that GStreamer,
GIO, GDBus and the like work in its main thread, whether or not its Qt was
built with GLib.

The module that it preloads can also be linked with a program.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libglibeventdispatcher-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
string(JOIN ", " CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "${library_package} ${same_version}" "qt-on-glib ${same_version}"
    "qt6-base-dev (>= ${GLIBEVENTDISPATCHER_QT_VERSION})" "libglib2.0-dev (>= 2.74)")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
"GLib event dispatcher for Qt 6, development files
GLibEventDispatcher lets one thread serve Qt's events and all sources of GLib.

This package has the headers, the CMake package GLibEventDispatcher and the
pkg-config file glibeventdispatcher.")

set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-glibeventdispatcher)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS "${library_package} (>= ${PROJECT_VERSION}), python3:any")
set(CPACK_COMPONENT_PYTHON_DESCRIPTION
"GLib event dispatcher for Qt 6, Python module
GLibEventDispatcher lets one thread serve Qt's events and all sources of GLib.

The module glibeventdispatcher installs it in programs that use PyQt or
PySide.")

# What CPack cannot make, for the script that finishes its packages.
file(WRITE ${debian_dir}/triggers "activate-noawait ldconfig\n")
# Not left to CPack, which wants a version in the name of every library.
file(WRITE ${debian_dir}/shlibs "libGLibEventDispatcher ${PROJECT_VERSION_MAJOR}"
    " ${library_package} (>= ${PROJECT_VERSION}), ${library_package}-${qt}\n")
# std::chrono's types have other names elsewhere.
if(CMAKE_SIZEOF_VOID_P EQUAL 8)
    file(READ ${CMAKE_CURRENT_LIST_DIR}/debian/symbols symbols)
    string(REGEX REPLACE "^(#[^\n]*\n)+" "" symbols "${symbols}")
    string(REGEX REPLACE " [^\n ]*@GLIBEVENTDISPATCHER_1_QT[^\n]*\n" "" common "${symbols}")
    string(REGEX MATCHALL " [^\n ]*@GLIBEVENTDISPATCHER_1_${GLIBEVENTDISPATCHER_QT} [^\n]*\n" own "${symbols}")
    string(CONCAT symbols "${common}" ${own})
    string(REPLACE " #MINVER#" " (>= ${PROJECT_VERSION})" symbols "${symbols}")
    file(CONFIGURE OUTPUT debian/symbols CONTENT "${symbols}" @ONLY)
    list(APPEND CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${debian_dir}/symbols)
endif()

string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${debian_dir}/changelog "glibeventdispatcher (${PROJECT_VERSION}) unstable; urgency=medium

  * What has changed is in CHANGELOG.md of the sources.

 -- ${GLIBEVENTDISPATCHER_MAINTAINER}  ${date}
")

file(READ ${PROJECT_SOURCE_DIR}/LICENSE license)
string(REGEX MATCH "Copyright (\\(c\\) )?([^\n]+)" copyright "${license}")
set(copyright "${CMAKE_MATCH_2}")
string(REGEX REPLACE "^.*\n(Permission .*[^\n])\n*$" "\\1" license "${license}")
string(REPLACE "\n\n" "\n.\n" license "${license}")
string(REPLACE "\n" "\n " license "${license}")
file(WRITE ${debian_dir}/copyright
"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: GLibEventDispatcher
Source: ${GLIBEVENTDISPATCHER_HOMEPAGE}

Files: *
Copyright: ${copyright}
License: Expat
 ${license}
")
file(WRITE ${debian_dir}/qt-on-glib.lintian-overrides
"# A program links it for what it does when it is loaded. It has no interface of its own that could change.
qt-on-glib: shared-library-lacks-version *
qt-on-glib: lacks-unversioned-link-to-shared-library *
qt-on-glib: package-name-doesnt-match-sonames *
")

file(WRITE ${debian_dir}/before.cmake "")
if(NOT CMAKE_INSTALL_PREFIX MATCHES "^/usr/?$")
    file(WRITE ${debian_dir}/before.cmake
"message(FATAL_ERROR \"Packages need a build that was configured with -DCMAKE_INSTALL_PREFIX=/usr\")\n")
endif()
file(WRITE ${debian_dir}/after.cmake
"execute_process(COMMAND bash \"${CMAKE_CURRENT_LIST_DIR}/debian/finish\" \"${debian_dir}\" \${CPACK_PACKAGE_FILES}
    COMMAND_ERROR_IS_FATAL ANY)\n")
set(CPACK_PROJECT_CONFIG_FILE ${debian_dir}/before.cmake)
set(CPACK_POST_BUILD_SCRIPTS ${debian_dir}/after.cmake)

include(CPack)
