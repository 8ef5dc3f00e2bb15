// The description in the metadata of an ONNX model: entries that are appended to the model, of which the last holds the hash.
// Python's edgeshift/artifact/metadata_trailer.py does the same.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "bytes.hpp"

namespace edgeshift::metadata_trailer {

// Whether a file ends with the entry of a hash.
bool has_hash(const Bytes &file);

// The description's text, and the size of the graph, of a file for which has_hash is true. Throws Damaged.
std::pair<std::string, size_t> unpack(const Bytes &file);

} // namespace edgeshift::metadata_trailer
