# SPDX-License-Identifier: MIT

# Everything is found relative to where it is, so an installation can be moved as a whole.

include(CMakePackageConfigHelpers)

set(headers_dir ${CMAKE_INSTALL_INCLUDEDIR}/GLibEventDispatcher)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/GLibEventDispatcher)

install(TARGETS GLibEventDispatcher GLibEventDispatcherAutoload
    EXPORT GLibEventDispatcherTargets
    LIBRARY
        DESTINATION ${CMAKE_INSTALL_LIBDIR}
        COMPONENT runtime
        NAMELINK_COMPONENT development
    INCLUDES DESTINATION ${headers_dir}
)
if(TARGET GLibEventDispatcherWindowSystem)
    install(TARGETS GLibEventDispatcherWindowSystem
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/glibeventdispatcher COMPONENT runtime)
endif()
install(PROGRAMS ${PROJECT_BINARY_DIR}/plugin/autoload/installed/qt-on-glib
    DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
install(FILES ${PROJECT_BINARY_DIR}/plugin/autoload/qt-on-glib.1
    DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT runtime)

install(
    FILES
        ${PROJECT_SOURCE_DIR}/src/dispatcher/glibeventdispatcher.h
        ${PROJECT_SOURCE_DIR}/src/include/GLibEventDispatcher
        ${PROJECT_SOURCE_DIR}/src/include/GLibSelector
        ${PROJECT_SOURCE_DIR}/src/selector/glibselector.h
        ${PROJECT_BINARY_DIR}/src/glibeventdispatcher_export.h
    DESTINATION ${headers_dir} COMPONENT development
)

install(EXPORT GLibEventDispatcherTargets
    NAMESPACE GLibEventDispatcher::
    DESTINATION ${package_dir} COMPONENT development)
configure_package_config_file(
    ${CMAKE_CURRENT_LIST_DIR}/GLibEventDispatcherConfig.cmake.in GLibEventDispatcherConfig.cmake
    INSTALL_DESTINATION ${package_dir}
    NO_SET_AND_CHECK_MACRO
)
write_basic_package_version_file(GLibEventDispatcherConfigVersion.cmake
    COMPATIBILITY SameMajorVersion)
install(
    FILES
        ${PROJECT_BINARY_DIR}/GLibEventDispatcherConfig.cmake
        ${PROJECT_BINARY_DIR}/GLibEventDispatcherConfigVersion.cmake
    DESTINATION ${package_dir} COMPONENT development
)

file(RELATIVE_PATH prefix_from_pc
    ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" prefix_from_pc "${prefix_from_pc}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/glibeventdispatcher.pc.in glibeventdispatcher.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/glibeventdispatcher.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
