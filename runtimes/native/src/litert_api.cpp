#include "litert_api.hpp"

#include <map>
#include <memory>
#include <mutex>

#include "error.hpp"
#include "shared_library.hpp"

namespace edgeshift::litert {
namespace {

const RuntimeLibrary kLibrary = {
    "LiteRT",
    "EDGESHIFT_LITERT",
    "LiteRtCreateEnvironment",
#if defined(__APPLE__)
    {"libLiteRt.dylib", "@rpath/LiteRt.framework/LiteRt"},
#else
    {"libLiteRt.so"},
#endif
    "The Python package ai-edge-litert contains it",
};

template <class Function> void look_up(void *library, const char *name, Function &function) {
    function = reinterpret_cast<Function>(find_function(library, name));
    if (function == nullptr)
        throw Error(ES_NO_RUNTIME, "LiteRT's library has no function " + std::string(name) +
                                       ": versions 2.1.6 to 2.3 have it. Install one of them");
}

} // namespace

const Api &api(const std::string &path) {
    static std::mutex mutex;
    // Never freed: LiteRT must not be unloaded while the process ends.
    static auto &opened = *new std::map<std::string, std::unique_ptr<Api>>;
    const std::lock_guard<std::mutex> lock(mutex);
    std::unique_ptr<Api> &entry = opened[path];
    if (!entry) {
        void *library = open_library(kLibrary, path);
        auto functions = std::make_unique<Api>();
#define EDGESHIFT_LOOK_UP(name, type) look_up(library, "LiteRt" #name, functions->name);
        EDGESHIFT_LITERT_FUNCTIONS(EDGESHIFT_LOOK_UP)
#undef EDGESHIFT_LOOK_UP
        // LiteRT 2.1.6 gave CreateModelFromBuffer another parameter, so an older library would crash. This function is one
        // of those that are new in the 2.1.6 of Linux.
        if (find_function(library, "LiteRtGetBlockWiseQuantization") == nullptr)
            throw Error(ES_NO_RUNTIME, "LiteRT's library is older than version 2.1.6, whose functions have other "
                                       "parameters: install ai-edge-litert 2.1.6 to 2.3");
        functions->folder = folder_of(reinterpret_cast<const void *>(functions->CreateEnvironment));
        entry = std::move(functions);
    }
    return *entry;
}

} // namespace edgeshift::litert
