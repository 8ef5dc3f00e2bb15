// What the streams of networks with a sound segment share, for single frames and for clips. Python's
// edgeshift/stream/listening.py is the same.
#pragma once

#include <cstdint>
#include <vector>

#include "description.hpp"
#include "ear.hpp"

namespace edgeshift {

class Listening {
  public:
    using Logits = std::vector<float>;

    explicit Listening(const Description &description)
        : ear_(*description.sound, description.frame.width), weight_(description.sound->weight),
          quiet_(description.quiet) {}
    virtual ~Listening() = default;

    // The logits of the newest frame, or of the frames of the newest clip, without a sound.
    const Logits &frame_logits() const { return frame_logits_; }
    // The logits for a picture of a sound alone, height x width x 3 bytes. The frames and the sound of the stream stay as
    // they are.
    virtual Logits answer_to(const uint8_t *picture) = 0;

  protected:
    // Turn the sum of the logits of `count` frames into the answer to them and a sound, in float32 as Python does. An empty
    // sound: none can be used, and the logits of a quiet room take its place, if they are known.
    void fuse(Logits &frames, size_t count, const Logits &sound) const;

    Ear ear_;
    Logits frame_logits_;

  private:
    double weight_;
    Logits quiet_;
};

} // namespace edgeshift
