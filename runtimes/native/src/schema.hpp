// What a JSON value must look like, as tables: types with their limits, and records with their fields. It is what the
// types of msgspec are in Python, and messages are in msgspec's words.
#pragma once

#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json.hpp"

namespace edgeshift::schema {

struct Record;

// A rule about the characters of a text, and the regular expression with which Python checks it.
struct Pattern {
    const char *regex;
    bool (*matches)(std::string_view);
};

// The type of a value.
struct Type {
    enum class Kind { boolean, integer, number, text, choice, list, map, record };
    static constexpr size_t UNLIMITED = std::numeric_limits<size_t>::max();

    explicit Type(Kind kind) : kind(kind) {}

    Kind kind;
    bool nullable = false;
    std::optional<double> least, above, most;  // of an integer or a number
    size_t shortest = 0, longest = UNLIMITED;  // of a text in characters, of a list or a map in items
    const Pattern *pattern = nullptr;          // of a text
    std::vector<std::string> choices;          // of a choice
    std::shared_ptr<const Type> key, item;     // of a list or a map
    const Record *record = nullptr;

    Type at_least(double limit) const;
    Type greater_than(double limit) const;
    Type at_most(double limit) const;
    Type or_null() const;
};

Type boolean();
Type integer();
Type integer(int64_t least, int64_t most);
Type number();
Type text(size_t shortest, size_t longest, const Pattern *pattern);
Type choice(std::initializer_list<const char *> choices);
Type list(const Type &item, size_t shortest, size_t longest);
Type map(const Type &key, const Type &item, size_t longest);
Type record(const Record &record);

struct Field {
    const char *name;
    Type type;
    const char *otherwise = nullptr; // the value, as JSON, of a record without this field; nullptr: it is required
};

// An object with fixed fields. Other fields are errors, unless `open` is true; then they are skipped.
struct Record {
    const char *name; // that of Python's class
    std::vector<Field> fields;
    // Throws if the fields contradict each other; nullptr: they cannot.
    void (*check)(const json::Value &) = nullptr;
    bool open = false;
};

// Thrown by Record::check. The place in the description is added to the message.
class Contradiction : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// Read a JSON text that must be this record. The result has all fields of each record. Throws json::Invalid.
json::Value read(std::string_view text, const Record &record);

} // namespace edgeshift::schema
