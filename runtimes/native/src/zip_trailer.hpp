// The archive after the graph: a zip archive with the description, whose comment is the hash of the file. Python's
// edgeshift/artifact/zip_trailer.py does the same.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "bytes.hpp"

namespace edgeshift::zip_trailer {

// Whether a file ends with an archive whose comment has the length of a hash.
bool has_hash(const Bytes &file);

// The description's text, and the size of the graph, of a file for which has_hash is true. Throws Damaged.
std::pair<std::string, size_t> unpack(const Bytes &file);

} // namespace edgeshift::zip_trailer
