#include "frames.hpp"

#include <cstring>
#include <string_view>

#include "error.hpp"
#include "file.hpp"
#include "image.hpp"
#include "text.hpp"

namespace edgeshift::agent {
namespace {

constexpr size_t kMaxBytes = size_t(1) << 31;
constexpr size_t kMaxSide = 1 << 15;

// A number in a file, which stores the lowest byte first.
uint64_t number_at(const uint8_t *at, int bytes) {
    uint64_t value = 0;
    for (int i = bytes; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

// The numbers between the brackets of "'shape': (16, 480, 640, 3)".
std::vector<size_t> read_shape(std::string_view header) {
    std::vector<size_t> shape;
    const size_t start = header.find("'shape': (");
    if (start == std::string_view::npos)
        return shape;
    for (size_t at = start + 10; at < header.size() && header[at] != ')'; at++) {
        const bool digit = header[at] >= '0' && header[at] <= '9';
        const bool continues = digit && header[at - 1] >= '0' && header[at - 1] <= '9';
        if (digit && !continues)
            shape.push_back(0);
        if (digit)
            shape.back() = std::min<size_t>(shape.back() * 10 + size_t(header[at] - '0'), kMaxBytes);
    }
    return shape;
}

Frames read_array(const uint8_t *data, size_t size, const std::string &path) {
    const auto damaged = [&] { return bad_argument(path + ": this is no array of NumPy"); };
    if (size < 12 || std::memcmp(data, "\x93NUMPY", 6) != 0)
        throw damaged();
    const size_t prefix = data[6] == 1 ? 10 : 12;
    const size_t length = size_t(number_at(data + 8, data[6] == 1 ? 2 : 4));
    if (length > size - prefix)
        throw damaged();
    const std::string_view header(reinterpret_cast<const char *>(data) + prefix, length);
    const std::vector<size_t> shape = read_shape(header);
    const bool bytes = header.find("'descr': '|u1'") != std::string_view::npos &&
                       header.find("'fortran_order': False") != std::string_view::npos;
    const auto side = [](size_t value) { return value >= 1 && value <= kMaxSide; };
    if (!bytes || shape.size() != 4 || shape[3] != 3 || shape[0] < 1 || !side(shape[1]) || !side(shape[2]))
        throw bad_argument(path + ": frames are uint8 [N, H, W, 3], not " + one_line(header));
    const size_t frame = shape[1] * shape[2] * 3, rest = size - prefix - length;
    if (rest % frame != 0 || rest / frame != shape[0])
        throw damaged();
    Frames frames;
    frames.count = shape[0], frames.height = int(shape[1]), frames.width = int(shape[2]);
    frames.pixels = data + prefix + length;
    return frames;
}

} // namespace

es_image Frames::image(size_t index) const {
    return rgb_image(pixels + index * size_t(height) * size_t(width) * 3, width, height);
}

FramesFile read_npy(const std::string &path) {
    FramesFile file;
    file.bytes = read_file(path, kMaxBytes, "frames");
    file.arrays.push_back(read_array(file.bytes.data(), file.bytes.size(), path));
    return file;
}

// NumPy stores the arrays in a zip archive without compression, so each can be used where it is.
FramesFile read_npz(const std::string &path) {
    FramesFile file;
    file.bytes = read_file(path, kMaxBytes, "frames");
    const uint8_t *data = file.bytes.data();
    const size_t size = file.bytes.size();
    const auto damaged = [&] { return bad_argument(path + ": this is no .npz file of NumPy without compression"); };
    constexpr size_t kEnd = 22, kEntry = 46, kLocal = 30;
    if (size < kEnd || number_at(data + size - kEnd, 4) != 0x06054b50) // an archive of NumPy has no comment
        throw damaged();
    const size_t entries = size_t(number_at(data + size - kEnd + 10, 2));
    size_t at = size_t(number_at(data + size - kEnd + 16, 4));
    for (size_t i = 0; i < entries; i++) {
        if (at > size - kEnd || size - kEnd - at < kEntry || number_at(data + at, 4) != 0x02014b50)
            throw damaged();
        const uint8_t *entry = data + at;
        const size_t method = size_t(number_at(entry + 10, 2)), length = size_t(number_at(entry + 20, 4));
        const size_t name_size = size_t(number_at(entry + 28, 2)), local = size_t(number_at(entry + 42, 4));
        at += kEntry + name_size + size_t(number_at(entry + 30, 2)) + size_t(number_at(entry + 32, 2));
        if (at > size - kEnd || method != 0 || local > size - kLocal || number_at(data + local, 4) != 0x04034b50)
            throw damaged();
        const size_t start =
            local + kLocal + size_t(number_at(data + local + 26, 2)) + size_t(number_at(data + local + 28, 2));
        if (start > size || length > size - start)
            throw damaged();
        std::string name(reinterpret_cast<const char *>(entry) + kEntry, name_size);
        if (name.size() < 4 || name.compare(name.size() - 4, 4, ".npy") != 0)
            throw damaged();
        file.arrays.push_back(read_array(data + start, length, path));
        file.arrays.back().name = name.substr(0, name.size() - 4);
    }
    return file;
}

} // namespace edgeshift::agent
