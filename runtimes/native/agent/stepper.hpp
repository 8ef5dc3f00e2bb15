// What one timed step is: one frame, or one answer of a clip artifact. Python's benchmarks/latency/steps.py is the same.
#pragma once

#include <vector>

#include "frames.hpp"
#include "stream.hpp"

namespace edgeshift::agent {

// Seconds of the phases of one step.
struct Timings {
    double pre = 0, infer = 0, post = 0;
};

// Runs timed steps over frames, which are repeated from the start. An answer of a clip artifact takes all frames since the
// last one, because only these steps are comparable: most frames of a clip are stored and not run.
class Stepper {
  public:
    // A clip artifact gets frames now, so that the first step gives an answer.
    Stepper(Stream &stream, const Frames &frames);
    // Run one step. `index` counts steps from 0.
    Timings step(size_t index);

  private:
    Stream &stream_;
    std::vector<es_image> images_;
    size_t hop_; // frames of a step
};

} // namespace edgeshift::agent
