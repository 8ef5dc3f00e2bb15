// SHA-256 (FIPS 180-4). The core has its own, so that it needs no cryptographic library.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace edgeshift {

// The hash of bytes that arrive in parts.
class Sha256 {
  public:
    // plainly: do not use the processor's own instructions for SHA-256, for tests.
    explicit Sha256(bool plainly = false) : plainly_(plainly) {}
    void update(const void *data, size_t size);
    // The hash of all bytes so far, as 64 hexadecimal digits. More bytes may follow.
    std::string hex() const;

  private:
    void add_block(const uint8_t *block);
    void add_block_plainly(const uint8_t *block);

    std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::array<uint8_t, 64> rest_ = {}; // bytes that do not fill a block yet
    uint64_t size_ = 0;
    bool plainly_;
};

std::string sha256(const void *data, size_t size);

} // namespace edgeshift
