// Text in messages, and text from files that is checked before it is printed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace edgeshift {

// Whether the bytes are UTF-8.
bool is_utf8(std::string_view text);
// Number of characters of UTF-8.
size_t characters(std::string_view text);
// Whether UTF-8 has no control characters, line ends, or characters that change the direction of text.
bool is_printable(std::string_view text);
// The text on one line of at most 200 characters, with ? in place of each character that cannot be printed.
std::string one_line(std::string_view text);
// The first `limit` characters of the text in quotation marks.
std::string quoted(std::string_view text, size_t limit = 80);
// A number with commas, such as 1,234,567.
std::string grouped(uint64_t number);
// A number with at most six digits, such as 0.5 or 1e+16.
std::string short_number(double number);
// Names with commas between them.
std::string joined(const std::vector<std::string> &names);
// A shape, such as (1, 112, 112, 3).
std::string shape_text(const std::vector<int64_t> &shape);

} // namespace edgeshift
