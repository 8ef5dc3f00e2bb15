// A stream of a clip artifact. Python's edgeshift/stream/clip_stream.py is the same.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "stream.hpp"

namespace edgeshift {

// Keeps the last T frames, and runs the whole clip at frame T and at every `hop`-th frame after it. The other frames
// repeat the last prediction.
class ClipStream : public Stream {
  public:
    ClipStream(std::shared_ptr<const Model> model, const FrameSpec &frame);

    const Prediction *step(const es_image &image, double timestamp) override;
    const Prediction *clip(const es_image *images, int count) override;
    void reset() override;

  protected:
    // Prepare for the answer to a frame of this time, seconds or NaN. A stream that hears looks for a sound.
    virtual void listen(double) {}
    // Write one picture, height x width x 3 bytes, to its place in the graph's input.
    void load(int place, const uint8_t *pixels);

  private:
    // The frames, oldest first, and the number of frames since the start: int64, little-endian.
    size_t body_size() const override;
    void save_body(uint8_t *out) const override;
    void restore_body(const uint8_t *body) override;

    uint8_t *kept(int64_t frame) { return &frames_[size_t(frame % length_) * frame_bytes_]; }
    const uint8_t *kept(int64_t frame) const { return &frames_[size_t(frame % length_) * frame_bytes_]; }
    int length_;                  // T
    size_t frame_bytes_;          // bytes of a fitted frame
    std::vector<uint8_t> frames_; // the last T frames; frame n is in place n mod T
    std::vector<uint8_t> newest_; // the frame that a call is working on; a step keeps it when it has succeeded
    std::vector<uint8_t> planes_; // of `load`: a frame with channels first
    int64_t count_ = 0;           // frames since the start
    Prediction whole_;            // of `clip`
};

// The image of `total` that is in the middle of segment `segment` of `count`. Python's segment_middles is the same.
int segment_middle(int segment, int total, int count);

} // namespace edgeshift
