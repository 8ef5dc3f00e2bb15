#include "file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "error.hpp"
#include "text.hpp"

namespace edgeshift::agent {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE *)>;

constexpr size_t kMaxText = 1 << 20;

} // namespace

std::vector<uint8_t> read_file(const std::string &path, size_t limit, const char *what) {
    const File file(std::fopen(path.c_str(), "rb"), std::fclose);
    if (!file)
        throw bad_argument(path + ": cannot be read: " + std::strerror(errno));
    std::error_code error;
    const uintmax_t size = std::filesystem::file_size(path, error);
    if (error)
        throw bad_argument(path + ": cannot be read: " + error.message());
    if (size > limit)
        throw bad_argument(path + ": larger than " + grouped(limit) + " bytes, the limit for " + what);
    std::vector<uint8_t> bytes(static_cast<size_t>(size));
    if (std::fread(bytes.data(), 1, bytes.size(), file.get()) != bytes.size())
        throw bad_argument(path + ": cannot be read to its end");
    return bytes;
}

std::optional<std::string> read_text(const std::string &path) {
    // The size of these files is not known before they are read.
    const File file(std::fopen(path.c_str(), "rb"), std::fclose);
    if (!file)
        return std::nullopt;
    std::string text;
    char part[4096];
    for (size_t n; text.size() < kMaxText && (n = std::fread(part, 1, sizeof part, file.get())) > 0;)
        text.append(part, n);
    const std::string blank("\0 \n\t", 4);
    const size_t first = text.find_first_not_of(blank);
    if (first == std::string::npos)
        return std::nullopt;
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

std::optional<int64_t> read_integer(const std::string &path) {
    const std::optional<std::string> text = read_text(path);
    if (!text || text->size() > 18 || text->find_first_not_of("0123456789", (*text)[0] == '-') != std::string::npos)
        return std::nullopt;
    return *text == "-" ? std::nullopt : std::optional<int64_t>(std::stoll(*text));
}

std::vector<std::string> names_in(const std::string &folder, const std::string &prefix) {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
        if (std::string name = entry->path().filename().string(); name.compare(0, prefix.size(), prefix) == 0)
            names.push_back(std::move(name));
    std::sort(names.begin(), names.end());
    return names;
}

} // namespace edgeshift::agent
