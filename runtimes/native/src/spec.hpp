// The description of an artifact as tables: the types that Python's edgeshift/artifact/{spec,description}.py declare,
// with ModelConfig of edgeshift/models/config.py and FrameSpec of edgeshift/video/fit.py. A test compares them with
// Python's.
#pragma once

#include <cstdint>
#include <vector>

#include "schema.hpp"

namespace edgeshift::spec {

// Largest description in bytes, and largest number of values in all of its tensors together.
constexpr size_t MAX_BYTES = 4 << 20;
constexpr uint64_t MAX_VALUES = 1 << 27;
// Versions that can be read.
constexpr int64_t OLDEST = 1, NEWEST = 2;

// The whole description.
const schema::Record &stream_spec();

std::vector<int64_t> shape_of(const json::Value &tensor);
// Number of values of a shape. It stops to grow far above MAX_VALUES.
uint64_t values_in(const std::vector<int64_t> &shape);

} // namespace edgeshift::spec
