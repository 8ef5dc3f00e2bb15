// Reads protobuf fields by their lengths, without a schema, and trusts no number in them. Python's
// edgeshift/artifact/protobuf.py does the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bytes.hpp"

namespace edgeshift::protobuf {

constexpr size_t MAX_FIELDS = 4096; // of one message

// A field: its number, and the positions of its tag, of its content, and after it.
struct Field {
    uint64_t number = 0;
    size_t begin = 0, start = 0, stop = 0;

    std::string_view content(const Bytes &data) const { return data.text(start, stop - start); }
};

// The fields of the message at [start, stop), without a look into their contents. Throws Damaged.
std::vector<Field> read_fields(const Bytes &data, size_t start, size_t stop);

// The last field of a message with this number and with bytes inside; the last one counts in protobuf. Empty if there is none.
// Throws Damaged.
Field last_field(const Bytes &data, const Field &message, uint64_t number);

// The integer in a field, which is stored with seven bits in a byte, and the lowest first. Throws Damaged.
uint64_t integer(const Bytes &data, const Field &field);

} // namespace edgeshift::protobuf
