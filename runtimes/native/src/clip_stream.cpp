#include "clip_stream.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "clock.hpp"
#include "error.hpp"

namespace edgeshift {
namespace {

constexpr size_t kCountBytes = 8;

} // namespace

int segment_middle(int segment, int total, int count) { return int((segment + 0.5) * total / count); }

ClipStream::ClipStream(std::shared_ptr<const Model> model, const FrameSpec &frame)
    : Stream(std::move(model), frame), length_(description().frames()),
      frame_bytes_(frame.bytes()), frames_(size_t(length_) * frame_bytes_),
      newest_(frame_bytes_) {}

const Prediction *ClipStream::step(const es_image &image, double timestamp) {
    std::optional<Pacer> pacer = pacer_;
    if (!due(timestamp, pacer)) {
        pacer_ = pacer;
        return repeat(0);
    }
    const Seconds start = now();
    fitter_.fit(image, newest_.data());
    const int64_t waiting = count_ + 1 - length_;
    const bool answers = waiting >= 0 && waiting % description().hop == 0;
    if (answers) {
        listen(timestamp);
        for (int place = 0; place + 1 < length_; place++)
            load(place, kept(waiting + place));
        load(length_ - 1, newest_.data());
        predict(start, last_);
        answered_ = true;
    }
    // Kept only here, after the run: if a frame fails, the caller can give the frame again.
    std::copy(newest_.begin(), newest_.end(), kept(count_));
    count_++;
    pacer_ = pacer;
    return answers ? &last_ : repeat(now() - start);
}

const Prediction *ClipStream::clip(const es_image *images, int count) {
    if (count < 1)
        throw bad_argument("a clip has no frames: give at least one");
    const Seconds start = now();
    for (int place = 0; place < length_; place++) {
        fitter_.fit(images[segment_middle(place, count, length_)], newest_.data());
        load(place, newest_.data());
    }
    predict(start, whole_);
    return &whole_;
}

void ClipStream::reset() {
    begin();
    count_ = 0;
}

size_t ClipStream::body_size() const { return frames_.size() + kCountBytes; }

void ClipStream::save_body(uint8_t *out) const {
    for (int place = 0; place < length_; place++, out += frame_bytes_)
        std::memcpy(out, kept(count_ + place), frame_bytes_);
    for (size_t i = 0; i < kCountBytes; i++)
        out[i] = uint8_t(uint64_t(count_) >> 8 * i);
}

void ClipStream::restore_body(const uint8_t *body) {
    uint64_t count = 0;
    for (size_t i = 0; i < kCountBytes; i++)
        count |= uint64_t(body[frames_.size() + i]) << 8 * i;
    if (count >> 62)
        throw bad_argument("the number of frames of the state is not possible: give bytes that es_stream_save wrote");
    count_ = int64_t(count);
    for (int place = 0; place < length_; place++, body += frame_bytes_)
        std::memcpy(kept(count_ + place), body, frame_bytes_);
    begin();
}

void ClipStream::load(int place, const uint8_t *pixels) {
    const TensorSpec &input = description().input;
    uint8_t *target = tensor_.data() + size_t(place) * frame_bytes_ * bytes_of(input.dtype);
    if (input.channels_last) {
        write_pixels(pixels, frame_bytes_, input.dtype, target);
        return;
    }
    const size_t area = frame_bytes_ / 3;
    planes_.resize(frame_bytes_);
    for (size_t i = 0; i < area; i++)
        for (size_t c = 0; c < 3; c++)
            planes_[c * area + i] = pixels[3 * i + c];
    write_pixels(planes_.data(), frame_bytes_, input.dtype, target);
}

} // namespace edgeshift
