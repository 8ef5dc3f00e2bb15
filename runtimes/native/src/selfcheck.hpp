// The self-check: test frames from a seed are run, and the logits and states are compared with those in the description.
// Python's edgeshift/stream/selfcheck.py is the same.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "edgeshift/edgeshift.h"
#include "model.hpp"

namespace edgeshift {

// Test frames: a grid of coloured cells that moves to the right by one cell per frame.
class CheckFrames {
  public:
    CheckFrames(uint32_t seed, int count, int height, int width);
    int count() const { return count_; }
    // Write frame number `index`, height x width x 3 bytes.
    void write(int index, uint8_t *out) const;

  private:
    int count_, height_, width_;
    std::vector<uint8_t> cells_;
};

// Run the self-check twice. Throws Error if the artifact has none, or the runtime fails.
es_check self_check(std::shared_ptr<const Model> model);

} // namespace edgeshift
