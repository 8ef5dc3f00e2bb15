#include "stream.hpp"

#include <cmath>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "clip_stream.hpp"
#include "clock.hpp"
#include "error.hpp"
#include "sound_clip_stream.hpp"
#include "sound_stream.hpp"
#include "text.hpp"

namespace edgeshift {
namespace {

constexpr std::string_view kMark = "edgeshift state 1\n";
constexpr size_t kHashLength = 64;

// Fill a state with its start value.
std::vector<uint8_t> start_of(const TensorSpec &state) {
    if (state.dtype == Dtype::float32) {
        const std::vector<float> values(state.values(), float(state.start));
        std::vector<uint8_t> bytes(state.bytes());
        std::memcpy(bytes.data(), values.data(), bytes.size());
        return bytes;
    }
    // std::nearbyint rounds halves to even numbers, as Python's round.
    const int stored = int(std::nearbyint(state.start / state.scale)) + state.zero_point;
    return std::vector<uint8_t>(state.bytes(), uint8_t(stored));
}

void require_finite(const TensorSpec &state, const uint8_t *bytes) {
    if (state.dtype != Dtype::float32)
        return;
    for (size_t i = 0; i < state.values(); i++) {
        float value;
        std::memcpy(&value, bytes + 4 * i, 4);
        if (!std::isfinite(value))
            throw bad_argument("state " + quoted(state.name) +
                               " contains NaN or infinity: restore a state that a stream saved");
    }
}

} // namespace

std::unique_ptr<Stream> Stream::of(std::shared_ptr<const Model> model) {
    const FrameSpec frame = model->description.frame;
    return make(std::move(model), frame);
}

std::unique_ptr<Stream> Stream::of_fitted(std::shared_ptr<const Model> model) {
    const FrameSpec frame = model->description.frame.fitted();
    return make(std::move(model), frame);
}

std::unique_ptr<Stream> Stream::of_frames(std::shared_ptr<const Model> model, const FrameSpec &frame) {
    std::unique_ptr<Stream> stream(new Stream(std::move(model), frame));
    stream->reset();
    return stream;
}

std::unique_ptr<Stream> Stream::make(std::shared_ptr<const Model> model, const FrameSpec &frame) {
    std::unique_ptr<Stream> stream;
    const bool clip = model->description.clip(), hears = model->description.sound.has_value();
    if (clip && hears)
        stream = std::make_unique<SoundClipStream>(std::move(model), frame);
    else if (clip)
        stream = std::make_unique<ClipStream>(std::move(model), frame);
    else if (hears)
        stream = std::make_unique<SoundStream>(std::move(model), frame);
    else
        return of_frames(std::move(model), frame);
    stream->reset();
    return stream;
}

Stream::Stream(std::shared_ptr<const Model> model, const FrameSpec &frame)
    : model_(std::move(model)), executor_(model_->backend->executor()), fitter_(frame),
      tensor_(model_->description.input.bytes()) {}

Stream::~Stream() = default;

const Prediction *Stream::step(const es_image &image, double timestamp) {
    std::optional<Pacer> pacer = pacer_;
    if (!due(timestamp, pacer) && answered_) {
        pacer_ = pacer;
        return repeat(0);
    }
    const Seconds start = now();
    const TensorSpec &input = description().input;
    if (input.dtype == Dtype::float32) {
        pixels_.resize(input.values());
        fitter_.fit(image, pixels_.data());
        write_pixels(pixels_.data(), pixels_.size(), input.dtype, tensor_.data());
    } else {
        fitter_.fit(image, tensor_.data(), input.dtype == Dtype::int8 ? 128 : 0);
    }
    predict(start, last_);
    answered_ = true;
    pacer_ = pacer; // only after the prediction: a frame that fails must not make the next one early
    return &last_;
}

const Prediction *Stream::clip(const es_image *, int) {
    throw bad_argument("this artifact takes one frame at a time: call es_stream_step, or convert the model with --mode "
                       "clip");
}

void Stream::reset() {
    const std::vector<TensorSpec> &states = description().states;
    for (size_t i = 0; i < states.size(); i++)
        executor_->write_state(i, start_of(states[i]).data());
    begin();
}

void Stream::hear(const float *, size_t, double, int) {
    throw bad_argument("this network takes frames only: it has no sound segment");
}

void Stream::deafen() { hear(nullptr, 0, 0, 0); }

size_t Stream::saved_size() const { return kMark.size() + kHashLength + body_size(); }

void Stream::save(uint8_t *out) const {
    std::memcpy(out, kMark.data(), kMark.size());
    // Saved states belong to the graph with this hash.
    std::memcpy(out + kMark.size(), description().body_sha256.data(), kHashLength);
    save_body(out + kMark.size() + kHashLength);
}

void Stream::restore(const uint8_t *saved, size_t size) {
    const std::string_view text(reinterpret_cast<const char *>(saved), size);
    if (text.substr(0, kMark.size()) != kMark || size < kMark.size() + kHashLength)
        throw bad_argument("this is not a saved state: give bytes that es_stream_save wrote");
    if (text.substr(kMark.size(), kHashLength) != description().body_sha256)
        throw bad_argument("the state was saved by a stream of another artifact: restore it with that artifact");
    if (size != saved_size())
        throw bad_argument("the state has " + std::to_string(size) + " bytes, and a state of this stream has " +
                           std::to_string(saved_size()) + ": give all bytes that es_stream_save wrote");
    restore_body(saved + kMark.size() + kHashLength);
}

bool Stream::due(double timestamp, std::optional<Pacer> &pacer) const {
    if (std::isnan(timestamp))
        return true;
    require_time(timestamp);
    return !pacer || pacer->takes(timestamp);
}

void Stream::predict(Seconds start, Prediction &prediction) {
    const Seconds prepared = now();
    executor_->write_input(tensor_.data());
    executor_->run();
    const Seconds ran = now();
    read_logits(executor_->logits(), description().output, prediction);
    reduce(prediction);
    prediction.fresh = true;
    prediction.pre = prepared - start;
    prediction.infer = ran - prepared;
    prediction.post = now() - ran;
}

const Prediction *Stream::repeat(Seconds pre) {
    if (!answered_)
        return nullptr;
    last_.fresh = false;
    last_.pre = pre;
    last_.infer = last_.post = 0;
    return &last_;
}

void Stream::begin() {
    answered_ = false;
    pacer_.reset();
    if (description().frame_spacing > 0)
        pacer_.emplace(description().frame_spacing);
}

size_t Stream::body_size() const {
    size_t size = 0;
    for (const TensorSpec &state : description().states)
        size += state.bytes();
    return size;
}

void Stream::save_body(uint8_t *out) const {
    const std::vector<TensorSpec> &states = description().states;
    for (size_t i = 0; i < states.size(); i++) {
        executor_->read_state(i, out);
        out += states[i].bytes();
    }
}

void Stream::restore_body(const uint8_t *body) {
    const std::vector<TensorSpec> &states = description().states;
    const uint8_t *at = body;
    for (const TensorSpec &state : states) {
        require_finite(state, at);
        at += state.bytes();
    }
    for (size_t i = 0; i < states.size(); i++) {
        executor_->write_state(i, body);
        body += states[i].bytes();
    }
    begin();
}

} // namespace edgeshift
