// Pixels of Y, U and V as red, green and blue (docs/reference/frames.md, "Colours from Y, U and V").
#pragma once

#include <cstdint>
#include <vector>

#include "edgeshift/edgeshift.h"

namespace edgeshift {

// Factors in 1/8192.
struct YuvFactors {
    int luma_start; // the Y of black
    int luma;
    int red_v, green_u, green_v, blue_u;
};
YuvFactors factors_of(es_yuv yuv);

// Converts pixels of an image in ES_NV12, ES_NV21 or ES_I420. Only the pixels that are asked for are read.
class YuvReader {
  public:
    // The image was checked by require_image.
    explicit YuvReader(const es_image &image);
    // Convert the pixels of one row at these columns. `out` takes 4 bytes for each: red, green, blue and 0.
    void read(int row, const std::vector<int32_t> &columns, uint8_t *out);

  private:
    const es_image &image_;
    YuvFactors factors_;
    const uint8_t *u_, *v_;
    size_t u_stride_, v_stride_, step_;
    std::vector<int16_t> luma_, blue_, red_; // Y less the Y of black, U - 128, V - 128
};

} // namespace edgeshift
