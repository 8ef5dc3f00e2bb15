// The bytes of an artifact, whose positions are checked.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace edgeshift {

constexpr size_t HASH_LENGTH = 64; // digits of the hash at the end

// The description or the graph is not stored as edgeshift does it. The message says why.
class Damaged : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// Bytes whose positions are checked.
class Bytes {
  public:
    Bytes(const uint8_t *data, size_t size) : data_(data), size_(size) {}

    size_t size() const { return size_; }
    const uint8_t *data() const { return data_; }

    std::string_view text(size_t at, size_t length) const {
        if (at > size_ || length > size_ - at)
            throw Damaged("its description cannot be unpacked: it is cut short");
        return {reinterpret_cast<const char *>(data_) + at, length};
    }
    // At most `length` bytes: fewer if the data ends before.
    std::string_view up_to(size_t at, size_t length) const {
        return text(std::min(at, size_), std::min(length, size_ - std::min(at, size_)));
    }
    unsigned two(size_t at) const {
        const auto *bytes = reinterpret_cast<const uint8_t *>(text(at, 2).data());
        return bytes[0] | bytes[1] << 8;
    }
    uint32_t four(size_t at) const { return two(at) | static_cast<uint32_t>(two(at + 2)) << 16; }
    bool starts_with(std::string_view signature, size_t at) const {
        return at <= size_ && signature.size() <= size_ - at && text(at, signature.size()) == signature;
    }

  private:
    const uint8_t *data_;
    size_t size_;
};

} // namespace edgeshift
