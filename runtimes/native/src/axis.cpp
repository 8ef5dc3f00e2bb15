#include "axis.hpp"

#include <algorithm>

namespace edgeshift {
namespace {

int64_t short_side_of(const FrameSpec &frame) {
    return frame.short_side ? *frame.short_side : (16 * std::max(frame.height, frame.width) + 7) / 14;
}

// A second pixel without weight is not read. This also keeps the taps of the last pixel inside of the image.
Tap tap(int64_t first, int64_t second, int64_t weight) {
    return {int32_t(first), int32_t(weight == 0 ? first : second), int32_t(weight)};
}

// `size` source pixels are resized to `resized`, of which the middle `kept` are kept.
Axis axis(int64_t size, int64_t resized, int kept) {
    const int64_t margin = resized - kept;
    int64_t first = margin / 2;
    first += margin % 2 == 1 && first % 2 == 1; // half of an odd margin is rounded to the nearest even number
    Axis taps;
    taps.reserve(size_t(kept));
    for (int64_t i = first; i < first + kept; i++) {
        const int64_t numerator = kParts * ((2 * i + 1) * size - resized) + resized;
        // Where the numerator is negative, the position is before the first pixel, and therefore 0.
        const int64_t position = numerator < 0 ? 0 : std::min(numerator / (2 * resized), kParts * (size - 1));
        const int64_t pixel = position / kParts;
        taps.push_back(tap(pixel, std::min(pixel + 1, size - 1), position % kParts));
    }
    return taps;
}

} // namespace

Axes axes_of(int height, int width, const FrameSpec &frame) {
    int64_t rows = frame.height, columns = frame.width;
    if (frame.crop) {
        const int64_t side = short_side_of(frame);
        rows = height <= width ? side : side * height / width;
        columns = width <= height ? side : side * width / height;
    }
    return {axis(height, rows, frame.height), axis(width, columns, frame.width)};
}

Axis reversed(const Axis &axis, int size) {
    Axis result;
    result.reserve(axis.size());
    for (const Tap &t : axis) // The taps keep their order: the first result now comes from the other end.
        result.push_back(t.weight == 0 ? tap(size - 1 - t.first, size - 1 - t.first, 0)
                                       : tap(size - 1 - t.second, size - 1 - t.first, kParts - t.weight));
    return result;
}

} // namespace edgeshift
