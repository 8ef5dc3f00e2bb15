#include "text.hpp"

#include <algorithm>
#include <cstdio>

namespace edgeshift {

namespace {

// Read one character of UTF-8 from the front of the text, which must not be empty. -1: it is not UTF-8.
int32_t take_character(std::string_view &text) {
    const auto first = static_cast<uint8_t>(text.front());
    if (first > 0xf4 || (first >= 0x80 && first < 0xc2))
        return -1;
    const size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (length > text.size())
        return -1;
    int32_t code = length == 1 ? first : first & (0x7f >> length);
    for (size_t i = 1; i < length; i++) {
        const auto next = static_cast<uint8_t>(text[i]);
        if ((next & 0xc0) != 0x80)
            return -1;
        code = code << 6 | (next & 0x3f);
    }
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    if (surrogate || (length == 3 && code < 0x800) || (length == 4 && (code < 0x10000 || code > 0x10ffff)))
        return -1;
    text.remove_prefix(length);
    return code;
}

bool is_harmful(int32_t code) {
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

// The bytes of the first `limit` characters.
std::string_view beginning(std::string_view text, size_t limit) {
    std::string_view rest = text;
    for (size_t count = 0; count < limit && !rest.empty(); count++)
        if (take_character(rest) < 0)
            rest.remove_prefix(1);
    return text.substr(0, text.size() - rest.size());
}

} // namespace

bool is_utf8(std::string_view text) {
    while (!text.empty())
        if (take_character(text) < 0)
            return false;
    return true;
}

size_t characters(std::string_view text) {
    return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

bool is_printable(std::string_view text) {
    while (!text.empty())
        if (is_harmful(take_character(text))) // a byte that is not UTF-8 is harmful too
            return false;
    return true;
}

std::string one_line(std::string_view text) {
    std::string line;
    bool space = false;
    while (!text.empty()) {
        const std::string_view before = text;
        const int32_t code = take_character(text);
        if (code < 0)
            text.remove_prefix(1);
        if (code == ' ' || (code >= '\t' && code <= '\r')) {
            space = !line.empty();
            continue;
        }
        if (space)
            line += ' ';
        space = false;
        line += is_harmful(code) ? "?" : std::string(before.substr(0, before.size() - text.size()));
    }
    return std::string(beginning(line, 200));
}

std::string quoted(std::string_view text, size_t limit) {
    const bool single = text.find('\'') == text.npos || text.find('"') != text.npos;
    const char mark = single ? '\'' : '"';
    std::string result(1, mark);
    for (char c : text) {
        if (c == '\\' || c == mark)
            result += '\\';
        result += c;
    }
    return std::string(beginning(result + mark, limit));
}

std::string grouped(uint64_t number) {
    std::string digits = std::to_string(number);
    for (size_t at = digits.size(); at > 3; at -= 3)
        digits.insert(at - 3, ",");
    return digits;
}

std::string short_number(double number) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%g", number);
    return digits;
}

std::string joined(const std::vector<std::string> &names) {
    std::string text;
    for (size_t i = 0; i < names.size(); i++)
        text += (i > 0 ? ", " : "") + names[i];
    return text;
}

std::string shape_text(const std::vector<int64_t> &shape) {
    std::string text = "(";
    for (size_t i = 0; i < shape.size(); i++)
        text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
    return text + (shape.size() == 1 ? ",)" : ")");
}

} // namespace edgeshift
