#include "sound_stream.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "clock.hpp"
#include "error.hpp"
#include "image.hpp"

namespace edgeshift {
namespace {

// Share of SoundSpec::every by which a sound may be early, because microphones give samples in pieces.
constexpr double kEarly = 0.2;
constexpr size_t kCountBytes = 8;

} // namespace

SoundStream::SoundStream(std::shared_ptr<const Model> model, const FrameSpec &frame)
    : Stream(model, frame), Listening(model->description),
      sounds_(of_frames(model, model->description.frame.fitted())), picture_(description().frame.bytes()) {}

const Prediction *SoundStream::step(const es_image &image, double timestamp) {
    std::optional<Pacer> pacer = pacer_;
    if (!due(timestamp, pacer) && answered_)
        return Stream::step(image, timestamp); // repeats the last prediction
    // The sound runs before the frame, so that a call that fails leaves the states as they were.
    Sound now_heard = listen(timestamp);
    Stream::step(image, timestamp);
    const Seconds start = now();
    if (now_heard.hearing != Hearing::heard)
        forget_sound();
    if (now_heard.fresh) {
        sound_ = std::move(now_heard.logits);
        heard_to_ = now_heard.end;
    }
    frame_logits_ = last_.logits;
    keep_answer(last_.logits);
    fuse_prediction();
    last_.heard = now_heard.hearing;
    last_.pre += now_heard.pre;
    last_.infer += now_heard.infer;
    last_.post += now() - start;
    return &last_;
}

void SoundStream::hear(const float *samples, size_t count, double timestamp, int rate) {
    ear_.hear(samples, count, timestamp, rate);
}

void SoundStream::deafen() {
    ear_.deafen();
    forget_sound();
}

void SoundStream::reset() {
    Stream::reset();
    answers_.clear();
    deafen();
}

const Prediction &SoundStream::run_sound(const uint8_t *picture) {
    sounds_->reset();
    const FrameSpec &frame = description().frame;
    const es_image image = rgb_image(picture, frame.width, frame.height);
    return *sounds_->step(image, std::numeric_limits<double>::quiet_NaN());
}

// What is heard at the time of a frame, with new logits of the sound if they are due.
SoundStream::Sound SoundStream::listen(double timestamp) {
    Sound result;
    result.hearing = ear_.hearing(timestamp);
    if (result.hearing != Hearing::heard)
        return result;
    result.end = ear_.end();
    if (!sound_.empty() && result.end - heard_to_ < (1 - kEarly) * settings().every)
        return result;
    const Seconds start = now();
    ear_.write_picture(picture_.data());
    const Prediction &answer = run_sound(picture_.data());
    result.fresh = true;
    result.logits = answer.logits;
    result.infer = answer.infer;
    result.pre = now() - start - answer.infer;
    return result;
}

void SoundStream::keep_answer(const Logits &logits) {
    if (answers_.size() < size_t(settings().frames)) {
        answers_.push_back(logits);
        return;
    }
    std::rotate(answers_.begin(), answers_.begin() + 1, answers_.end());
    answers_.back() = logits;
}

void SoundStream::fuse_prediction() {
    Logits &total = last_.logits;
    total = answers_.front();
    for (size_t frame = 1; frame < answers_.size(); frame++)
        for (size_t i = 0; i < total.size(); i++)
            total[i] += answers_[frame][i];
    fuse(total, answers_.size(), sound_);
    judge(last_);
}

size_t SoundStream::answers_size() const {
    return size_t(settings().frames) * description().output.values() * sizeof(float);
}

size_t SoundStream::body_size() const { return kCountBytes + answers_size() + Stream::body_size(); }

void SoundStream::save_body(uint8_t *out) const {
    for (size_t i = 0; i < kCountBytes; i++)
        out[i] = uint8_t(uint64_t(answers_.size()) >> 8 * i);
    uint8_t *at = out + kCountBytes;
    std::fill(at, at + answers_size(), uint8_t(0));
    for (const Logits &logits : answers_) {
        std::memcpy(at, logits.data(), logits.size() * sizeof(float));
        at += logits.size() * sizeof(float);
    }
    Stream::save_body(out + kCountBytes + answers_size());
}

void SoundStream::restore_body(const uint8_t *body) {
    uint64_t count = 0;
    for (size_t i = 0; i < kCountBytes; i++)
        count |= uint64_t(body[i]) << 8 * i;
    if (count > uint64_t(settings().frames))
        throw bad_argument("the number of frames of the state is not possible: give bytes that es_stream_save wrote");
    const size_t classes = description().output.values();
    std::vector<Logits> answers(count, Logits(classes));
    const uint8_t *at = body + kCountBytes;
    for (Logits &logits : answers) {
        std::memcpy(logits.data(), at, classes * sizeof(float));
        at += classes * sizeof(float);
        for (const float logit : logits)
            if (!std::isfinite(logit))
                throw bad_argument("the state contains a logit that is NaN or infinite: restore a state that a stream "
                                   "saved");
    }
    Stream::restore_body(body + kCountBytes + answers_size()); // the last that can fail
    answers_ = std::move(answers);
    forget_sound();
}

} // namespace edgeshift
