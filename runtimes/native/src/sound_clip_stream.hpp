// A stream of a clip artifact whose network has a sound segment. Python's edgeshift/stream/sound_clip_stream.py is the same.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "clip_stream.hpp"
#include "listening.hpp"

namespace edgeshift {

// The graph takes the T frames and the picture of a sound, and returns two rows: the mean of the frames' logits, and the
// logits of the sound. Where there is no usable sound, it gets a black picture and its second row is not used.
class SoundClipStream : public ClipStream, public Listening {
  public:
    SoundClipStream(std::shared_ptr<const Model> model, const FrameSpec &frame);

    // A whole clip is answered without a sound.
    const Prediction *clip(const es_image *images, int count) override;
    void hear(const float *samples, size_t count, double timestamp, int rate) override;
    void deafen() override;
    void reset() override;
    Listening *listening() override { return this; }
    Logits answer_to(const uint8_t *picture) override;

  private:
    void listen(double timestamp) override;
    void reduce(Prediction &prediction) override;
    // Write the picture of the sound, or a black one, after the frames.
    void load_sound();

    Hearing hearing_ = Hearing::deaf; // of the answer that is computed
    std::vector<uint8_t> picture_;    // of its sound, black if there is none
    Logits sound_logits_;             // the graph's second row
};

} // namespace edgeshift
