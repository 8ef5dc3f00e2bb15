// A strict JSON reader. It reads one value after another, so that each value of a description is checked when it
// arrives, and the limits of the description bound the memory.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace edgeshift::json {

// The text is not JSON, or a value is not what was expected. The message says which.
class Invalid : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

struct Value;
using Array = std::vector<Value>;
using Object = std::vector<std::pair<std::string, Value>>;
struct Null {};

// A value that was read.
struct Value {
    std::variant<Null, bool, int64_t, double, std::string, Array, Object> data;

    bool is_null() const { return std::holds_alternative<Null>(data); }
    bool boolean() const { return std::get<bool>(data); }
    int64_t integer() const { return std::get<int64_t>(data); }
    double number() const { return std::get<double>(data); }
    const std::string &text() const { return std::get<std::string>(data); }
    const Array &array() const { return std::get<Array>(data); }
    const Object &object() const { return std::get<Object>(data); }
    // The member of an object that has this name.
    const Value &operator[](std::string_view name) const;
};

enum class Kind { null, boolean, integer, number, text, array, object };

// Reads a JSON text from its beginning to its end.
class Reader {
  public:
    explicit Reader(std::string_view text) : text_(text) {}

    // Kind of the next value, which is not read.
    Kind next();
    void read_null() { expect("null"); }
    bool read_boolean();
    // The next integer, as its digits, or number.
    std::string read_number();
    // The next text as UTF-8.
    std::string read_text();
    // Read an array or object: call `open`, and then `more` before each item, until it returns false. In an object,
    // `read_key` reads the name of each item.
    void open() { at_++; }
    bool more(bool first, char close);
    std::string read_key();
    // Read the next value and forget it.
    void skip(int depth = 0);
    // Check that nothing follows.
    void end();

  private:
    [[noreturn]] void fail(const std::string &reason) const;
    void skip_space();
    char peek(); // the next character that is not a space; it is not read
    void expect(std::string_view word);
    bool take(char c);
    void take_digits();
    uint32_t read_hex();
    uint32_t read_escaped();

    std::string_view text_;
    size_t at_ = 0;
};

// The number that JSON's digits say. Throws Invalid if it is too large.
double to_double(const std::string &digits);

} // namespace edgeshift::json
