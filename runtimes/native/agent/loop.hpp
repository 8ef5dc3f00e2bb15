// The timed loop: warm-up, steps at full speed, and steps at a camera's frame rate. Python's benchmarks/latency/loop.py is
// the same.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "stepper.hpp"

namespace edgeshift::agent {

// Timed steps, in order.
struct Steps {
    std::vector<Timings> timings;
    std::vector<double> totals; // seconds of each step, end to end
    double seconds = 0;         // from the start of the loop to the end of the last step
    size_t count = 0;           // number of timed steps
    size_t every = 1;           // samples are kept of all steps if this is 1, of every second step if it is 2, ...
    std::optional<size_t> late, offered; // of a paced loop

    // Append a part of a long run that started `offset` seconds after the start of the run.
    void add(const Steps &part, double offset);
    // The times of one phase.
    std::vector<double> phase(double Timings::*phase) const;
};

struct Warmed {
    size_t steps = 0;
    bool warm = false; // the latency had settled
};

// Run steps until their latency has settled.
Warmed warm_up(Stepper &stepper);
// Run steps without a pause until both `steps` and `seconds` are reached.
Steps run_steps(Stepper &stepper, size_t steps, double seconds);
// Run frames at the rate of a simulated camera that keeps only its newest frame.
Steps run_paced(Stream &stream, const Frames &frames, size_t steps, double seconds, double fps);

// A percentile, as NumPy's quantile computes it. Empty: there are fewer than `needed` samples.
std::optional<double> percentile(std::vector<double> samples, double share, size_t needed);

} // namespace edgeshift::agent
