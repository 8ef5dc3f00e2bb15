#include "sound_clip_stream.hpp"

#include <algorithm>
#include <utility>

#include "clock.hpp"

namespace edgeshift {

SoundClipStream::SoundClipStream(std::shared_ptr<const Model> model, const FrameSpec &frame)
    : ClipStream(model, frame), Listening(model->description), picture_(description().frame.bytes()) {}

const Prediction *SoundClipStream::clip(const es_image *images, int count) {
    hearing_ = Hearing::none;
    load_sound();
    return ClipStream::clip(images, count);
}

void SoundClipStream::hear(const float *samples, size_t count, double timestamp, int rate) {
    ear_.hear(samples, count, timestamp, rate);
}

void SoundClipStream::deafen() { ear_.deafen(); }

void SoundClipStream::reset() {
    ClipStream::reset();
    deafen();
}

Listening::Logits SoundClipStream::answer_to(const uint8_t *picture) {
    const std::vector<uint8_t> black(picture_.size());
    for (int place = 0; place < description().frames(); place++)
        load(place, black.data());
    load(description().frames(), picture);
    const Logits kept = frame_logits_;
    Prediction prediction;
    predict(now(), prediction);
    frame_logits_ = kept;
    return sound_logits_;
}

void SoundClipStream::listen(double timestamp) {
    hearing_ = ear_.hearing(timestamp);
    load_sound();
}

void SoundClipStream::load_sound() {
    if (hearing_ == Hearing::heard)
        ear_.write_picture(picture_.data());
    else
        std::fill(picture_.begin(), picture_.end(), uint8_t(0));
    load(description().frames(), picture_.data());
}

void SoundClipStream::reduce(Prediction &prediction) {
    Logits &rows = prediction.logits;
    const auto middle = rows.begin() + std::ptrdiff_t(rows.size() / 2);
    frame_logits_.assign(rows.begin(), middle);
    sound_logits_.assign(middle, rows.end());
    rows.resize(frame_logits_.size());
    const size_t frames = size_t(description().frames());
    for (float &logit : rows)
        logit *= float(frames);
    fuse(rows, frames, hearing_ == Hearing::heard ? sound_logits_ : Logits());
    judge(prediction);
    prediction.heard = hearing_;
}

} // namespace edgeshift
