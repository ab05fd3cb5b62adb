// SPDX-License-Identifier: MIT

// Installs a GLibEventDispatcher in a program that does not do so itself.
//
// The module interposes the constructors of Qt's application classes. That is the last moment
// at which a dispatcher can be set, so a program that wants one of its own has set it by then; and it
// comes in programs that load Qt late in their lives, too. In any other process nothing ever calls
// in here. Therefore the module links nothing but the C library: Qt and GLib come with the library,
// which is loaded when a constructor is called.
//
// If the module was itself loaded after Qt, or linked behind it, it interposes nothing. Then
// it installs the dispatcher as soon as it is loaded.

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <link.h>
#include <strings.h>
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
    report("not installed, the program runs as it would without it", reason);
}

bool isTurnedOff()
{
    const char *setting = getenv("GLIBEVENTDISPATCHER");
    const auto is = [setting](const char *word) { return strcasecmp(setting, word) == 0; };
    return setting && (is("0") || is("off") || is("no") || is("false"));
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

const char *nameOf(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool isLibrary(const char *path, const char *prefix)
{
    return path && strncmp(nameOf(path), prefix, strlen(prefix)) == 0;
}

bool isQt6(const char *path)
{
    return isLibrary(path, "libQt6");
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

void install(bool withWindows)
{
    static bool failed = false;
    if (failed || isTurnedOff())
        return;
    using Install = bool(bool withWindows);
    void *library = load();
    if (void *function = library ? dlsym(library, InstallFunction) : nullptr) {
        reinterpret_cast<Install *>(function)(withWindows);
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

void *construct(const char *symbol, bool withWindows, const void *caller, void *application, int *argc,
                char **argv, int flags)
{
    ApplicationConstructor *constructor = next(symbol, caller);
    if (!constructor) {
        report("Qt has no such constructor", symbol);
        abort();
    }
    // The name and its parameters are the same in Qt 5.
    if (isQt6(fileOf(reinterpret_cast<const void *>(constructor)).dli_fname))
        install(withWindows);
    return constructor(application, argc, argv, flags);
}

struct Process
{
    dl_phdr_info program{}; // the executable file, which comes first
    bool hasQt6 = false;
    bool hasQt6Gui = false;
};

int look(dl_phdr_info *file, size_t, void *data)
{
    auto *process = static_cast<Process *>(data);
    if (!process->program.dlpi_phdr)
        process->program = *file;
    process->hasQt6 |= isQt6(file->dlpi_name);
    process->hasQt6Gui |= isLibrary(file->dlpi_name, "libQt6Gui");
    return 0;
}

/// Whether this module is one of the libraries that @p program names as its own. If it was preloaded, it is in
/// every process, and must cost next to nothing there.
bool isLinkedWith(const dl_phdr_info &program)
{
    const ElfW(Dyn) *dynamic = nullptr;
    for (int i = 0; i < program.dlpi_phnum; ++i) {
        if (program.dlpi_phdr[i].p_type == PT_DYNAMIC)
            dynamic = reinterpret_cast<const ElfW(Dyn) *>(program.dlpi_addr + program.dlpi_phdr[i].p_vaddr);
    }
    ElfW(Addr) strings = 0;
    for (const ElfW(Dyn) *entry = dynamic; entry && entry->d_tag != DT_NULL; ++entry) {
        if (entry->d_tag == DT_STRTAB)
            strings = entry->d_un.d_ptr;
    }
    // Some C libraries make an address of the offset that is in the file, and some do not.
    if (strings < program.dlpi_addr)
        strings += program.dlpi_addr;
    const char *own = nameOf(ownFile().dli_fname);
    for (const ElfW(Dyn) *entry = dynamic; entry && entry->d_tag != DT_NULL; ++entry) {
        if (entry->d_tag == DT_NEEDED
            && strcmp(nameOf(reinterpret_cast<const char *>(strings + entry->d_un.d_val)), own) == 0)
            return true;
    }
    return false;
}

/// Whether the type information of QCoreApplication is a part of @p program itself.
bool containsQt(const dl_phdr_info &program)
{
    for (int i = 0; i < program.dlpi_phnum; ++i) {
        const ElfW(Phdr) &segment = program.dlpi_phdr[i];
        if (segment.p_type == PT_LOAD && (segment.p_flags & PF_R) && !(segment.p_flags & PF_W)
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
        // Which class the application is going to be of is not known here.
        install(process.hasQt6Gui);
    } else if (!isInFront) {
        // Whoever loaded it kept it to himself. Now it is in front of a Qt that comes later.
        dlopen(ownFile().dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_GLOBAL);
    } else if (!process.hasQt6 && isLinkedWith(process.program) && containsQt(process.program)) {
        reportFailure("it was linked statically with Qt");
    }
}

}

// Constructors are called with the object in front of their parameters. Some ABIs have them return
// the object, so whatever comes back is handed on.
#define STEP_IN_FRONT_OF(function, symbol, withWindows)                                           \
    extern "C" __attribute__((visibility("default"))) void *function(void *, int *, char **, int)  \
        __asm__(symbol);                                                                           \
    void *function(void *application, int *argc, char **argv, int flags)                           \
    {                                                                                              \
        return construct(symbol, withWindows, __builtin_return_address(0), application, argc,      \
                         argv, flags);                                                             \
    }

STEP_IN_FRONT_OF(constructCoreApplication, "_ZN16QCoreApplicationC1ERiPPci", false)
STEP_IN_FRONT_OF(constructCoreApplicationBase, "_ZN16QCoreApplicationC2ERiPPci", false)
STEP_IN_FRONT_OF(constructGuiApplication, "_ZN15QGuiApplicationC1ERiPPci", true)
STEP_IN_FRONT_OF(constructGuiApplicationBase, "_ZN15QGuiApplicationC2ERiPPci", true)
STEP_IN_FRONT_OF(constructWidgetsApplication, "_ZN12QApplicationC1ERiPPci", true)
STEP_IN_FRONT_OF(constructWidgetsApplicationBase, "_ZN12QApplicationC2ERiPPci", true)
