#include "protobuf.hpp"

#include <string>

namespace edgeshift::protobuf {
namespace {

constexpr size_t kTagBytes = 5; // of a tag at most
// How the content of a field is stored (protobuf.dev/programming-guides/encoding).
constexpr uint64_t kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

// Read an integer at `at`, and move `at` after it.
uint64_t read_varint(const Bytes &data, size_t &at, size_t stop) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (at >= stop)
            throw Damaged("it has a protobuf number that is cut short");
        const uint64_t byte = data.data()[at++];
        if (shift == 63 && (byte & 0x7f) > 1)
            break;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    throw Damaged("it has a protobuf number of more than 64 bits");
}

} // namespace

std::vector<Field> read_fields(const Bytes &data, size_t start, size_t stop) {
    std::vector<Field> fields;
    for (size_t at = start; at < stop;) {
        if (fields.size() == MAX_FIELDS)
            throw Damaged("it has more than " + std::to_string(MAX_FIELDS) + " protobuf fields");
        Field field;
        field.begin = at;
        const uint64_t tag = read_varint(data, at, stop), type = tag & 7;
        // Parsers keep 32 bits of a tag, so that a larger one is another field to them.
        if (tag > 0xffffffff || at - field.begin > kTagBytes)
            throw Damaged("it has a protobuf tag of more than 32 bits");
        field.number = tag >> 3;
        field.start = at;
        uint64_t size = 0;
        if (type == kBytes) {
            size = read_varint(data, at, stop);
            field.start = at;
        } else if (type == kVarint) {
            read_varint(data, at, stop);
        } else if (type == kFixed32 || type == kFixed64) {
            size = type == kFixed32 ? 4 : 8;
        } else {
            throw Damaged("it has a protobuf field with wire type " + std::to_string(type));
        }
        if (field.number == 0)
            throw Damaged("it has a protobuf field without a number");
        if (size > stop - at)
            throw Damaged("it has a protobuf field that ends after its message");
        at += static_cast<size_t>(size);
        field.stop = at;
        fields.push_back(field);
    }
    return fields;
}

Field last_field(const Bytes &data, const Field &message, uint64_t number) {
    Field found;
    found.number = number;
    found.begin = found.start = found.stop = message.start;
    for (const Field &field : read_fields(data, message.start, message.stop))
        if (field.number == number && (data.data()[field.begin] & 7) == kBytes)
            found = field;
    return found;
}

uint64_t integer(const Bytes &data, const Field &field) {
    size_t at = field.start;
    return read_varint(data, at, field.stop);
}

} // namespace edgeshift::protobuf
