// SPDX-License-Identifier: MIT

#ifndef THREADNUMBER_H
#define THREADNUMBER_H

#ifdef __linux__
#    include <sys/syscall.h>
#    include <unistd.h>
#else
#    include <pthread.h>
#endif

/// The calling thread, as debuggers show it.
inline long threadNumber()
{
#ifdef __linux__
    return syscall(SYS_gettid);
#else
    return (long)pthread_self(); // a number on some systems, and a pointer on others
#endif
}

#endif
