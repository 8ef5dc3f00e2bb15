// A stream of an artifact whose network has a sound segment. Python's edgeshift/stream/sound_stream.py is the same.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "listening.hpp"
#include "stream.hpp"

namespace edgeshift {

// The answer to the newest frames and to a sound: (v_1 + ... + v_n + w s) / (n + w), where v_t are the logits of a frame,
// s those of the sound and w its weight. The sound runs through the same graph as a frame, with the states of a new
// stream. Without a usable sound, the logits of a quiet room take its place.
class SoundStream : public Stream, public Listening {
  public:
    SoundStream(std::shared_ptr<const Model> model, const FrameSpec &frame);

    const Prediction *step(const es_image &image, double timestamp) override;
    void hear(const float *samples, size_t count, double timestamp, int rate) override;
    void deafen() override;
    void reset() override;
    Listening *listening() override { return this; }
    Logits answer_to(const uint8_t *picture) override { return run_sound(picture).logits; }

  private:
    // What the sound is for one frame. It changes the stream only when the frame has been answered.
    struct Sound {
        Hearing hearing = Hearing::deaf;
        bool fresh = false; // there are new logits
        Logits logits;
        double end = 0, pre = 0, infer = 0; // seconds
    };

    // The number of frames' logits, int64, little-endian; these logits, oldest first, with zeros for those that are
    // missing; and then the states.
    size_t body_size() const override;
    void save_body(uint8_t *out) const override;
    void restore_body(const uint8_t *body) override;

    const SoundSpec &settings() const { return *description().sound; }
    size_t answers_size() const;
    Sound listen(double timestamp);
    // The prediction for a picture of a sound alone. It is valid until the next call.
    const Prediction &run_sound(const uint8_t *picture);
    void keep_answer(const Logits &logits);
    void forget_sound() { sound_.clear(); }
    // Replace the frame's logits in the prediction by the answer to the newest frames and the sound.
    void fuse_prediction();

    std::unique_ptr<Stream> sounds_; // runs the pictures of sounds
    std::vector<uint8_t> picture_;
    std::vector<Logits> answers_;    // of the newest frames, the oldest first
    Logits sound_;                   // of the newest sound; empty: there is none
    double heard_to_ = 0;            // time after the newest sample of that sound, seconds
};

} // namespace edgeshift
