#include "artifact.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>

#include "bytes.hpp"
#include "error.hpp"
#include "metadata_trailer.hpp"
#include "sha256.hpp"
#include "text.hpp"
#include "zip_trailer.hpp"

namespace edgeshift {

namespace {

constexpr uint64_t MAX_FILE = 1 << 30; // bytes of the largest artifact

// Return what a file is by its first bytes, such as "a video"; nullptr: not known. Python's _system/file_kind.py.
const char *kind_of_content(std::string_view head) {
    struct Signature {
        size_t at;
        std::string_view bytes;
        const char *kind;
    };
    static constexpr Signature signatures[] = {
        {4, "ftyp", "a video"},
        {0, "\x1a\x45\xdf\xa3", "a video"},
        {8, "AVI LIST", "a video"},
        {0, "\x89PNG", "a picture"},
        {0, "\xff\xd8\xff", "a picture"},
        {0, "%PDF", "a PDF document"},
        {0, "\x1f\x8b", "a gzip archive"},
        {0, "\x89HDF", "an HDF5 file"},
        {0, "version https://git-lfs", "a pointer of Git LFS (git lfs pull gets the file itself)"},
    };
    if (head.empty())
        return "an empty file";
    for (const Signature &known : signatures)
        if (head.size() >= known.at && head.substr(known.at, known.bytes.size()) == known.bytes)
            return known.kind;
    const auto is_text = [](char c) {
        return static_cast<uint8_t>(c) >= 0x20 || std::string_view("\t\n\f\r").find(c) != std::string_view::npos;
    };
    const size_t begin = head.find_first_not_of("\xef\xbb\xbf \t\r\n");
    if (begin == head.npos || !std::all_of(head.begin(), head.end(), is_text))
        return nullptr;
    std::string first(head.substr(begin, 14));
    std::transform(first.begin(), first.end(), first.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    if (first == "<!doctype html" || first.substr(0, 5) == "<html")
        return "a web page";
    return first.front() == '{' || first.front() == '[' ? "a JSON file" : "a text file";
}

// The error for a file without a description: it is something else, or a damaged artifact.
Error without_description(const Bytes &file, const std::string &where) {
    if (const char *kind = kind_of_content(file.text(0, std::min<size_t>(file.size(), 512))))
        return bad_artifact(where + ": its content is " + kind + ", not an artifact; copy or download it again");
    return bad_artifact(where + ": no edgeshift description at its end: cut short, damaged, or not made by "
                                "`edgeshift convert`; copy it again, or convert the model");
}

// Check the hash at the end of a file. Return the hash of its first `size` bytes, computed in the same pass.
std::string checked_hash(const Bytes &file, size_t size, const std::string &where) {
    const size_t end = file.size() - HASH_LENGTH;
    Sha256 hash;
    hash.update(file.data(), size);
    const std::string beginning = hash.hex();
    hash.update(file.data() + size, end - size);
    if (hash.hex() != file.text(end, HASH_LENGTH))
        throw bad_artifact(where + ": it does not match the hash at its end: the file is damaged; copy it again");
    return beginning;
}

} // namespace

Artifact read_artifact(std::vector<uint8_t> data, const std::string &where) {
    const Bytes file(data.data(), data.size());
    const bool zipped = zip_trailer::has_hash(file);
    if (!zipped && !metadata_trailer::has_hash(file))
        throw without_description(file, where);
    std::pair<std::string, size_t> unpacked;
    try {
        unpacked = zipped ? zip_trailer::unpack(file) : metadata_trailer::unpack(file);
    } catch (const Damaged &error) {
        checked_hash(file, 0, where);
        throw bad_artifact(where + ": not made by `edgeshift convert`: " + one_line(error.what()) +
                           "; convert the model again");
    }
    const auto &[json, size] = unpacked;
    const std::string hash = checked_hash(file, size, where);
    Artifact artifact;
    try {
        artifact.description = read_description(json);
    } catch (const Error &error) {
        throw bad_artifact(where + ": " + error.what());
    }
    if (artifact.description.body_bytes != size || artifact.description.body_sha256 != hash)
        throw bad_artifact(where + ": the graph (" + grouped(size) + " bytes) does not match its hash or size (" +
                           grouped(artifact.description.body_bytes) +
                           " bytes) in the description: another program has changed the file; convert the model again");
    artifact.graph_size = size;
    artifact.data = std::move(data);
    return artifact;
}

Artifact read_artifact_file(const std::string &path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error))
        throw bad_artifact(path + (std::filesystem::exists(path, error) ? ": not a file" : ": no such file"));
    const std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(std::fopen(path.c_str(), "rb"), std::fclose);
    if (!file)
        throw bad_artifact(path + ": cannot be read: " + std::strerror(errno));
    const uintmax_t size = std::filesystem::file_size(path, error);
    if (error)
        throw bad_artifact(path + ": cannot be read: " + error.message());
    if (size > MAX_FILE)
        throw bad_artifact(path + ": the file has " + grouped(size) + " bytes; the limit for an artifact is " +
                           grouped(MAX_FILE));
    std::vector<uint8_t> data(static_cast<size_t>(size));
    if (std::fread(data.data(), 1, data.size(), file.get()) != data.size())
        throw bad_artifact(path + ": cannot be read to its end");
    return read_artifact(std::move(data), path);
}

} // namespace edgeshift
