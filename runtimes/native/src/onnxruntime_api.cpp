#include "onnxruntime_api.hpp"

#include <map>
#include <memory>
#include <mutex>

#include "error.hpp"
#include "shared_library.hpp"
#include "text.hpp"

namespace edgeshift::onnxruntime {
namespace {

const RuntimeLibrary kLibrary = {
    "ONNX Runtime",
    "EDGESHIFT_ONNXRUNTIME",
    "OrtGetApiBase",
    {"libonnxruntime.so", "libonnxruntime.so.1"},
    "For Android, com.microsoft.onnxruntime:onnxruntime-android contains it, and for Linux the Python package onnxruntime",
};

// What OrtGetApiBase returns.
struct Base {
    const void *const *(*GetApi)(uint32_t version); // the table; nullptr: the library is older
    const char *(*GetVersionString)();
};

} // namespace

const Api &api(const std::string &path) {
    static std::mutex mutex;
    static auto &opened = *new std::map<std::string, std::unique_ptr<Api>>; // never freed, as the library is never closed
    const std::lock_guard<std::mutex> lock(mutex);
    std::unique_ptr<Api> &entry = opened[path];
    if (!entry) {
        void *function = find_function(open_library(kLibrary, path), "OrtGetApiBase");
        if (function == nullptr)
            throw Error(ES_NO_RUNTIME, "the library has no function OrtGetApiBase, so it is not ONNX Runtime's: give "
                                       "libonnxruntime.so");
        const Base *base = reinterpret_cast<const Base *(*)()>(function)();
        auto functions = std::make_unique<Api>();
        functions->version = base->GetVersionString();
        functions->folder = folder_of(function);
        const void *const *table = base->GetApi(kVersion);
        if (table == nullptr)
            throw Error(ES_NO_RUNTIME, "ONNX Runtime " + one_line(functions->version) +
                                           " is too old: version 1.22 or later is needed");
        functions->table = table;
#define EDGESHIFT_LOOK_UP(place, name, type)                                                                           \
    functions->name = reinterpret_cast<Pointer<type>>(const_cast<void *>(table[place]));
        EDGESHIFT_ONNXRUNTIME_FUNCTIONS(EDGESHIFT_LOOK_UP)
#undef EDGESHIFT_LOOK_UP
        entry = std::move(functions);
    }
    return *entry;
}

} // namespace edgeshift::onnxruntime
