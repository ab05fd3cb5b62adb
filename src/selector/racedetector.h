// SPDX-License-Identifier: MIT

#ifndef RACEDETECTOR_H
#define RACEDETECTOR_H

// For ThreadSanitizer, where Qt and GLib are built without it: it does not see their locks, and so
// has to be told of the order that a lock of theirs gives. Nothing in any other build.

#if defined(__SANITIZE_THREAD__)
#    define RACE_DETECTOR_IS_ON 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define RACE_DETECTOR_IS_ON 1
#    endif
#endif

#ifdef RACE_DETECTOR_IS_ON
#    include <sanitizer/tsan_interface.h>
#endif

namespace RaceDetector {

/// What this thread did with @p object comes before what follows its next seenAfter() elsewhere.
inline void doneBefore([[maybe_unused]] const void *object)
{
#ifdef RACE_DETECTOR_IS_ON
    __tsan_release(const_cast<void *>(object));
#endif
}

inline void seenAfter([[maybe_unused]] const void *object)
{
#ifdef RACE_DETECTOR_IS_ON
    __tsan_acquire(const_cast<void *>(object));
#endif
}

}

#endif
