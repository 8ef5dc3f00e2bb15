// Opening an artifact as the commands of the agent need it.
#pragma once

#include <memory>
#include <string>

#include "stream.hpp"

namespace edgeshift::agent {

// The runtime's library, as the command line of the agent names it.
struct Library {
    std::string path;     // empty: the value of EDGESHIFT_LITERT or EDGESHIFT_ONNXRUNTIME, or the usual names
    std::string provider; // QNN's library, if the runtime is ONNX Runtime; empty: the runtime is LiteRT
    std::string version;  // of LiteRT; empty: not known
};

// An artifact, and one stream of it.
struct Opened {
    std::shared_ptr<const Model> model;
    std::unique_ptr<Stream> stream;
};

// Limit the memory of the process from now on, because a hostile graph must not take all memory of a board.
// path: the artifact, whose size counts.
void limit_memory(const std::string &path);

// Limit the memory, and open an artifact. fitted: the frames have the size and channel order of the network. Throws Error.
Opened open_artifact(const std::string &path, const Library &library, int threads, bool fitted);

// Name and version of the runtime that runs a model.
std::string runtime_name(const Model &model, const Library &library);

} // namespace edgeshift::agent
