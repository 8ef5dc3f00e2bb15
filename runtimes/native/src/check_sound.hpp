// The sound of the self-check: bursts of noise and square waves, made with integers so that it is the same anywhere.
// Python's edgeshift/stream/check_sound.py is the same.
#pragma once

#include <cstdint>
#include <vector>

#include "description.hpp"

namespace edgeshift {

// The picture of the test sound for a network, size x size x 3 bytes. Throws Error if `settings.rate` does not fit.
std::vector<uint8_t> check_sound_picture(uint32_t seed, const SoundSpec &settings, int size);

} // namespace edgeshift
