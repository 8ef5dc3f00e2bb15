// Checks of an image that a program gives, and where its bytes lie.
#pragma once

#include <cstdint>

#include "edgeshift/edgeshift.h"

namespace edgeshift {

// Largest width and height of an image. Positions in larger ones would not fit into 64 bits.
constexpr int kMaxImageSide = 1 << 20;

// Throw Error if the image has no pixels, has a format, rotation or stride that is not possible, or lacks a plane.
void require_image(const es_image &image);

inline bool is_yuv(es_format format) { return format >= ES_NV12; }

// Where red, green and blue are in a pixel of ES_RGB, ES_BGR, ES_RGBA or ES_BGRA.
struct PixelLayout {
    int bytes;
    int red, green, blue;
};
PixelLayout layout_of(es_format format);

// An image of RGB pixels, one row directly after another. The pixels are not copied.
es_image rgb_image(const uint8_t *pixels, int width, int height);

} // namespace edgeshift
