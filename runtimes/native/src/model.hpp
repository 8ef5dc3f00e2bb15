// A loaded artifact: its description, and the runtime that runs its graph.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "artifact.hpp"
#include "backend.hpp"
#include "description.hpp"

namespace edgeshift {

// It never changes. Streams share it, and keep it alive.
struct Model {
    std::vector<uint8_t> file; // the backend reads the graph in place, so these bytes outlive it
    Description description;
    std::unique_ptr<Backend> backend;
};

// Load the graph of an artifact. `where` is how messages call the artifact. Throws Error.
std::shared_ptr<const Model> open_model(Artifact artifact, const std::string &where, const BackendOptions &options);

// Throw Error if this runtime cannot run what the description says, whatever the graph is.
void require_supported(const Description &description);
// Throw Error if the graph does not have exactly the inputs and outputs of the description.
void require_tensors(const Description &description, const Backend &backend);

} // namespace edgeshift
