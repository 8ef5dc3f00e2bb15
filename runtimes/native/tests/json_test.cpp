// The JSON reader: what it takes, and what it refuses with which words.
#include "json.hpp"

#include <cmath>

#include "check.hpp"

using namespace edgeshift::json;

// "" if the text is JSON, otherwise why it is not.
std::string verdict(const std::string &text) {
    try {
        Reader reader(text);
        reader.skip();
        reader.end();
        return "";
    } catch (const Invalid &error) {
        return error.what();
    }
}

std::string text_of(const std::string &json) { return Reader(json).read_text(); }

int main() {
    for (const char *text : {"null", "true", "false", "0", "-0", "12", "-1.5e+10", "1E5", "\"\"", "[]", "{}",
                             " [1, [2], {\"a\": 3}] \r\n\t"})
        CHECK_EQUAL(verdict(text), "");
    for (const char *text : {"", "[", "{", "[1", "[1,", "{\"a\"", "{\"a\":", "\"abc", "\"\\", "\"\\u12", "-", "1.",
                             "1e"})
        CHECK_EQUAL(verdict(text), "Input data was truncated");
    for (const char *text : {"tru", "01", "+1", ".5", "1.x", "1ex", "NaN", "Infinity", "[1,]", "{\"a\":1,}", "[1 2]",
                             "{a:1}", "{\"a\" 1}", "'a'", "\"\t\"", "\"\\x\"", "\"\\u00g0\"", "\"\\udc00\"",
                             "\"\\ud800x\"", "\"\\ud800\\u0041\"", "{}x", "\xef\xbb\xbf{}", "[1]\v"})
        CHECK_EQUAL(verdict(text).substr(0, 17), "JSON is malformed");
    CHECK_EQUAL(verdict("[1,\n 2 3]"), "JSON is malformed: expected ',' or ']' (byte 7)");
    CHECK_EQUAL(verdict("\"\xff\""), "a text is not UTF-8");
    CHECK_EQUAL(verdict(std::string("\"a\0b\"", 5)), "JSON is malformed: invalid character (byte 2)");
    CHECK_EQUAL(verdict(std::string(1000000, '[')), "it is nested too deeply");

    CHECK_EQUAL(text_of(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
    CHECK_EQUAL(text_of(R"("\u0041\u00e9\u20AC\ud83d\ude00")"), "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");

    // Values with more digits than a double has, the smallest double, and half of it, which becomes 0.
    CHECK_EQUAL(to_double("0.1000000000000000055511151231257827"), 0.1);
    CHECK_EQUAL(to_double("5e-324"), std::nextafter(0.0, 1.0));
    CHECK_EQUAL(to_double("1e-400"), 0.0);
    CHECK_EQUAL(to_double("-123456789012345678901234567890"), -123456789012345678901234567890.0);
    try {
        to_double("1e400");
        CHECK(false);
    } catch (const Invalid &error) {
        CHECK_EQUAL(std::string(error.what()), "Number out of range");
    }
    return failures;
}
