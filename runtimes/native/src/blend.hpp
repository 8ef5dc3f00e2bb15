// One row of a fitted frame, mixed from two rows of the source (docs/reference/frames.md, "Values").
#pragma once

#include <cstdint>
#include <vector>

#include "axis.hpp"
#include "image.hpp"

namespace edgeshift {

// The columns of a fitted frame, prepared for blend_row: where their pixels begin in a row, and their weights.
class Columns {
  public:
    // `width` pixels of `layout` are in a source row. `bgr`: the results begin with blue.
    Columns(const Axis &axis, int width, const PixelLayout &layout, bool bgr);

    size_t size() const { return first_.size(); }
    // Fill `out`, 3 bytes for each column, from the rows above and below. `weight` is that of the lower row, in 1/32.
    // Each result is xored with `flip`.
    void blend(const uint8_t *above, const uint8_t *below, int weight, uint8_t flip, uint8_t *out) const;

  private:
    void blend_one_by_one(const uint8_t *above, const uint8_t *below, int weight, uint8_t flip, uint8_t *out,
                          size_t begin, size_t end) const;
    size_t blend_vectors(const uint8_t *above, const uint8_t *below, int weight, uint8_t flip, uint8_t *out) const;

    std::vector<uint32_t> first_;    // first byte of the left pixel in the row
    std::vector<uint8_t> second_;    // bytes from the left pixel to the right one: 0, or those of one pixel
    std::vector<uint8_t> weights_;   // for each column 8 times: weight of the left pixel, weight of the right pixel
    int channels_[3];                // where the three results are in a pixel
    int pixel_bytes_;
    size_t vector_begin_ = 0, vector_end_ = 0; // columns whose two pixels can be read as 8 bytes of the row
};

} // namespace edgeshift
