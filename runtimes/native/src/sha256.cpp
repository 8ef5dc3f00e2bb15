#include "sha256.hpp"

#include <algorithm>
#include <cstring>

#include "sha256_instructions.hpp"

namespace edgeshift {

namespace {

constexpr size_t BLOCK = 64; // bytes that are hashed at once
constexpr uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

uint32_t rotate(uint32_t word, int bits) { return word >> bits | word << (32 - bits); }

uint32_t read_word(const uint8_t *at) {
    return uint32_t(at[0]) << 24 | uint32_t(at[1]) << 16 | uint32_t(at[2]) << 8 | uint32_t(at[3]);
}

} // namespace

void Sha256::add_block(const uint8_t *block) {
    static const bool fast = has_sha256_instructions();
    if (fast && !plainly_)
        add_block_by_instructions(state_.data(), block, ROUND);
    else
        add_block_plainly(block);
}

void Sha256::add_block_plainly(const uint8_t *block) {
    uint32_t words[64];
    for (int i = 0; i < 16; i++)
        words[i] = read_word(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        const uint32_t near = words[i - 2], far = words[i - 15];
        words[i] = words[i - 16] + (rotate(far, 7) ^ rotate(far, 18) ^ far >> 3) + words[i - 7] +
                   (rotate(near, 17) ^ rotate(near, 19) ^ near >> 10);
    }
    auto [a, b, c, d, e, f, g, h] = state_;
    for (int i = 0; i < 64; i++) {
        const uint32_t first =
            h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[i] + words[i];
        const uint32_t second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + first;
        d = c, c = b, b = a, a = first + second;
    }
    const uint32_t added[8] = {a, b, c, d, e, f, g, h};
    for (size_t i = 0; i < state_.size(); i++)
        state_[i] += added[i];
}

void Sha256::update(const void *data, size_t size) {
    const auto *bytes = static_cast<const uint8_t *>(data);
    while (size > 0) {
        const size_t filled = size_ % BLOCK, taken = std::min(BLOCK - filled, size);
        if (taken == BLOCK) {
            add_block(bytes);
        } else {
            std::memcpy(rest_.data() + filled, bytes, taken);
            if (filled + taken == BLOCK)
                add_block(rest_.data());
        }
        bytes += taken, size -= taken, size_ += taken;
    }
}

std::string Sha256::hex() const {
    Sha256 last = *this;
    uint8_t end[BLOCK + 8] = {0x80}; // one bit, zeros up to the last 8 bytes of a block, and the number of bits
    const size_t zeros = (2 * BLOCK - 9 - size_ % BLOCK) % BLOCK;
    for (int i = 0; i < 8; i++)
        end[1 + zeros + i] = static_cast<uint8_t>(size_ * 8 >> (56 - 8 * i));
    last.update(end, 1 + zeros + 8);
    std::string digits;
    for (uint32_t word : last.state_)
        for (int shift = 28; shift >= 0; shift -= 4)
            digits += "0123456789abcdef"[word >> shift & 15];
    return digits;
}

std::string sha256(const void *data, size_t size) {
    Sha256 hash;
    hash.update(data, size);
    return hash.hex();
}

} // namespace edgeshift
