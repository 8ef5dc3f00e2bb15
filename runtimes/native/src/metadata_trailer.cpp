#include "metadata_trailer.hpp"

#include <optional>
#include <string_view>

#include "protobuf.hpp"
#include "spec.hpp"
#include "text.hpp"

namespace edgeshift::metadata_trailer {
namespace {

using protobuf::Field;

constexpr uint64_t kMetadata = 14;     // metadata_props of ModelProto (onnx.proto)
constexpr uint64_t kKey = 1, kValue = 2; // of an entry
constexpr std::string_view kDescription = "edgeshift/spec.json";
// The bytes of the last entry before the digits of the hash.
constexpr std::string_view kHashEntry = "\x72\x54\x0a\x10" "edgeshift/sha256" "\x12\x40";

} // namespace

bool has_hash(const Bytes &file) {
    const size_t length = kHashEntry.size() + HASH_LENGTH;
    return file.size() >= length && file.starts_with(kHashEntry, file.size() - length);
}

std::pair<std::string, size_t> unpack(const Bytes &file) {
    std::optional<std::string> description;
    size_t graph = file.size();
    for (const Field &field : protobuf::read_fields(file, 0, file.size())) {
        const bool entry = field.number == kMetadata;
        std::string_view key;
        if (entry)
            key = protobuf::last_field(file, field, kKey).content(file);
        if (!is_utf8(key))
            throw Damaged("the key of an entry is not UTF-8");
        if (!description && key != kDescription)
            continue;
        if (key == kDescription) {
            if (description)
                throw Damaged("it has two descriptions");
            graph = field.begin;
            const std::string_view value = protobuf::last_field(file, field, kValue).content(file);
            if (value.size() > spec::MAX_BYTES)
                throw Damaged("its description is " + grouped(value.size()) + " bytes; the limit is " +
                              grouped(spec::MAX_BYTES));
            description = std::string(value);
        } else if (!entry) {
            // Parsers would merge a model here into the first one, and the description's hash does not cover it.
            throw Damaged("data follows its description");
        }
    }
    if (!description)
        throw Damaged("it has no " + std::string(kDescription));
    return {*description, graph};
}

} // namespace edgeshift::metadata_trailer
