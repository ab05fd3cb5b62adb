# SPDX-License-Identifier: MIT

# The target "uninstall" removes what the last `cmake --install` of this build has installed. The same file is
# the script that does it.

if(NOT CMAKE_SCRIPT_MODE_FILE)
    add_custom_target(uninstall
        COMMAND ${CMAKE_COMMAND} -P ${CMAKE_CURRENT_LIST_FILE}
        WORKING_DIRECTORY ${PROJECT_BINARY_DIR}
        VERBATIM)
    return()
endif()

set(manifest install_manifest.txt)
if(NOT EXISTS ${manifest})
    message(FATAL_ERROR "There is no ${manifest} here, so nothing was installed from this build")
endif()
file(STRINGS ${manifest} files)
set(folders "")
foreach(file IN LISTS files)
    set(file $ENV{DESTDIR}${file})
    message(STATUS "Uninstalling: ${file}")
    file(REMOVE ${file})
    # The project's own folders have its name; others may belong to anybody.
    get_filename_component(folder ${file} DIRECTORY)
    get_filename_component(name ${folder} NAME)
    string(TOLOWER "${name}" name)
    if(name STREQUAL "glibeventdispatcher")
        list(APPEND folders ${folder})
    endif()
endforeach()
list(REMOVE_DUPLICATES folders)
foreach(folder IN LISTS folders)
    file(GLOB rest ${folder}/*)
    if(NOT rest)
        file(REMOVE_RECURSE ${folder})
    endif()
endforeach()
file(REMOVE ${manifest})
