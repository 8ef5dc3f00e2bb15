// Images of every format, size and rotation. The bytes are compared with a plain form of the formula, and the planes have
// exactly the bytes that belong to them, so that AddressSanitizer sees a read outside of them.

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>

#include "check.hpp"
#include "error.hpp"
#include "fit.hpp"
#include "yuv.hpp"

namespace {

using Bytes = std::vector<uint8_t>;

// Planes on the heap, each of its exact size. The last row ends with its last pixel, as in Android's images.
struct Picture {
    Picture(es_format format, int width, int height, int rotation, int padding, int pixel_stride, uint32_t seed) {
        std::mt19937 random(seed);
        image.format = format;
        image.width = width, image.height = height;
        image.rotation = rotation;
        image.mirrored = int32_t(seed % 2);
        image.yuv = es_yuv(seed % 4);
        image.pixel_stride = pixel_stride;
        const size_t chroma = size_t(width + 1) / 2, rows = size_t(height + 1) / 2;
        const bool yuv = format >= ES_NV12;
        add(0, yuv ? size_t(width) : size_t(width) * (format >= ES_RGBA ? 4 : 3), size_t(height), padding, random);
        if (format == ES_I420)
            for (int plane = 1; plane < 3; plane++)
                add(plane, (chroma - 1) * size_t(std::max(pixel_stride, 1)) + 1, rows, padding, random);
        else if (yuv)
            add(1, 2 * chroma, rows, padding, random);
    }
    void add(int plane, size_t row, size_t rows, int padding, std::mt19937 &random) {
        image.strides[plane] = row + size_t(padding);
        const size_t size = image.strides[plane] * (rows - 1) + row;
        planes[plane].reset(new uint8_t[size]); // not a vector, whose capacity may be larger
        for (size_t i = 0; i < size; i++)
            planes[plane][i] = uint8_t(random());
        image.planes[plane] = planes[plane].get();
    }
    es_image image = {};
    std::unique_ptr<uint8_t[]> planes[3];
};

// A channel of a pixel of the stored image.
int stored(const es_image &image, int y, int x, int channel) {
    const auto at = [&](int plane, int row, size_t byte) {
        return int(image.planes[plane][size_t(row) * image.strides[plane] + byte]);
    };
    if (image.format < ES_NV12) {
        const bool bgr = image.format == ES_BGR || image.format == ES_BGRA;
        return at(0, y, size_t(x) * (image.format >= ES_RGBA ? 4 : 3) + size_t(bgr ? 2 - channel : channel));
    }
    const size_t half = size_t(x / 2);
    int u, v;
    if (image.format == ES_I420) {
        const size_t step = image.pixel_stride == 2 ? 2 : 1;
        u = at(1, y / 2, half * step), v = at(2, y / 2, half * step);
    } else {
        u = at(1, y / 2, 2 * half + (image.format == ES_NV21)), v = at(1, y / 2, 2 * half + (image.format == ES_NV12));
    }
    const edgeshift::YuvFactors f = edgeshift::factors_of(image.yuv);
    const int luma = f.luma * (at(0, y, size_t(x)) - f.luma_start);
    const int sums[3] = {luma + f.red_v * (v - 128), luma + f.green_u * (u - 128) + f.green_v * (v - 128),
                         luma + f.blue_u * (u - 128)};
    return std::clamp((sums[channel] + 4096) >> 13, 0, 255);
}

// The formula of docs/reference/frames.md for every pixel, one after another.
Bytes plainly(const es_image &image, const edgeshift::FrameSpec &frame) {
    const bool turned = image.rotation % 180 != 0;
    const int height = turned ? image.width : image.height, width = turned ? image.height : image.width;
    const auto upright = [&](int y, int x, int channel) {
        if (image.mirrored)
            x = width - 1 - x;
        switch (image.rotation) {
        case 90:
            return stored(image, image.height - 1 - x, y, channel);
        case 180:
            return stored(image, image.height - 1 - y, image.width - 1 - x, channel);
        case 270:
            return stored(image, x, image.width - 1 - y, channel);
        default:
            return stored(image, y, x, channel);
        }
    };
    const edgeshift::Axes axes = edgeshift::axes_of(height, width, frame);
    Bytes result;
    for (const edgeshift::Tap &row : axes.rows)
        for (const edgeshift::Tap &column : axes.columns)
            for (int c = 0; c < 3; c++) {
                const int channel = frame.bgr ? 2 - c : c, x = column.weight, y = row.weight;
                const int a = upright(row.first, column.first, channel), b = upright(row.first, column.second, channel);
                const int d = upright(row.second, column.first, channel);
                const int e = upright(row.second, column.second, channel);
                const int upper = a * (32 - x) + b * x, lower = d * (32 - x) + e * x;
                result.push_back(uint8_t((upper * (32 - y) + lower * y + 512) / 1024));
            }
    return result;
}

void every_format_gives_the_bytes_of_the_formula() {
    std::mt19937 random(1);
    for (uint32_t seed = 0; seed < 3000; seed++) {
        const auto number = [&](int least, int most) { return least + int(random() % uint32_t(most - least + 1)); };
        const int most = seed % 10 == 0 ? 120 : 20;
        const Picture picture(es_format(number(0, 6)), number(1, most), number(1, most), 90 * number(0, 3),
                              number(0, 5), number(0, 2), seed);
        edgeshift::FrameSpec frame;
        frame.height = number(1, 24), frame.width = number(1, 24);
        frame.crop = number(0, 1) == 1;
        frame.bgr = number(0, 1) == 1;
        if (number(0, 1) == 1)
            frame.short_side = std::max(frame.height, frame.width) + number(0, 9);
        const std::unique_ptr<uint8_t[]> out(new uint8_t[size_t(frame.height) * size_t(frame.width) * 3]);
        edgeshift::Fitter fitter(frame);
        Bytes expected = plainly(picture.image, frame);
        for (const int flip : {0, 128}) {
            fitter.fit(picture.image, out.get(), uint8_t(flip));
            if (flip != 0)
                for (uint8_t &byte : expected)
                    byte ^= 128;
            CHECK(std::equal(expected.begin(), expected.end(), out.get()));
        }
        if (failures) {
            std::cerr << "case " << seed << ", format " << picture.image.format << "\n";
            return;
        }
    }
}

void images_that_are_not_possible_are_refused() {
    edgeshift::FrameSpec frame;
    frame.height = frame.width = 4;
    edgeshift::Fitter fitter(frame);
    uint8_t out[48];
    const auto refused = [&](auto change) {
        Picture picture(ES_I420, 5, 3, 0, 0, 1, 4);
        change(picture.image);
        try {
            fitter.fit(picture.image, out);
        } catch (const edgeshift::Error &error) {
            return error.status == ES_BAD_ARGUMENT;
        }
        return false;
    };
    // A program in C can store any number in these fields.
    const int seven = 7;
    CHECK(!refused([](es_image &) {}));
    CHECK(refused([](es_image &image) { image.width = 0; }));
    CHECK(refused([](es_image &image) { image.height = -1; }));
    CHECK(refused([](es_image &image) { image.width = 1 << 30; }));
    CHECK(refused([&](es_image &image) { std::memcpy(&image.format, &seven, sizeof seven); }));
    CHECK(refused([](es_image &image) { image.rotation = 45; }));
    CHECK(refused([](es_image &image) { image.mirrored = 2; }));
    CHECK(refused([&](es_image &image) { std::memcpy(&image.yuv, &seven, sizeof seven); }));
    CHECK(refused([](es_image &image) { image.pixel_stride = 3; }));
    CHECK(refused([](es_image &image) { image.planes[2] = nullptr; }));
    CHECK(refused([](es_image &image) { image.strides[1] = 2; }));
    CHECK(refused([](es_image &image) { image.strides[0] = 4; }));
}

} // namespace

int main() {
    every_format_gives_the_bytes_of_the_formula();
    images_that_are_not_possible_are_refused();
    return failures;
}
