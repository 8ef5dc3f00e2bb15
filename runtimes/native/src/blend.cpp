#include "blend.hpp"

#include <cstring>

// The vectorised functions give the same bytes as blend_one_by_one, because all of them compute with integers.
#if defined(__x86_64__) || defined(__i386__)
#define EDGESHIFT_SSSE3
#include <tmmintrin.h>
#elif defined(__aarch64__)
#define EDGESHIFT_NEON
#include <arm_neon.h>
#endif

namespace edgeshift {
namespace {

constexpr int kHalf = kParts * kParts / 2;
constexpr size_t kLoad = 8;  // bytes that are read at once: two pixels
constexpr size_t kGroup = 4; // columns that are computed together

} // namespace

Columns::Columns(const Axis &axis, int width, const PixelLayout &layout, bool bgr)
    : channels_{bgr ? layout.blue : layout.red, layout.green, bgr ? layout.red : layout.blue},
      pixel_bytes_(layout.bytes) {
    const size_t row = size_t(width) * size_t(layout.bytes);
    size_t end = 0;
    bool begun = false;
    for (const Tap &tap : axis) {
        const size_t first = size_t(tap.first) * size_t(layout.bytes);
        first_.push_back(uint32_t(first));
        second_.push_back(uint8_t((tap.second - tap.first) * layout.bytes));
        for (int i = 0; i < 8; i++) {
            weights_.push_back(uint8_t(kParts - tap.weight));
            weights_.push_back(uint8_t(tap.weight));
        }
        // Positions only rise or only fall, so the columns near the end of the row are together.
        if (first + kLoad <= row) {
            if (!begun)
                vector_begin_ = first_.size() - 1;
            begun = true;
            end = first_.size();
        }
    }
    vector_end_ = vector_begin_ + (end > vector_begin_ ? (end - vector_begin_) / kGroup * kGroup : 0);
}

void Columns::blend(const uint8_t *above, const uint8_t *below, int weight, uint8_t flip, uint8_t *out) const {
    const size_t done = blend_vectors(above, below, weight, flip, out); // end of the columns that were computed
    const size_t begin = done == 0 ? 0 : vector_begin_;
    blend_one_by_one(above, below, weight, flip, out, 0, begin);
    blend_one_by_one(above, below, weight, flip, out, done, size());
}

void Columns::blend_one_by_one(const uint8_t *above, const uint8_t *below, int weight, uint8_t flip, uint8_t *out,
                               size_t begin, size_t end) const {
    for (size_t i = begin; i < end; i++) {
        const uint8_t *upper = above + first_[i], *lower = below + first_[i];
        const int left_weight = weights_[16 * i], right_weight = weights_[16 * i + 1], right = second_[i];
        for (int c = 0; c < 3; c++) {
            const int at = channels_[c];
            const int a = upper[at] * left_weight + upper[right + at] * right_weight;
            const int b = lower[at] * left_weight + lower[right + at] * right_weight;
            out[3 * i + size_t(c)] = uint8_t(uint8_t((a * (kParts - weight) + b * weight + kHalf) >> 2 * kPositionBits) ^ flip);
        }
    }
}

#if defined(EDGESHIFT_SSSE3)

namespace {

// Mix the pixels of one column: 32-bit results for the three channels, and 0.
__attribute__((target("ssse3"), always_inline)) inline __m128i
blend_column(const uint8_t *upper, const uint8_t *lower, const uint8_t *weights, __m128i pick, __m128i down) {
    const __m128i top = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(upper));
    const __m128i bottom = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(lower));
    // The bytes of one channel become neighbours: upper left and right, lower left and right.
    const __m128i bytes = _mm_shuffle_epi8(_mm_unpacklo_epi64(top, bottom), pick);
    const __m128i across = _mm_maddubs_epi16(bytes, _mm_loadu_si128(reinterpret_cast<const __m128i *>(weights)));
    return _mm_srli_epi32(_mm_add_epi32(_mm_madd_epi16(across, down), _mm_set1_epi32(kHalf)), 2 * kPositionBits);
}

