#include "litert_api.hpp"

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include <dlfcn.h>

#include "error.hpp"
#include "text.hpp"

namespace edgeshift::litert {
namespace {

#if defined(__APPLE__)
const std::vector<std::string> kNames = {"libLiteRt.dylib", "@rpath/LiteRt.framework/LiteRt"};
#else
const std::vector<std::string> kNames = {"libLiteRt.so"};
#endif

constexpr const char *kRemedy = "give the path of LiteRT's library in es_options.library or in the environment variable "
                                "EDGESHIFT_LITERT. The Python package ai-edge-litert contains it";

std::string last_error() {
    const char *text = dlerror();
    return text ? one_line(text) : "unknown error";
}

// Open the library. An app may also have linked it, and then its symbols are in the process already.
void *open_library(const std::string &given) {
    const char *variable = std::getenv("EDGESHIFT_LITERT");
    std::string path = given;
    if (path.empty() && variable != nullptr)
        path = variable;
    if (!path.empty()) {
        if (void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL))
            return library;
        throw Error(ES_NO_RUNTIME, "LiteRT's library cannot be opened: " + last_error() + "; " + kRemedy);
    }
    if (dlsym(RTLD_DEFAULT, "LiteRtCreateEnvironment") != nullptr)
        return RTLD_DEFAULT;
    for (const std::string &name : kNames)
        if (void *library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL))
            return library;
    throw Error(ES_NO_RUNTIME, "LiteRT's library " + quoted(kNames.front()) + " is not installed: " + kRemedy);
}

template <class Function> void look_up(void *library, const char *name, Function &function) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    if (function == nullptr)
        throw Error(ES_NO_RUNTIME, "LiteRT's library has no function " + std::string(name) +
                                       ": versions 2.1.6 to 2.3 have it. Install one of them");
}

// The folder of the library that has a function; empty: not known.
std::string folder_of(const void *function) {
    Dl_info info;
    if (dladdr(function, &info) == 0 || info.dli_fname == nullptr)
        return "";
    const std::string path = info.dli_fname;
    const size_t end = path.rfind('/');
    return end == std::string::npos ? "" : path.substr(0, end);
}

} // namespace

const Api &api(const std::string &path) {
    static std::mutex mutex;
    // Never freed: LiteRT must not be unloaded while the process ends.
    static auto &opened = *new std::map<std::string, std::unique_ptr<Api>>;
    const std::lock_guard<std::mutex> lock(mutex);
    std::unique_ptr<Api> &entry = opened[path];
    if (!entry) {
        void *library = open_library(path);
        auto functions = std::make_unique<Api>();
#define EDGESHIFT_LOOK_UP(name, type) look_up(library, "LiteRt" #name, functions->name);
        EDGESHIFT_LITERT_FUNCTIONS(EDGESHIFT_LOOK_UP)
#undef EDGESHIFT_LOOK_UP
        // LiteRT 2.1.6 gave CreateModelFromBuffer another parameter, so an older library would crash. This function is one
        // of those that are new in the 2.1.6 of Linux.
        if (dlsym(library, "LiteRtGetBlockWiseQuantization") == nullptr)
            throw Error(ES_NO_RUNTIME, "LiteRT's library is older than version 2.1.6, whose functions have other "
                                       "parameters: install ai-edge-litert 2.1.6 to 2.3");
        functions->folder = folder_of(reinterpret_cast<const void *>(functions->CreateEnvironment));
        entry = std::move(functions);
    }
    return *entry;
}

} // namespace edgeshift::litert
