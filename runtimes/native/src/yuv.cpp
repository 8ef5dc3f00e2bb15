#include "yuv.hpp"

#include <algorithm>
#include <cstring>

namespace edgeshift {
namespace {

constexpr int kBits = 13;
constexpr int kHalf = 1 << (kBits - 1);

// The shift of a negative number rounds down, as with every compiler that is supported.
uint32_t byte_of(int value) { return uint32_t(std::clamp((value + kHalf) >> kBits, 0, 255)); }

} // namespace

YuvFactors factors_of(es_yuv yuv) {
    switch (yuv) {
    case ES_BT601_VIDEO:
        return {16, 9539, 13075, -3209, -6660, 16525};
    case ES_BT709_FULL:
        return {0, 8192, 12901, -1535, -3835, 15201};
    case ES_BT709_VIDEO:
        return {16, 9539, 14686, -1747, -4366, 17305};
    default:
        return {0, 8192, 11485, -2819, -5850, 14516};
    }
}

YuvReader::YuvReader(const es_image &image) : image_(image), factors_(factors_of(image.yuv)) {
    if (image.format == ES_I420) {
        u_ = image.planes[1], v_ = image.planes[2];
        u_stride_ = image.strides[1], v_stride_ = image.strides[2];
        step_ = image.pixel_stride == 2 ? 2 : 1;
    } else {
        const bool u_first = image.format == ES_NV12;
        u_ = image.planes[1] + (u_first ? 0 : 1);
        v_ = image.planes[1] + (u_first ? 1 : 0);
        u_stride_ = v_stride_ = image.strides[1];
        step_ = 2;
    }
}

void YuvReader::read(int row, const std::vector<int32_t> &columns, uint8_t *out) {
    const size_t count = columns.size();
    luma_.resize(count), blue_.resize(count), red_.resize(count);
    const uint8_t *y = image_.planes[0] + size_t(row) * image_.strides[0];
    const uint8_t *u = u_ + size_t(row / 2) * u_stride_, *v = v_ + size_t(row / 2) * v_stride_;
    for (size_t i = 0; i < count; i++) {
        const size_t column = size_t(columns[i]), chroma = column / 2 * step_;
        luma_[i] = int16_t(y[column] - factors_.luma_start);
        blue_[i] = int16_t(u[chroma] - 128);
        red_[i] = int16_t(v[chroma] - 128);
    }
    const YuvFactors f = factors_;
    for (size_t i = 0; i < count; i++) { // The compiler vectorises this loop.
        const int luma = f.luma * luma_[i];
        const uint32_t r = byte_of(luma + f.red_v * red_[i]);
        const uint32_t g = byte_of(luma + f.green_u * blue_[i] + f.green_v * red_[i]);
        const uint32_t b = byte_of(luma + f.blue_u * blue_[i]);
        const uint32_t pixel = r | g << 8 | b << 16; // processors are little-endian
        std::memcpy(out + 4 * i, &pixel, 4);
    }
}

} // namespace edgeshift
