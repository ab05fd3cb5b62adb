// SPDX-License-Identifier: MIT

// Installs a GLibEventDispatcher in a program that does not do so itself.
//
// The module steps in front of the constructors of Qt's application classes. That is the last moment
// at which a dispatcher can be set, so a program that wants one of its own has set it by then; and it
// comes in programs that load Qt late in their lives, too. In any other process nothing ever calls
// in here. Therefore the module links nothing but the C library: Qt and GLib come with the library,
// which is loaded when a constructor is called.
//
// If the module was itself loaded after Qt, or linked behind it, it is not in front of anything. Then
// it installs the dispatcher as soon as it is loaded.

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

namespace {

constexpr char LibraryName[] = "libGLibEventDispatcher.so." GLIBEVENTDISPATCHER_SOVERSION;
constexpr char InstallFunction[] = "glibeventdispatcher_install";

// Itanium C++ ABI names of QCoreApplication's constructor and of the type's name.
constexpr char Constructor[] = "_ZN16QCoreApplicationC1ERiPPci";
constexpr char TypeName[] = "\0" "16QCoreApplication";

void report(const char *message, const char *detail)
{
    dprintf(STDERR_FILENO, "GLibEventDispatcher: %s: %s: %s\n", program_invocation_short_name, message,
            detail);
}

void reportFailure(const char *reason)
{
    report("not installed, the program runs on Qt's own event dispatcher", reason);
}

bool isTurnedOff()
{
    const char *setting = getenv("GLIBEVENTDISPATCHER");
    return setting && strcmp(setting, "off") == 0;
}

/// Preloaded, it is in every process that the program starts, and must cost next to nothing there.
bool isPreloaded()
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded && strstr(preloaded, "libGLibEventDispatcherAutoload");
}

/// The file that @p address was loaded from.
Dl_info fileOf(const void *address)
{
    Dl_info info{};
    dladdr(address, &info);
    return info;
}

Dl_info ownFile()
{
    return fileOf(&LibraryName);
}

bool isOwn(const void *address)
{
    return fileOf(address).dli_fbase == ownFile().dli_fbase;
}

bool isQt6(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : nullptr;
    const char *name = slash ? slash + 1 : path;
    return name && strncmp(name, "libQt6", strlen("libQt6")) == 0;
}

/// Loads the library, from where this module is if it is there.
void *load()
{
    // A second copy beside the program's own would have all its classes twice.
    if (void *present = dlopen(LibraryName, RTLD_NOW | RTLD_NOLOAD))
        return present;
    char path[4096];
    const char *own = ownFile().dli_fname;
    const char *slash = strrchr(own, '/');
    const int folder = slash ? int(slash + 1 - own) : 0;
    const int length = snprintf(path, sizeof path, "%.*s%s", folder, own, LibraryName);
    const bool isThere = slash && length < int(sizeof path) && access(path, F_OK) == 0;
    return dlopen(isThere ? path : LibraryName, RTLD_NOW);
}

void install()
{
    static bool failed = false;
    if (failed || isTurnedOff())
        return;
    using Install = void();
    void *library = load();
    if (void *function = library ? dlsym(library, InstallFunction) : nullptr) {
        reinterpret_cast<Install *>(function)();
        return;
    }
    failed = true;
    const char *problem = dlerror();
    reportFailure(problem ? problem : "no reason given");
}

using ApplicationConstructor = void *(void *application, int *argc, char **argv, int flags);

/// The constructor called @p symbol that @p caller would have called without this module.
ApplicationConstructor *next(const char *symbol, const void *caller)
{
    // What was loaded at run time is bound to its own dependencies, and so finds the Qt that it was
    // linked with even if there are two.
    link_map *file = nullptr;
    Dl_info info;
    dladdr1(caller, &info, reinterpret_cast<void **>(&file), RTLD_DL_LINKMAP);
    const bool isProgram = !file || !*file->l_name;
    void *handle = dlopen(isProgram ? nullptr : file->l_name, RTLD_LAZY | RTLD_NOLOAD);
    void *found = handle ? dlsym(handle, symbol) : nullptr;
    if (!found || isOwn(found))
        found = dlsym(RTLD_NEXT, symbol);
    return reinterpret_cast<ApplicationConstructor *>(found);
}

void *construct(const char *symbol, const void *caller, void *application, int *argc, char **argv,
                int flags)
{
    ApplicationConstructor *constructor = next(symbol, caller);
    if (!constructor) {
        report("Qt has no such constructor", symbol);
        abort();
    }
    // The name and its parameters are the same in Qt 5.
    if (isQt6(fileOf(reinterpret_cast<const void *>(constructor)).dli_fname))
        install();
    return constructor(application, argc, argv, flags);
}

struct Process
{
    dl_phdr_info program{}; // the executable file, which comes first
    bool hasQt6 = false;
};

int look(dl_phdr_info *file, size_t, void *data)
{
    auto *process = static_cast<Process *>(data);
    if (!process->program.dlpi_phdr)
        process->program = *file;
    process->hasQt6 |= isQt6(file->dlpi_name);
    return 0;
}

/// Whether the type information of QCoreApplication is a part of @p program itself.
bool containsQt(const dl_phdr_info &program)
{
    for (int i = 0; i < program.dlpi_phnum; ++i) {
        const ElfW(Phdr) &segment = program.dlpi_phdr[i];
        if (segment.p_type == PT_LOAD && !(segment.p_flags & PF_W)
            && memmem(reinterpret_cast<const void *>(program.dlpi_addr + segment.p_vaddr),
                      segment.p_filesz, TypeName, sizeof TypeName))
            return true;
    }
    return false;
}

__attribute__((constructor)) void loaded()
{
    if (isTurnedOff())
        return;
    Process process;
    dl_iterate_phdr(look, &process);

    void *program = dlopen(nullptr, RTLD_LAZY);
    const void *found = dlsym(program, Constructor);
    dlclose(program);
    const bool isInFront = found && isOwn(found);

    if (!isInFront && process.hasQt6) {
        install();
    } else if (!isInFront) {
        // Whoever loaded it kept it to himself. Now it is in front of a Qt that comes later.
        dlopen(ownFile().dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_GLOBAL);
    } else if (!process.hasQt6 && !isPreloaded() && containsQt(process.program)) {
        reportFailure("it was linked statically with Qt");
    }
}

}

// Constructors are called with the object in front of their parameters. Some ABIs have them return
// the object, so whatever comes back is handed on.
#define STEP_IN_FRONT_OF(function, symbol)                                                         \
    extern "C" __attribute__((visibility("default"))) void *function(void *, int *, char **, int)  \
        __asm__(symbol);                                                                           \
    void *function(void *application, int *argc, char **argv, int flags)                           \
    {                                                                                              \
        return construct(symbol, __builtin_return_address(0), application, argc, argv, flags);     \
    }

STEP_IN_FRONT_OF(constructCoreApplication, "_ZN16QCoreApplicationC1ERiPPci")
STEP_IN_FRONT_OF(constructCoreApplicationBase, "_ZN16QCoreApplicationC2ERiPPci")
STEP_IN_FRONT_OF(constructGuiApplication, "_ZN15QGuiApplicationC1ERiPPci")
STEP_IN_FRONT_OF(constructGuiApplicationBase, "_ZN15QGuiApplicationC2ERiPPci")
STEP_IN_FRONT_OF(constructWidgetsApplication, "_ZN12QApplicationC1ERiPPci")
STEP_IN_FRONT_OF(constructWidgetsApplicationBase, "_ZN12QApplicationC2ERiPPci")
