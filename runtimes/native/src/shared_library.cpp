#include "shared_library.hpp"

#include <cstdlib>

#include <dlfcn.h>

#include "text.hpp"

namespace edgeshift {
namespace {

std::string last_error() {
    const char *text = dlerror();
    return text ? one_line(text) : "unknown error";
}

} // namespace

void *open_library(const RuntimeLibrary &library, const std::string &given) {
    const std::string title = library.title;
    const std::string remedy = "give the path of " + title + "'s library in es_options.library or in the environment " +
                               "variable " + library.variable + ". " + library.package;
    const char *variable = std::getenv(library.variable);
    std::string path = given;
    if (path.empty() && variable != nullptr)
        path = variable;
    if (!path.empty()) {
        if (void *opened = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL))
            return opened;
        throw Error(ES_NO_RUNTIME, title + "'s library cannot be opened: " + last_error() + "; " + remedy);
    }
    if (dlsym(RTLD_DEFAULT, library.function) != nullptr)
        return RTLD_DEFAULT;
    for (const std::string &name : library.names)
        if (void *opened = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL))
            return opened;
    throw Error(ES_NO_RUNTIME, title + "'s library " + quoted(library.names.front()) + " is not installed: " + remedy);
}

void *find_function(void *library, const char *name) { return dlsym(library, name); }

std::string folder_of(const void *function) {
    Dl_info info;
    if (dladdr(function, &info) == 0 || info.dli_fname == nullptr)
        return "";
    const std::string path = info.dli_fname;
    const size_t end = path.rfind('/');
    return end == std::string::npos ? "" : path.substr(0, end);
}

} // namespace edgeshift
