# SPDX-License-Identifier: MIT

# The project's own targets link this; users of the library do not inherit it.
add_library(glibeventdispatcher_flags INTERFACE)
target_compile_features(glibeventdispatcher_flags INTERFACE cxx_std_17)
target_compile_options(glibeventdispatcher_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
    -Woverloaded-virtual -Wold-style-cast
    # Qt Test's QSKIP() with a message alone.
    $<$<CXX_COMPILER_ID:Clang>:-Wno-gnu-zero-variadic-macro-arguments>
    $<$<BOOL:${GLIBEVENTDISPATCHER_WERROR}>:-Werror>
)
target_compile_definitions(glibeventdispatcher_flags INTERFACE
    QT_NO_KEYWORDS
    QT_NO_CAST_FROM_ASCII
    QT_NO_CAST_TO_ASCII
    # The oldest GLib supported; what is deprecated later is still there in it.
    GLIB_VERSION_MIN_REQUIRED=GLIB_VERSION_2_74
    GLIB_VERSION_MAX_ALLOWED=GLIB_VERSION_2_74
)
if(GLIBEVENTDISPATCHER_SANITIZE)
    target_compile_options(glibeventdispatcher_flags INTERFACE
        -fsanitize=${GLIBEVENTDISPATCHER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(glibeventdispatcher_flags INTERFACE
        -fsanitize=${GLIBEVENTDISPATCHER_SANITIZE})
endif()
