#include "message.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "text.hpp"

namespace edgeshift::agent {
namespace {

template <class Number> std::string digits(Number value) {
    if (!std::isfinite(value))
        return "null";
    char text[40];
    const auto end = std::to_chars(text, text + sizeof text, value);
    return std::string(text, end.ptr);
}

} // namespace

std::string to_json(bool value) { return value ? "true" : "false"; }
std::string to_json(int value) { return std::to_string(value); }
std::string to_json(int64_t value) { return std::to_string(value); }
std::string to_json(size_t value) { return std::to_string(value); }
std::string to_json(double value) { return digits(value); }
std::string to_json(float value) { return digits(value); }

std::string to_json(const std::string &text) {
    std::string result = "\"";
    // Facts come from files of the system, which may contain anything.
    for (const char c : one_line(text))
        result += (c == '"' || c == '\\') ? std::string("\\") + c : std::string(1, c);
    return result + "\"";
}

Object &Object::add_json(const char *name, std::string_view value) {
    text_ += (text_.size() > 1 ? "," : "") + to_json(name) + ":";
    text_ += value;
    return *this;
}

std::string microseconds_json(const std::vector<double> &seconds) {
    std::string text = "[";
    char digits[40];
    for (const double value : seconds) {
        std::snprintf(digits, sizeof digits, text.size() > 1 ? ",%.1f" : "%.1f", value * 1e6);
        text += digits;
    }
    return text + "]";
}

void write_message(const char *kind, const char *name, const std::string &value) {
    write_message(Object().add("kind", kind).add_json(name, value).text());
}

void write_message(const std::string &object) {
    std::fprintf(stdout, "edgeshift: %s\n", object.c_str());
    std::fflush(stdout);
}

} // namespace edgeshift::agent
