#include "sha256_instructions.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

#include <cpuid.h>
#include <immintrin.h>

namespace edgeshift {

bool has_sha256_instructions() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (b & 1u << 29) == 0)
        return false;
    return __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3");
}

// The instructions keep the state as the pairs of words A, B, E, F and C, D, G, H, and do two rounds at once.
__attribute__((target("sha,sse4.1,ssse3"))) void add_block_by_instructions(uint32_t *state, const uint8_t *block,
                                                                           const uint32_t *round) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    const __m128i low = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(state)), 0xb1);
    const __m128i high = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(state + 4)), 0x1b);
    const __m128i before_abef = _mm_alignr_epi8(low, high, 8), before_cdgh = _mm_blend_epi16(high, low, 0xf0);
    __m128i abef = before_abef, cdgh = before_cdgh;
    __m128i words[4]; // the last 16 words, four in each
    for (int i = 0; i < 16; i++) {
        __m128i &now = words[i % 4];
        if (i < 4) {
            now = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i *>(block + 16 * i)), big_endian);
        } else {
            const __m128i last = words[(i + 3) % 4], before_last = words[(i + 2) % 4];
            now = _mm_add_epi32(_mm_sha256msg1_epu32(now, words[(i + 1) % 4]), _mm_alignr_epi8(last, before_last, 4));
            now = _mm_sha256msg2_epu32(now, last);
        }
        const __m128i constants = _mm_loadu_si128(reinterpret_cast<const __m128i *>(round + 4 * i));
        const __m128i sum = _mm_add_epi32(now, constants);
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
    }
    abef = _mm_add_epi32(abef, before_abef);
    cdgh = _mm_add_epi32(cdgh, before_cdgh);
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128(reinterpret_cast<__m128i *>(state), _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(reinterpret_cast<__m128i *>(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

} // namespace edgeshift

#elif defined(__aarch64__) && (defined(__linux__) || defined(__APPLE__))

#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

#if defined(__clang__)
#define EDGESHIFT_SHA2 __attribute__((target("sha2")))
#else
#define EDGESHIFT_SHA2 __attribute__((target("+crypto")))
#endif

namespace edgeshift {

#if defined(__linux__)
bool has_sha256_instructions() { return (getauxval(AT_HWCAP) & 1ul << 6) != 0; } // HWCAP_SHA2
#else
bool has_sha256_instructions() { return true; } // all of Apple's processors of 64 bits have them
#endif

EDGESHIFT_SHA2 void add_block_by_instructions(uint32_t *state, const uint8_t *block, const uint32_t *round) {
    const uint32x4_t before_abcd = vld1q_u32(state), before_efgh = vld1q_u32(state + 4);
    uint32x4_t abcd = before_abcd, efgh = before_efgh;
    uint32x4_t words[4]; // the last 16 words, four in each
    for (int i = 0; i < 16; i++) {
        uint32x4_t &now = words[i % 4];
        if (i < 4)
            now = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(block + 16 * i)));
        else
            now = vsha256su1q_u32(vsha256su0q_u32(now, words[(i + 1) % 4]), words[(i + 2) % 4], words[(i + 3) % 4]);
        const uint32x4_t sum = vaddq_u32(now, vld1q_u32(round + 4 * i)), abcd_before = abcd;
        abcd = vsha256hq_u32(abcd, efgh, sum);
        efgh = vsha256h2q_u32(efgh, abcd_before, sum);
    }
    vst1q_u32(state, vaddq_u32(abcd, before_abcd));
    vst1q_u32(state + 4, vaddq_u32(efgh, before_efgh));
}

} // namespace edgeshift

#else

namespace edgeshift {

bool has_sha256_instructions() { return false; }
void add_block_by_instructions(uint32_t *, const uint8_t *, const uint32_t *) {}

} // namespace edgeshift

#endif
