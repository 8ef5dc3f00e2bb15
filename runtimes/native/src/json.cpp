#include "json.hpp"

#include <clocale>
#include <cmath>
#include <cstdlib>

#include "text.hpp"

namespace edgeshift::json {

namespace {

// Deepest nesting of a value that is skipped.
constexpr int DEEPEST = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string &text, uint32_t code) {
    if (code < 0x80) {
        text += static_cast<char>(code);
        return;
    }
    static constexpr uint8_t marks[] = {0, 0xc0, 0xe0, 0xf0}; // of the first byte, by the number of bytes after it
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    text += static_cast<char>(marks[more] | code >> 6 * more);
    for (int i = more - 1; i >= 0; i--)
        text += static_cast<char>(0x80 | (code >> 6 * i & 0x3f));
}

} // namespace

const Value &Value::operator[](std::string_view name) const {
    for (const auto &[key, value] : object())
        if (key == name)
            return value;
    throw std::logic_error("there is no member " + std::string(name)); // a mistake in this program
}

void Reader::fail(const std::string &reason) const {
    if (at_ >= text_.size())
        throw Invalid("Input data was truncated");
    throw Invalid("JSON is malformed: " + reason + " (byte " + std::to_string(at_) + ")");
}

void Reader::skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
        at_++;
}

char Reader::peek() {
    skip_space();
    if (at_ >= text_.size())
        fail("");
    return text_[at_];
}

void Reader::expect(std::string_view word) {
    if (text_.substr(at_, word.size()) != word)
        fail("invalid character");
    at_ += word.size();
}

Kind Reader::next() {
    const char c = peek();
    if (c == '{')
        return Kind::object;
    if (c == '[')
        return Kind::array;
    if (c == '"')
        return Kind::text;
    if (c == 'n')
        return Kind::null;
    if (c == 't' || c == 'f')
        return Kind::boolean;
    if (c != '-' && !is_digit(c))
        fail("invalid character");
    size_t end = at_ + 1;
    while (end < text_.size() && is_digit(text_[end]))
        end++;
    const bool fraction = end < text_.size() && std::string_view(".eE").find(text_[end]) != std::string_view::npos;
    return fraction ? Kind::number : Kind::integer;
}

bool Reader::read_boolean() {
    const bool value = text_[at_] == 't';
    expect(value ? "true" : "false");
    return value;
}

bool Reader::take(char c) {
    const bool found = at_ < text_.size() && text_[at_] == c;
    at_ += found;
    return found;
}

void Reader::take_digits() {
    const size_t begin = at_;
    while (at_ < text_.size() && is_digit(text_[at_]))
        at_++;
    if (at_ == begin)
        fail("invalid number");
}

std::string Reader::read_number() {
    const size_t begin = at_;
    take('-');
    if (take('0')) {
        if (at_ < text_.size() && is_digit(text_[at_]))
            fail("invalid number");
    } else {
        take_digits();
    }
    if (take('.'))
        take_digits();
    if (take('e') || take('E')) {
        if (!take('+'))
            take('-');
        take_digits();
    }
    return std::string(text_.substr(begin, at_ - begin));
}

std::string Reader::read_text() {
    expect("\"");
    std::string text;
    for (;;) {
        size_t end = at_;
        const auto is_plain = [](char c) { return c != '"' && c != '\\' && static_cast<uint8_t>(c) >= 0x20; };
        while (end < text_.size() && is_plain(text_[end]))
            end++;
        text += text_.substr(at_, end - at_);
        at_ = end;
        if (take('"'))
            break;
        if (!take('\\'))
            fail("invalid character");
        append_utf8(text, read_escaped());
    }
    if (!is_utf8(text))
        throw Invalid("a text is not UTF-8");
    return text;
}

// Read what follows a backslash.
uint32_t Reader::read_escaped() {
    static constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    if (!take('u')) {
        const size_t index = at_ < text_.size() ? names.find(text_[at_]) : names.npos;
        if (index == names.npos)
            fail("invalid escape character in string");
        at_++;
        return static_cast<uint8_t>(meanings[index]);
    }
    const uint32_t first = read_hex();
    if (first < 0xd800 || first > 0xdfff)
        return first;
    // A character after U+FFFF is written as two halves, of which the second must follow.
    if (first > 0xdbff || !take('\\') || !take('u'))
        fail("invalid utf-16 surrogate pair");
    const uint32_t second = read_hex();
    if (second < 0xdc00 || second > 0xdfff)
        fail("invalid utf-16 surrogate pair");
    return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

uint32_t Reader::read_hex() {
    uint32_t code = 0;
    for (int i = 0; i < 4; i++, at_++) {
        const char c = at_ < text_.size() ? text_[at_] : '\0';
        const size_t digit = std::string_view("0123456789abcdefABCDEF").find(c);
        if (digit == std::string_view::npos)
            fail("invalid character in unicode escape");
        code = code << 4 | static_cast<uint32_t>(digit < 16 ? digit : digit - 6);
    }
    return code;
}

bool Reader::more(bool first, char close) {
    const char c = peek();
    if (c == close) {
        at_++;
        return false;
    }
    if (first)
        return true;
    if (c != ',')
        fail(std::string("expected ',' or '") + close + "'");
    at_++;
    if (peek() == close)
        fail("trailing comma");
    return true;
}

std::string Reader::read_key() {
    if (peek() != '"')
        fail("object keys must be strings");
    std::string key = read_text();
    if (peek() != ':')
        fail("expected ':'");
    at_++;
    return key;
}

void Reader::skip(int depth) {
    if (depth > DEEPEST)
        throw Invalid("it is nested too deeply");
    switch (next()) {
    case Kind::null:
        return read_null();
    case Kind::boolean:
        read_boolean();
        return;
    case Kind::integer:
    case Kind::number:
        read_number();
        return;
    case Kind::text:
        read_text();
        return;
    case Kind::array:
        open();
        for (bool first = true; more(first, ']'); first = false)
            skip(depth + 1);
        return;
    case Kind::object:
        open();
        for (bool first = true; more(first, '}'); first = false) {
            read_key();
            skip(depth + 1);
        }
    }
}

void Reader::end() {
    skip_space();
    if (at_ < text_.size())
        fail("trailing characters");
}

double to_double(const std::string &digits) {
    // strtod is exact, and reads the decimal point of the program's locale.
    std::string local = digits;
    if (const size_t point = local.find('.'); point != local.npos)
        local.replace(point, 1, std::localeconv()->decimal_point);
    const double value = std::strtod(local.c_str(), nullptr);
    if (!std::isfinite(value))
        throw Invalid("Number out of range");
    return value;
}

} // namespace edgeshift::json
