#include "zip_trailer.hpp"

#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include <zlib.h>

#include "spec.hpp"
#include "text.hpp"

namespace edgeshift::zip_trailer {
namespace {

constexpr const char *SPEC = "edgeshift/spec.json"; // the entry with the description
constexpr size_t MAX_ENTRIES = 32, MAX_DIRECTORY = 1 << 14;

// The parts of a zip archive: signatures, and sizes without names.
constexpr std::string_view END_SIGNATURE = "PK\5\6", ENTRY_SIGNATURE = "PK\1\2", FILE_SIGNATURE = "PK\3\4";
constexpr std::string_view ZIP64_SIGNATURE = "PK\6\7";
constexpr size_t END_SIZE = 22, ENTRY_SIZE = 46, FILE_SIZE = 30, ZIP64_SIZE = 20;
constexpr unsigned STORED = 0, DEFLATED = 8, NEWEST_ZIP = 63;
constexpr unsigned ENCRYPTED = 1, PATCHED = 1 << 5, STRONGLY_ENCRYPTED = 1 << 6, UTF8_NAME = 1 << 11;

Damaged not_unpacked(const std::string &reason) {
    return Damaged("its description cannot be unpacked: " + reason);
}

// One line of the archive's list of entries.
struct Entry {
    std::string_view name; // as it is stored; a zero byte ends it
    unsigned flags = 0, method = 0;
    uint32_t crc = 0;
    size_t packed = 0, size = 0; // bytes, compressed and not
    size_t at = 0;               // where it begins in the file
};

// Size in bytes of the list of entries.
size_t directory_size(const Bytes &file) { return file.four(file.size() - HASH_LENGTH - END_SIZE + 12); }

// Check the extra fields of an entry, which have a type, a length and content each. edgeshift writes none.
void require_extra_fields(std::string_view fields) {
    while (fields.size() >= 4) {
        const Bytes field(reinterpret_cast<const uint8_t *>(fields.data()), fields.size());
        const size_t length = field.two(2) + 4u;
        if (length > fields.size())
            throw not_unpacked("Corrupt extra field");
        fields.remove_prefix(length);
    }
}

// Read the list of entries. Those of other programs are read as Python's zipfile does, as long as they are no zip64.
std::vector<Entry> read_entries(const Bytes &file) {
    const size_t end = file.size() - HASH_LENGTH - END_SIZE;
    const size_t count = file.two(end + 10), length = directory_size(file), offset = file.four(end + 16);
    if (file.starts_with(ZIP64_SIGNATURE, end < ZIP64_SIZE ? 0 : end - ZIP64_SIZE))
        throw Damaged("its description is in a zip64 archive");
    if (count > MAX_ENTRIES)
        throw Damaged(std::to_string(count) + " entries follow the graph; the limit is " + std::to_string(MAX_ENTRIES));
    if (length > MAX_DIRECTORY)
        throw Damaged("the names of its entries take " + grouped(length) + " bytes; the limit is " +
                      grouped(MAX_DIRECTORY));
    if (length > end)
        throw not_unpacked("Bad offset for central directory");
    // Positions in the list count from the beginning of the archive, which is that of the file unless a program has put
    // something before it.
    const size_t begin = end - length;
    const int64_t shift = static_cast<int64_t>(begin) - static_cast<int64_t>(offset);
    const Bytes list(file.data(), end);
    std::vector<Entry> entries;
    for (size_t at = begin; at < end;) {
        if (end - at < ENTRY_SIZE)
            throw not_unpacked("Truncated central directory");
        if (!list.starts_with(ENTRY_SIGNATURE, at))
            throw not_unpacked("Bad magic number for central directory");
        if ((list.two(at + 6) & 0xff) > NEWEST_ZIP)
            throw not_unpacked("its zip version is not known");
        Entry entry;
        entry.flags = list.two(at + 8), entry.method = list.two(at + 10);
        entry.crc = list.four(at + 16), entry.packed = list.four(at + 20), entry.size = list.four(at + 24);
        const size_t name = list.two(at + 28), extra = list.two(at + 30), comment = list.two(at + 32);
        const int64_t position = static_cast<int64_t>(list.four(at + 42)) + shift;
        entry.name = list.up_to(at + ENTRY_SIZE, name);
        require_extra_fields(list.up_to(at + ENTRY_SIZE + name, extra));
        if ((entry.flags & UTF8_NAME) != 0 && !is_utf8(entry.name))
            throw not_unpacked("the name of an entry is not UTF-8");
        if (position < 0)
            throw not_unpacked("Bad offset of an entry");
        entry.at = static_cast<size_t>(position);
        entries.push_back(entry);
        at += ENTRY_SIZE + name + extra + comment;
    }
    return entries;
}

// Return at most `limit` bytes that inflate from `packed`.
std::vector<uint8_t> inflated(std::string_view packed, size_t limit) {
    std::vector<uint8_t> content;
    z_stream stream = {};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        throw std::bad_alloc();
    const std::unique_ptr<z_stream, int (*)(z_stream *)> closing(&stream, inflateEnd);
    stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    for (int result = Z_OK; result == Z_OK && content.size() < limit;) {
        const size_t before = content.size(), step = std::min<size_t>(limit - before, 1 << 16);
        content.resize(before + step);
        stream.next_out = content.data() + before;
        stream.avail_out = static_cast<uInt>(step);
        result = inflate(&stream, Z_NO_FLUSH);
        content.resize(before + step - stream.avail_out);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            throw not_unpacked(stream.msg != nullptr ? stream.msg : "zlib failed");
    }
    return content;
}

// The content of an entry. `limit` is where the part of the file after it begins.
std::string content_of(const Bytes &file, const Entry &entry, size_t limit) {
    if (entry.method != STORED && entry.method != DEFLATED)
        throw Damaged("its description has compression method " + std::to_string(entry.method) +
                      ", which edgeshift never uses");
    if (entry.size > spec::MAX_BYTES)
        throw Damaged("its description is " + grouped(entry.size) + " bytes; the limit is " + grouped(spec::MAX_BYTES));
    if (entry.at + FILE_SIZE + std::strlen(SPEC) + entry.packed > limit)
        throw Damaged("its description overlaps with another part of the file");
    if (!file.starts_with(FILE_SIGNATURE, entry.at))
        throw not_unpacked("Bad magic number for file header");
    const size_t name = file.two(entry.at + 26), extra = file.two(entry.at + 28);
    if ((entry.flags & (ENCRYPTED | PATCHED | STRONGLY_ENCRYPTED)) != 0)
        throw not_unpacked("it is encrypted or patched");
    if (file.text(entry.at + FILE_SIZE, name) != entry.name)
        throw not_unpacked("File name in directory and header differ");
    const std::string_view packed = file.text(entry.at + FILE_SIZE + name + extra, entry.packed);
    std::string content;
    if (entry.method == STORED) {
        content = packed.substr(0, entry.size);
    } else {
        // One byte more than the limit is asked for, as in Python, so that damage after the content is found too.
        const std::vector<uint8_t> bytes = inflated(packed, spec::MAX_BYTES + 1);
        content.assign(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(std::min(bytes.size(), entry.size)));
    }
    const auto *bytes = reinterpret_cast<const Bytef *>(content.data());
    if (crc32(0, bytes, static_cast<uInt>(content.size())) != entry.crc)
        throw not_unpacked("Bad CRC-32 for file '" + std::string(SPEC) + "'");
    return content;
}

} // namespace

bool has_hash(const Bytes &file) {
    if (file.size() < HASH_LENGTH + END_SIZE)
        return false;
    const size_t end = file.size() - HASH_LENGTH - END_SIZE;
    return file.starts_with(END_SIGNATURE, end) && file.two(end + END_SIZE - 2) == HASH_LENGTH;
}

std::pair<std::string, size_t> unpack(const Bytes &file) {
    const std::vector<Entry> entries = read_entries(file);
    std::optional<Entry> found;
    size_t graph = file.size();
    for (const Entry &entry : entries) {
        graph = std::min(graph, entry.at);
        if (entry.name.substr(0, entry.name.find('\0')) == SPEC)
            found = entry; // as in Python, the last of equal names counts
    }
    if (!found)
        throw Damaged(std::string("it has no ") + SPEC);
    size_t next = file.size() - HASH_LENGTH - END_SIZE - directory_size(file);
    for (const Entry &entry : entries)
        if (entry.at > found->at)
            next = std::min(next, entry.at);
    return {content_of(file, *found, next), graph};
}

} // namespace edgeshift::zip_trailer
