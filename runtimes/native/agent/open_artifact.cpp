#include "open_artifact.hpp"

#include <filesystem>

#include <sys/resource.h>

namespace edgeshift::agent {
namespace {

// Bytes that the runtime may allocate, and more for each byte of the file.
constexpr rlim_t kMemory = rlim_t(2) << 30, kShare = 8;

} // namespace

void limit_memory(const std::string &path) {
    std::error_code error;
    const uintmax_t size = std::filesystem::file_size(path, error);
    rlimit limit = {};
    if (error || getrlimit(RLIMIT_DATA, &limit) != 0)
        return;
    const rlim_t most = kMemory + kShare * rlim_t(size);
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > most) {
        limit.rlim_cur = most;
        setrlimit(RLIMIT_DATA, &limit);
    }
    const rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
}

Opened open_artifact(const std::string &path, const Library &library, int threads, bool fitted) {
    limit_memory(path);
    BackendOptions options;
    options.library = library.path;
    options.provider = library.provider;
    options.threads = threads;
    Opened opened;
    opened.model = open_model(read_artifact_file(path), path, options);
    opened.stream = fitted ? Stream::of_fitted(opened.model) : Stream::of(opened.model);
    return opened;
}

std::string runtime_name(const Model &model, const Library &library) {
    std::string name = model.backend->name(); // LiteRT's library does not know its own version
    const size_t blank = name.find(' ');
    if (!library.version.empty() && blank != std::string::npos)
        name.insert(blank, " " + library.version);
    return name;
}

} // namespace edgeshift::agent
