#include "stepper.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "error.hpp"

namespace edgeshift::agent {

Stepper::Stepper(Stream &stream, const Frames &frames)
    : stream_(stream), hop_(size_t(std::max(stream.model().description.hop, 1))) {
    for (size_t i = 0; i < frames.count; i++)
        images_.push_back(frames.image(i));
    const Description &description = stream.model().description;
    if (description.clip())
        for (size_t i = 0; i + hop_ < size_t(description.frames()); i++)
            stream.step(images_[i % images_.size()], NAN);
}

Timings Stepper::step(size_t index) {
    double pre = 0;
    const Prediction *answer = nullptr;
    for (size_t i = 0; i < hop_; i++) {
        answer = stream_.step(images_[(index * hop_ + i) % images_.size()], NAN);
        pre += answer ? answer->pre : 0;
    }
    if (answer == nullptr || !answer->fresh)
        throw Error(ES_FAILED, "the clip artifact gave no answer after " + std::to_string(hop_) +
                                   " frames: this is a mistake in edgeshift; report it");
    return {pre, answer->infer, answer->post};
}

} // namespace edgeshift::agent
