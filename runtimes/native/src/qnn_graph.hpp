// Checks a graph for QNN before ONNX Runtime reads it. Python's runtimes/qnn.py does the same.
#pragma once

#include "bytes.hpp"

namespace edgeshift {

// Check that a graph is one node that holds a compiled binary, and nothing else. Throws Error with ES_BAD_ARTIFACT.
void require_one_binary(const Bytes &graph);

} // namespace edgeshift