__attribute__((target("ssse3"))) void blend_ssse3(const uint8_t *above, const uint8_t *below, int weight, uint8_t flip,
                                                  uint8_t *out, const uint32_t *first, const uint8_t *weights,
                                                  const int *channels, int pixel_bytes, size_t begin, size_t end) {
    alignas(16) uint8_t order[16];
    std::memset(order, 0x80, sizeof order); // results in these places are 0
    for (int c = 0; c < 3; c++) {
        const uint8_t at = uint8_t(channels[c]), next = uint8_t(at + pixel_bytes);
        const uint8_t four[4] = {at, next, uint8_t(at + kLoad), uint8_t(next + kLoad)};
        std::memcpy(order + 4 * c, four, 4);
    }
    const __m128i pick = _mm_load_si128(reinterpret_cast<const __m128i *>(order));
    const __m128i down = _mm_set1_epi32(weight << 16 | (kParts - weight));
    const __m128i flips = _mm_set1_epi8(char(flip));
    const __m128i three = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    for (size_t i = begin; i < end; i += kGroup) {
        __m128i column[kGroup];
        for (size_t k = 0; k < kGroup; k++)
            column[k] = blend_column(above + first[i + k], below + first[i + k], weights + 16 * (i + k), pick, down);
        const __m128i words_0 = _mm_packs_epi32(column[0], column[1]), words_1 = _mm_packs_epi32(column[2], column[3]);
        const __m128i bytes = _mm_xor_si128(_mm_packus_epi16(words_0, words_1), flips);
        const __m128i packed = _mm_shuffle_epi8(bytes, three);
        _mm_storel_epi64(reinterpret_cast<__m128i *>(out + 3 * i), packed);
        const int last = _mm_cvtsi128_si32(_mm_srli_si128(packed, 8));
        std::memcpy(out + 3 * i + 8, &last, 4);
    }
}

} // namespace

size_t Columns::blend_vectors(const uint8_t *above, const uint8_t *below, int weight, uint8_t flip,
                              uint8_t *out) const {
    static const bool can = __builtin_cpu_supports("ssse3");
    if (!can || vector_end_ == vector_begin_)
        return 0;
    blend_ssse3(above, below, weight, flip, out, first_.data(), weights_.data(), channels_, pixel_bytes_,
                vector_begin_, vector_end_);
    return vector_end_;
}

#elif defined(EDGESHIFT_NEON)

size_t Columns::blend_vectors(const uint8_t *above, const uint8_t *below, int weight, uint8_t flip,
                              uint8_t *out) const {
    if (vector_end_ == vector_begin_)
        return 0;
    // The bytes of the left pixels, upper then lower, and those of the right pixels. 255 gives 0.
    uint8_t order[2][8];
    std::memset(order, 255, sizeof order);
    for (int side = 0; side < 2; side++)
        for (int c = 0; c < 3; c++) {
            order[side][c] = uint8_t(channels_[c] + side * pixel_bytes_);
            order[side][4 + c] = uint8_t(order[side][c] + kLoad);
        }
    const uint8x8_t left = vld1_u8(order[0]), right = vld1_u8(order[1]), flips = vdup_n_u8(flip);
    for (size_t i = vector_begin_; i < vector_end_; i += kGroup) {
        uint16x4_t column[kGroup];
        for (size_t k = 0; k < kGroup; k++) {
            const uint8x16_t pixels = vcombine_u8(vld1_u8(above + first_[i + k]), vld1_u8(below + first_[i + k]));
            const uint8_t *weights = &weights_[16 * (i + k)];
            const uint16x8_t across = vmlal_u8(vmull_u8(vqtbl1_u8(pixels, left), vld1_dup_u8(weights)),
                                               vqtbl1_u8(pixels, right), vld1_dup_u8(weights + 1));
            const uint32x4_t upper = vmull_n_u16(vget_low_u16(across), uint16_t(kParts - weight));
            const uint32x4_t both = vmlal_n_u16(upper, vget_high_u16(across), uint16_t(weight));
            column[k] = vrshrn_n_u32(both, 2 * kPositionBits); // rounds halves up, as the formula does
        }
        uint8_t bytes[4 * kGroup];
        vst1_u8(bytes, veor_u8(vmovn_u16(vcombine_u16(column[0], column[1])), flips));
        vst1_u8(bytes + 8, veor_u8(vmovn_u16(vcombine_u16(column[2], column[3])), flips));
        for (size_t k = 0; k < kGroup; k++)
            std::memcpy(out + 3 * (i + k), bytes + 4 * k, 3);
    }
    return vector_end_;
}

#else

size_t Columns::blend_vectors(const uint8_t *, const uint8_t *, int, uint8_t, uint8_t *) const { return 0; }

#endif

} // namespace edgeshift
