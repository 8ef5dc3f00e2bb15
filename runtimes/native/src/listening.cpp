#include "listening.hpp"

// Each product is rounded before it is added, as by numpy. GCC has an option for this, which CMakeLists.txt sets.
#ifdef __clang__
#pragma clang fp contract(off)
#endif

namespace edgeshift {

void Listening::fuse(Logits &frames, size_t count, const Logits &sound) const {
    const Logits &used = sound.empty() ? quiet_ : sound;
    double weight = double(count);
    if (!used.empty()) {
        const float of_sound = float(weight_);
        for (size_t i = 0; i < frames.size(); i++)
            frames[i] += of_sound * used[i];
        weight += weight_;
    }
    for (float &logit : frames)
        logit /= float(weight);
}

} // namespace edgeshift
