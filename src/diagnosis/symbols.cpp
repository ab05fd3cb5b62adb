// SPDX-License-Identifier: MIT

#include "symbols.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <typeinfo>

#include <cxxabi.h>
#include <dlfcn.h>
#include <link.h>

namespace {

QByteArray demangled(const char *name)
{
    int status = 0;
    const std::unique_ptr<char, void (*)(void *)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
    return text ? QByteArray(text.get()) : QByteArray(name);
}

QByteArray inFile(const Dl_info &info, const void *address)
{
    const char *const slash = std::strrchr(info.dli_fname, '/');
    const auto offset = reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(info.dli_fbase);
    return QByteArray(slash ? slash + 1 : info.dli_fname) + "+0x" + QByteArray::number(qulonglong(offset), 16);
}

}

QByteArray symbolAt(const void *address)
{
    Dl_info info;
    void *extra = nullptr;
#ifdef RTLD_DL_SYMENT
    const bool isFound = dladdr1(address, &info, &extra, RTLD_DL_SYMENT) && info.dli_fname;
#else
    const bool isFound = dladdr(address, &info) && info.dli_fname;
#endif
    if (!isFound)
        return "0x" + QByteArray::number(qulonglong(reinterpret_cast<std::uintptr_t>(address)), 16);
    // It may be that of a function that has ended in front of the address.
    const auto *symbol = static_cast<const ElfW(Sym) *>(extra);
    const auto offset
        = reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(info.dli_saddr);
    if (!info.dli_sname || (symbol && offset >= symbol->st_size))
        return inFile(info, address);
    return demangled(info.dli_sname) + " (" + inFile(info, address) + ')';
}

QByteArray callerAt(const void *returnAddress)
{
    return symbolAt(static_cast<const char *>(returnAddress) - 1);
}

QByteArray classOf(const void *vtable)
{
    // In the Itanium C++ ABI, the type stands in front of the functions. It is nullptr without RTTI. The handler may have
    // unloaded the plugin that both are in.
    Dl_info info;
    const auto *type = vtable && dladdr(vtable, &info) ? static_cast<const std::type_info *const *>(vtable)[-1] : nullptr;
    if (!type)
        return "an object of an unknown class";
    QByteArray name = demangled(type->name());
    // What QML makes of a class.
    if (name.startsWith("QQmlPrivate::QQmlElement<"))
        name = name.mid(25, name.size() - 26).trimmed();
    return name;
}
