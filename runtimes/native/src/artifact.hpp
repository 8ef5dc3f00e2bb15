// Reading an artifact: [ graph ][ the description ][ the hash of all before it ]. A .tflite has description and hash in a zip
// archive, and a .qnn.onnx in metadata of the graph. Python's edgeshift/artifact/{file,zip_trailer,metadata_trailer}.py do
// the same, with the same limits and messages.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "description.hpp"

namespace edgeshift {

// An artifact that was read and checked.
struct Artifact {
    std::vector<uint8_t> data; // the whole file; the graph is its first graph_size bytes
    size_t graph_size = 0;
    Description description;
};

// Check the content of an artifact. `where` is how messages call it, such as the path.
// Throws Error with ES_BAD_ARTIFACT.
Artifact read_artifact(std::vector<uint8_t> data, const std::string &where);

// Read and check a file. Throws Error with ES_BAD_ARTIFACT.
Artifact read_artifact_file(const std::string &path);

} // namespace edgeshift
