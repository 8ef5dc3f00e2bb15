// Reading files: whole files, and the small text files of the kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace edgeshift::agent {

// The bytes of a file of at most `limit` bytes. `what` is how messages call its contents. Throws Error.
std::vector<uint8_t> read_file(const std::string &path, size_t limit, const char *what);

// The text of a small file of the kernel without surrounding blanks. Empty: it cannot be read, or has no text.
std::optional<std::string> read_text(const std::string &path);
// The integer in such a file.
std::optional<int64_t> read_integer(const std::string &path);

// Names in a folder that begin with `prefix`, in the order of the alphabet. Empty: there is no such folder.
std::vector<std::string> names_in(const std::string &folder, const std::string &prefix);

} // namespace edgeshift::agent
