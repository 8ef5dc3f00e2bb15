#include "loop.hpp"

#include <algorithm>
#include <cmath>

#include "clock.hpp"

namespace edgeshift::agent {
namespace {

// These are the constants of the Python agent; benchmarks/latency/loop.py explains them.
constexpr size_t kWarmSteps = 10, kWindowSteps = 20, kSlowSteps = 3, kMaxSamples = 400000;
constexpr double kWarmSeconds = 1, kSettled = 0.02, kWindowSeconds = 0.5, kSlowSeconds = 5, kWarmTimeout = 20;

// Drop every second one.
template <class Item> void thin(std::vector<Item> &items) {
    size_t kept = 0;
    for (size_t i = 0; i < items.size(); i += 2)
        items[kept++] = items[i];
    items.resize(kept);
}

} // namespace

void Steps::add(const Steps &part, double offset) {
    const size_t first = (every - count % every) % every;
    for (size_t i = first; i < part.totals.size(); i += every) {
        timings.push_back(part.timings[i]);
        totals.push_back(part.totals[i]);
    }
    count += part.count;
    seconds = offset + part.seconds;
    while (totals.size() >= kMaxSamples) {
        thin(timings);
        thin(totals);
        every *= 2;
    }
}

std::vector<double> Steps::phase(double Timings::*phase) const {
    std::vector<double> values;
    for (const Timings &timing : timings)
        values.push_back(timing.*phase);
    return values;
}

Warmed warm_up(Stepper &stepper) {
    const double start = now();
    Warmed warmed;
    double previous = 0;
    while (true) {
        std::vector<double> window;
        const double window_start = now();
        while (window.size() < kWindowSteps || now() - window_start < kWindowSeconds) {
            if (window.size() >= kSlowSteps && now() - window_start >= kSlowSeconds)
                break;
            const double before = now();
            stepper.step(warmed.steps);
            window.push_back(now() - before);
            warmed.steps++;
        }
        std::sort(window.begin(), window.end());
        const double median = window[window.size() / 2], seconds = now() - start;
        const bool settled = previous > 0 && std::abs(median - previous) <= kSettled * previous;
        warmed.warm = settled && warmed.steps >= kWarmSteps && seconds >= kWarmSeconds;
        if (warmed.warm || (seconds >= kWarmTimeout && previous > 0))
            return warmed;
        previous = median;
    }
}

Steps run_steps(Stepper &stepper, size_t steps, double seconds) {
    Steps run;
    const double start = now();
    while (true) {
        const double before = now();
        const Timings timings = stepper.step(run.count);
        const double after = now();
        run.timings.push_back(timings);
        run.totals.push_back(after - before);
        run.count++;
        if (after - start >= seconds && run.count >= steps) {
            run.seconds = after - start;
            return run;
        }
    }
}

Steps run_paced(Stream &stream, const Frames &frames, size_t steps, double seconds, double fps) {
    Steps run;
    size_t late = 0, index = 0;
    const double spacing = 1 / fps, start = now();
    while (true) {
        const double due = start + double(index) * spacing;
        double before = now();
        for (; before < due; before = now())
            wait(due - before);
        const Prediction *answer = stream.step(frames.image(index % frames.count), NAN);
        const double after = now();
        if (answer != nullptr && answer->fresh) { // a clip artifact only stores most frames
            run.timings.push_back({answer->pre, answer->infer, answer->post});
            run.totals.push_back(after - before);
        }
        const size_t newest = std::max(index + 1, size_t((after - start) / spacing));
        // This frame is late if the next one is due already. The frames up to the newest one were replaced.
        late += (after - start >= double(index + 1) * spacing ? 1 : 0) + newest - index - 1;
        index = newest;
        run.seconds = after - start, run.count = run.totals.size();
        if (run.seconds >= seconds && run.count >= steps) {
            run.late = late, run.offered = index;
            return run;
        }
    }
}

std::optional<double> percentile(std::vector<double> samples, double share, size_t needed) {
    if (samples.size() < needed)
        return std::nullopt;
    std::sort(samples.begin(), samples.end());
    const double place = share * double(samples.size() - 1);
    const size_t lower = size_t(place);
    const double upper = samples[std::min(lower + 1, samples.size() - 1)];
    return samples[lower] + (upper - samples[lower]) * (place - double(lower));
}

} // namespace edgeshift::agent
