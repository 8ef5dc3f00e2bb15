// Fits an image of any size to the size that a network takes. Python's edgeshift/video/fit.py gives the same bytes, and
// docs/reference/frames.md has the formula.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "axis.hpp"
#include "description.hpp"
#include "edgeshift/edgeshift.h"

namespace edgeshift {

// Keeps its tables for the next image, as most images have the size of the one before. Used from one thread at a time.
class Fitter {
  public:
    explicit Fitter(const FrameSpec &frame);
    ~Fitter();
    // Fit an image to height x width x 3 bytes in the network's channel order. Each byte is xored with `flip`: 128 gives
    // the pixel minus 128, as int8. Throws Error if the image is not possible. Then nothing is written.
    void fit(const es_image &image, uint8_t *out, uint8_t flip = 0);

  private:
    struct Plan;
    void fit_pixels(const es_image &image, uint8_t *out, uint8_t flip) const;
    void fit_yuv(const es_image &image, uint8_t *out, uint8_t flip);
    void turn(uint8_t *out) const;

    FrameSpec frame_;
    std::unique_ptr<Plan> plan_;
    std::vector<uint8_t> turned_;        // the result before the rotation, if that exchanges rows and columns
    std::vector<uint8_t> converted_[2];  // two rows of an image in Y, U and V, in red, green and blue
};

} // namespace edgeshift
