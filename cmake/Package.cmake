# SPDX-License-Identifier: MIT

# cpack -G DEB makes a runtime and a development package. The library goes to the folder of its
# architecture, where Debian has it, if the build was configured with -DCMAKE_INSTALL_PREFIX=/usr.

set(CPACK_PACKAGE_NAME glibeventdispatcher)
set(CPACK_PACKAGE_VENDOR GLibEventDispatcher)
set(CPACK_PACKAGE_CONTACT "GLibEventDispatcher <glibeventdispatcher@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_VERBATIM_VARIABLES ON)

set(runtime_package libglibeventdispatcher${PROJECT_VERSION_MAJOR})
set(development_package libglibeventdispatcher-dev)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME ${runtime_package})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
# Not left to CPack, which wants a version in the name of every library.
file(WRITE ${PROJECT_BINARY_DIR}/debian/shlibs
    "libGLibEventDispatcher ${PROJECT_VERSION_MAJOR} ${runtime_package} (>= ${PROJECT_VERSION})\n")
file(WRITE ${PROJECT_BINARY_DIR}/debian/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA
    ${PROJECT_BINARY_DIR}/debian/shlibs ${PROJECT_BINARY_DIR}/debian/triggers)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION
"It lets one thread serve Qt's sockets, timers and events and all sources of
GLib, whether or not Qt was built with GLib. In this package: the library,
the plugin for programs with windows, and qt-on-glib, which runs Qt 6
programs on the dispatcher that were not built for it.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME ${development_package})
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "${runtime_package} (= ${PROJECT_VERSION}), qt6-base-dev (>= 6.4), libglib2.0-dev (>= 2.74)")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
"The headers, the CMake package GLibEventDispatcher and the pkg-config file
glibeventdispatcher.")

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE RENAME copyright
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${runtime_package} COMPONENT runtime)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE RENAME copyright
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${development_package} COMPONENT development)

include(CPack)
