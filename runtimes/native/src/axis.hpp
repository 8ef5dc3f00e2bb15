// Where the pixels of one axis of a fitted frame come from (docs/reference/frames.md, "Sizes" and "Positions").
#pragma once

#include <cstdint>
#include <vector>

#include "description.hpp"

namespace edgeshift {

// A position is a whole number of parts of a source pixel.
constexpr int kPositionBits = 5;
constexpr int kParts = 1 << kPositionBits;

// The two source pixels of one result, and the weight of the second, in 1/32. The weight of the first is the rest.
struct Tap {
    int32_t first, second, weight;
};
using Axis = std::vector<Tap>;

// The taps of both axes of an image that is upright.
struct Axes {
    Axis rows, columns;
};
Axes axes_of(int height, int width, const FrameSpec &frame);

// The same axis of an image whose pixels stand in the opposite order.
Axis reversed(const Axis &axis, int size);

} // namespace edgeshift
