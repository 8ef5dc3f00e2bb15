// Messages to the program that started the agent: one line each, a mark and an object of JSON, on standard output.
// Python's benchmarks/devices/messages.py reads them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace edgeshift::agent {

// A value of JSON, as text.
std::string to_json(bool value);
std::string to_json(int value);
std::string to_json(int64_t value);
std::string to_json(size_t value);
std::string to_json(double value); // the shortest digits that give the same number; null if it is not finite
std::string to_json(float value);
std::string to_json(const std::string &text);
inline std::string to_json(const char *text) { return to_json(std::string(text)); }

template <class Item> std::string to_json(const std::vector<Item> &items) {
    std::string text = "[";
    for (const Item &item : items)
        text += (text.size() > 1 ? "," : "") + to_json(item);
    return text + "]";
}

template <class Item> std::string to_json(const std::map<std::string, Item> &items) {
    std::string text = "{";
    for (const auto &[name, item] : items)
        text += (text.size() > 1 ? "," : "") + to_json(name) + ":" + to_json(item);
    return text + "}";
}

template <class Item> std::string to_json(const std::optional<Item> &item) { return item ? to_json(*item) : "null"; }

// An object of JSON, field by field.
class Object {
  public:
    template <class Value> Object &add(const char *name, const Value &value) { return add_json(name, to_json(value)); }
    // Add a value that is JSON already.
    Object &add_json(const char *name, std::string_view value);
    std::string text() const { return text_ + "}"; }

  private:
    std::string text_ = "{";
};

// Times in microseconds with one decimal, from seconds.
std::string microseconds_json(const std::vector<double> &seconds);

// Print a message at once. kind: its tag.
void write_message(const char *kind, const char *name, const std::string &value);
void write_message(const std::string &object);

} // namespace edgeshift::agent
