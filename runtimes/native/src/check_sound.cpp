#include "check_sound.hpp"

#include <cstddef>
#include <random>

#include "sound_picture.hpp"

namespace edgeshift {
namespace {

constexpr size_t kParts = 16; // parts of the sound, which have other levels and pitches

// NumPy's RandomState(seed).randint(low, low + count): the lowest bits of the next number that are below `count`.
int next_number(std::mt19937 &generator, int low, uint32_t count) {
    uint32_t mask = 1;
    while (mask < count - 1)
        mask = 2 * mask + 1;
    for (;;)
        if (const uint32_t number = uint32_t(generator()) & mask; number < count)
            return low + int(number);
}

// The value divided by 2 to the power of `shift`, rounded down.
int halved(int value, int shift) { return value >= 0 ? value >> shift : -((-value + (1 << shift) - 1) >> shift); }

std::vector<float> check_sound(uint32_t seed, size_t count) {
    std::mt19937 generator(seed);
    std::vector<int> noise(count), shifts(kParts), periods(kParts);
    for (int &value : noise)
        value = next_number(generator, -32768, 65536);
    for (int &shift : shifts)
        shift = next_number(generator, 2, 8);
    for (int &period : periods)
        period = next_number(generator, 8, 120);
    std::vector<float> samples(count);
    for (size_t i = 0; i < count; i++) {
        const size_t part = i * kParts / count;
        const int square = i / size_t(periods[part]) % 2 != 0 ? 16384 : -16384;
        samples[i] = float(halved(square + halved(noise[i], 2), shifts[part])) / 32768;
    }
    return samples;
}

} // namespace

std::vector<uint8_t> check_sound_picture(uint32_t seed, const SoundSpec &settings, int size) {
    PictureStream stream(settings, settings.rate, size);
    const std::vector<float> samples = check_sound(seed, size_t(stream.missing()));
    stream.feed(samples.data(), samples.size());
    std::vector<uint8_t> picture(size_t(size) * size_t(size) * 3);
    stream.write(picture.data());
    return picture;
}

} // namespace edgeshift
