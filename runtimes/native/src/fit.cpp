#include "fit.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "blend.hpp"
#include "image.hpp"
#include "yuv.hpp"

namespace edgeshift {

// How images of one size, format and rotation are fitted. Rows and columns are those of the stored image, so that its
// rows are read one after another. After a rotation by 90 or 270 degrees, the rows of the network's frame are columns
// of the stored image, and the result is turned at the end.
struct Fitter::Plan {
    int width, height, rotation, mirrored;
    es_format format;
    Axis rows;
    std::vector<int32_t> pixels; // of an image in Y, U and V: the columns that are converted, two for each result
    Columns columns;
    bool turned; // rows and columns are exchanged
    bool copied; // the image has the network's size and is upright
};

namespace {

// The taps along the rows and columns of the stored image.
Axes stored_axes(const es_image &image, const FrameSpec &frame) {
    const bool turned = image.rotation % 180 != 0;
    const int height = turned ? image.width : image.height, width = turned ? image.height : image.width;
    Axes axes = axes_of(height, width, frame);
    if (image.mirrored)
        axes.columns = reversed(axes.columns, width);
    switch (image.rotation) {
    case 90: // The upper row of the upright image is the left column of the stored one, from the bottom to the top.
        return {reversed(axes.columns, width), axes.rows};
    case 180:
        return {reversed(axes.rows, height), reversed(axes.columns, width)};
    case 270:
        return {axes.columns, reversed(axes.rows, height)};
    default:
        return axes;
    }
}

// The same columns in a row that holds only the two pixels of each result.
Axis side_by_side(const Axis &axis) {
    Axis result;
    for (const Tap &tap : axis) {
        const int32_t at = int32_t(2 * result.size());
        result.push_back({at, at + 1, tap.weight});
    }
    return result;
}

constexpr PixelLayout kConverted = {4, 0, 1, 2};

} // namespace

Fitter::Fitter(const FrameSpec &frame) : frame_(frame) {}
Fitter::~Fitter() = default;

void Fitter::fit(const es_image &image, uint8_t *out, uint8_t flip) {
    require_image(image);
    if (!plan_ || plan_->width != image.width || plan_->height != image.height || plan_->rotation != image.rotation ||
        plan_->mirrored != image.mirrored || plan_->format != image.format) {
        Axes axes = stored_axes(image, frame_);
        const bool yuv = is_yuv(image.format);
        std::vector<int32_t> pixels;
        if (yuv)
            for (const Tap &tap : axes.columns)
                pixels.insert(pixels.end(), {tap.first, tap.second});
        Columns columns = yuv ? Columns(side_by_side(axes.columns), int(pixels.size()), kConverted, frame_.bgr)
                              : Columns(axes.columns, image.width, layout_of(image.format), frame_.bgr);
        const bool same_size = !frame_.crop && image.width == frame_.width && image.height == frame_.height;
        const bool same_bytes = image.format == (frame_.bgr ? ES_BGR : ES_RGB);
        plan_.reset(new Plan{image.width, image.height, image.rotation, image.mirrored, image.format,
                             std::move(axes.rows), std::move(pixels), std::move(columns), image.rotation % 180 != 0,
                             same_size && same_bytes && image.rotation == 0 && !image.mirrored});
    }
    uint8_t *target = out;
    if (plan_->turned) {
        turned_.resize(frame_.bytes());
        target = turned_.data();
    }
    if (is_yuv(image.format))
        fit_yuv(image, target, flip);
    else
        fit_pixels(image, target, flip);
    if (plan_->turned)
        turn(out);
}

void Fitter::fit_pixels(const es_image &image, uint8_t *out, uint8_t flip) const {
    const auto row = [&](int32_t y) { return image.planes[0] + size_t(y) * image.strides[0]; };
    const size_t row_bytes = plan_->columns.size() * 3;
    for (const Tap &tap : plan_->rows) {
        if (!plan_->copied)
            plan_->columns.blend(row(tap.first), row(tap.second), tap.weight, flip, out);
        else if (flip == 0)
            std::memcpy(out, row(tap.first), row_bytes);
        else
            std::transform(row(tap.first), row(tap.first) + row_bytes, out, [flip](uint8_t b) { return b ^ flip; });
        out += row_bytes;
    }
}

void Fitter::fit_yuv(const es_image &image, uint8_t *out, uint8_t flip) {
    YuvReader reader(image);
    int32_t held[2] = {-1, -1}; // the rows in converted_
    for (auto &row : converted_)
        row.resize(4 * plan_->pixels.size());
    for (const Tap &tap : plan_->rows) {
        // Where an image is enlarged, several rows of the result need the same rows of the image.
        if ((held[1] == tap.first || held[0] == tap.second) && held[0] != tap.first) {
            std::swap(held[0], held[1]);
            std::swap(converted_[0], converted_[1]);
        }
        const int32_t needed[2] = {tap.first, tap.second};
        const int rows = tap.first == tap.second ? 1 : 2;
        for (int k = 0; k < rows; k++)
            if (held[k] != needed[k])
                reader.read(held[k] = needed[k], plan_->pixels, converted_[k].data());
        plan_->columns.blend(converted_[0].data(), converted_[rows - 1].data(), tap.weight, flip, out);
        out += plan_->columns.size() * 3;
    }
}

// Exchange rows and columns.
void Fitter::turn(uint8_t *out) const {
    const size_t height = size_t(frame_.height), width = size_t(frame_.width);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++, out += 3)
            std::memcpy(out, &turned_[(x * height + y) * 3], 3);
}

} // namespace edgeshift
