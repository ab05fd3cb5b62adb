# SPDX-License-Identifier: MIT

# Everything is found relative to where it is, so an installation can be moved as a whole.
#
# The components: library, windowsystem, launcher and development; plugin/python adds its own.

include(CMakePackageConfigHelpers)

set(headers_dir ${CMAKE_INSTALL_INCLUDEDIR}/GLibEventDispatcher)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/GLibEventDispatcher)

install(TARGETS GLibEventDispatcher
    EXPORT GLibEventDispatcherTargets
    LIBRARY
        DESTINATION ${CMAKE_INSTALL_LIBDIR}
        COMPONENT library
        NAMELINK_COMPONENT development
    ARCHIVE
        DESTINATION ${CMAKE_INSTALL_LIBDIR}
        COMPONENT development
    INCLUDES DESTINATION ${headers_dir}
)
if(TARGET GLibEventDispatcherWindowSystem)
    install(TARGETS GLibEventDispatcherWindowSystem
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/glibeventdispatcher COMPONENT windowsystem)
endif()
if(TARGET GLibEventDispatcherAutoload)
    install(TARGETS GLibEventDispatcherAutoload
        EXPORT GLibEventDispatcherTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT launcher)
    install(PROGRAMS ${PROJECT_BINARY_DIR}/plugin/autoload/installed/qt-on-glib
        DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT launcher)
    install(FILES ${PROJECT_BINARY_DIR}/plugin/autoload/qt-on-glib.1
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT launcher)
endif()

# The linker finds libraries in /usr by itself.
set(needs_run_path ON)
if(CMAKE_INSTALL_PREFIX MATCHES "^/usr/?$" OR NOT GLIBEVENTDISPATCHER_SHARED)
    set(needs_run_path OFF)
endif()

# A program of the project that this one is a part of is installed beside the library, and finds it
# there.
if(needs_run_path AND NOT PROJECT_IS_TOP_LEVEL)
    file(RELATIVE_PATH libraries_from_programs
        ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
    # In a file, because CMake and the generators do not agree in what becomes of a $.
    file(WRITE ${PROJECT_BINARY_DIR}/runpath "-rpath=$ORIGIN/${libraries_from_programs}\n")
    foreach(target IN ITEMS GLibEventDispatcher GLibEventDispatcherAutoload)
        target_link_options(${target} INTERFACE
            $<BUILD_INTERFACE:LINKER:@${PROJECT_BINARY_DIR}/runpath>)
    endforeach()
endif()

install(
    FILES
        ${PROJECT_SOURCE_DIR}/src/dispatcher/glibeventdispatcher.h
        ${PROJECT_SOURCE_DIR}/src/include/GLibEventDispatcher
        ${PROJECT_SOURCE_DIR}/src/include/GLibSelector
        ${PROJECT_SOURCE_DIR}/src/selector/glibselector.h
        ${PROJECT_BINARY_DIR}/src/glibeventdispatcher_export.h
        ${PROJECT_BINARY_DIR}/src/glibeventdispatcher_version.h
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
set(pc_libs "-L\${libdir}")
if(needs_run_path)
    string(APPEND pc_libs " -Wl,-rpath,\${libdir}")
endif()
set(pc_cflags "")
if(NOT GLIBEVENTDISPATCHER_SHARED)
    set(pc_cflags " -DGLIBEVENTDISPATCHER_STATIC_DEFINE")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/glibeventdispatcher.pc.in glibeventdispatcher.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/glibeventdispatcher.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
