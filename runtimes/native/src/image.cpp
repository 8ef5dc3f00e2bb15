#include "image.hpp"

#include <cstring>
#include <string>

#include "error.hpp"

namespace edgeshift {
namespace {

// Smallest number of bytes from the start of one row of a plane to its last byte.
size_t row_bytes(const es_image &image, int plane) {
    const size_t width = size_t(image.width), chroma_width = (width + 1) / 2;
    if (!is_yuv(image.format))
        return width * size_t(layout_of(image.format).bytes);
    if (plane == 0)
        return width;
    if (image.format != ES_I420)
        return 2 * chroma_width;
    return (chroma_width - 1) * (image.pixel_stride == 2 ? 2 : 1) + 1;
}

// The number in a field whose type is an enumeration, whatever number it is.
template <class Enumeration> int number_in(const Enumeration &field) {
    int number = 0;
    static_assert(sizeof number == sizeof field, "enumerations are stored as int");
    std::memcpy(&number, &field, sizeof number);
    return number;
}

int planes(es_format format) { return format == ES_I420 ? 3 : is_yuv(format) ? 2 : 1; }

} // namespace

PixelLayout layout_of(es_format format) {
    switch (format) {
    case ES_BGR:
        return {3, 2, 1, 0};
    case ES_RGBA:
        return {4, 0, 1, 2};
    case ES_BGRA:
        return {4, 2, 1, 0};
    default:
        return {3, 0, 1, 2};
    }
}

es_image rgb_image(const uint8_t *pixels, int width, int height) {
    es_image image = {};
    image.format = ES_RGB;
    image.width = width, image.height = height;
    image.planes[0] = pixels;
    image.strides[0] = size_t(width) * 3;
    return image;
}

void require_image(const es_image &image) {
    if (image.width < 1 || image.height < 1 || image.width > kMaxImageSide || image.height > kMaxImageSide)
        throw bad_argument("an image of " + std::to_string(image.width) + "x" + std::to_string(image.height) +
                           " (width x height): each side must have 1 to " + std::to_string(kMaxImageSide) + " pixels");
    const int format = number_in(image.format);
    if (format < ES_RGB || format > ES_I420)
        throw bad_argument("image format " + std::to_string(format) + " is not one of es_format");
    if (image.rotation != 0 && image.rotation != 90 && image.rotation != 180 && image.rotation != 270)
        throw bad_argument("a rotation of " + std::to_string(image.rotation) + " degrees must be 0, 90, 180 or 270");
    if (image.mirrored != 0 && image.mirrored != 1)
        throw bad_argument("mirrored is " + std::to_string(image.mirrored) + " and must be 0 or 1");
    const int colours = number_in(image.yuv);
    if (is_yuv(image.format) && (colours < ES_BT601_FULL || colours > ES_BT709_VIDEO))
        throw bad_argument("image colours " + std::to_string(colours) + " are not one of es_yuv");
    if (image.format == ES_I420 && (image.pixel_stride < 0 || image.pixel_stride > 2))
        throw bad_argument("pixel_stride is " + std::to_string(image.pixel_stride) + " and must be 1 or 2");
    for (int plane = 0; plane < planes(image.format); plane++) {
        if (image.planes[plane] == nullptr)
            throw bad_argument("planes[" + std::to_string(plane) + "] of the image is NULL");
        if (image.strides[plane] < row_bytes(image, plane))
            throw bad_argument("strides[" + std::to_string(plane) + "] of the image is " +
                               std::to_string(image.strides[plane]) + " bytes: a row of " +
                               std::to_string(image.width) + " pixels takes " +
                               std::to_string(row_bytes(image, plane)));
    }
}

} // namespace edgeshift
