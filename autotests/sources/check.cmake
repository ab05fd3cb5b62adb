# SPDX-License-Identifier: MIT

# Checks that each file names its license, that the links between the documents lead somewhere, that the tests
# they name exist, and that autotests/README.md names the tests of each file of the library.
cmake_minimum_required(VERSION 3.22)

set(failed FALSE)
function(complain message)
    message(NOTICE "${message}")
    set(failed TRUE PARENT_SCOPE)
endfunction()

# The top level may have build folders, whatever they are called.
file(GLOB files RELATIVE ${SOURCES} ${SOURCES}/*)
list(FILTER files INCLUDE REGEX "\\.(md|txt)$|^\\.git[a-z]+$|^\\.clang-format$")
foreach(folder IN ITEMS .ci autotests cmake docs examples plugin src)
    file(GLOB_RECURSE in_folder RELATIVE ${SOURCES} ${SOURCES}/${folder}/*)
    list(APPEND files ${in_folder})
endforeach()
# JSON has no comments, and Python's tools leave files behind.
list(FILTER files EXCLUDE REGEX "\\.png$|\\.json(\\.in)?$|__pycache__|\\.egg-info/|^plugin/python/build/")

foreach(file IN LISTS files)
    file(STRINGS ${SOURCES}/${file} license LIMIT_INPUT 1000 LIMIT_COUNT 1 REGEX "SPDX-License-Identifier: MIT")
    if(NOT license)
        complain("${file}: no line with SPDX-License-Identifier: MIT")
    endif()
endforeach()

set(documents ${files})
list(FILTER documents INCLUDE REGEX "\\.md$")
foreach(document IN LISTS documents)
    file(READ ${SOURCES}/${document} text)
    get_filename_component(folder ${document} DIRECTORY)
    # Brackets keep CMake's lists together.
    string(REPLACE "](" "LINK(" text "${text}")
    string(REGEX REPLACE "[][;]" "" text "${text}")
    string(REGEX MATCHALL "LINK\\([^):# ]+[)#]" links "${text}")
    foreach(link IN LISTS links)
        string(REGEX REPLACE "^LINK.(.*).$" "\\1" link "${link}")
        if(NOT EXISTS "${SOURCES}/${folder}/${link}")
            complain("${document}: there is no ${link}")
        endif()
    endforeach()
    string(REGEX MATCHALL "tst_[a-z0-9]+" tests "${text}")
    list(REMOVE_DUPLICATES tests)
    foreach(test IN LISTS tests)
        # The numbers of GTK's versions are not in the name of the file.
        string(REGEX REPLACE "[0-9]$" "" name ${test})
        file(GLOB found ${SOURCES}/autotests/*/${name}.* ${SOURCES}/autotests/*/${test}.*)
        if(NOT found)
            complain("${document}: there is no test ${test}")
        endif()
    endforeach()
endforeach()

file(READ ${SOURCES}/autotests/README.md text)
set(library ${files})
list(FILTER library INCLUDE REGEX "^src/.*\\.(cpp|h)$")
foreach(file IN LISTS library)
    get_filename_component(name ${file} NAME_WE)
    string(REGEX REPLACE "_p$" "" name ${name})
    if(NOT text MATCHES "`${name}`")
        complain("autotests/README.md: names no test of ${file}")
    endif()
endforeach()

if(failed)
    message(FATAL_ERROR "See above.")
endif()
