#include "schema.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "text.hpp"

namespace edgeshift::schema {

using json::Invalid;
using json::Reader;
using json::Value;

Type Type::at_least(double limit) const {
    Type type = *this;
    type.least = limit;
    return type;
}

Type Type::greater_than(double limit) const {
    Type type = *this;
    type.above = limit;
    return type;
}

Type Type::at_most(double limit) const {
    Type type = *this;
    type.most = limit;
    return type;
}

Type Type::or_null() const {
    Type type = *this;
    type.nullable = true;
    return type;
}

Type boolean() { return Type(Type::Kind::boolean); }
Type integer() { return Type(Type::Kind::integer); }
Type integer(int64_t least, int64_t most) {
    return integer().at_least(static_cast<double>(least)).at_most(static_cast<double>(most));
}
Type number() { return Type(Type::Kind::number); }

Type text(size_t shortest, size_t longest, const Pattern *pattern) {
    Type type(Type::Kind::text);
    type.shortest = shortest, type.longest = longest, type.pattern = pattern;
    return type;
}

Type choice(std::initializer_list<const char *> choices) {
    Type type(Type::Kind::choice);
    type.choices.assign(choices.begin(), choices.end());
    return type;
}

Type list(const Type &item, size_t shortest, size_t longest) {
    Type type(Type::Kind::list);
    type.item = std::make_shared<Type>(item), type.shortest = shortest, type.longest = longest;
    return type;
}

Type map(const Type &key, const Type &item, size_t longest) {
    Type type(Type::Kind::map);
    type.key = std::make_shared<Type>(key), type.item = std::make_shared<Type>(item), type.longest = longest;
    return type;
}

Type record(const Record &record) {
    Type type(Type::Kind::record);
    type.record = &record;
    return type;
}

namespace {

// The name of a type in messages.
std::string expected(const Type &type) {
    static const std::map<Type::Kind, const char *> names = {
        {Type::Kind::boolean, "bool"}, {Type::Kind::integer, "int"}, {Type::Kind::number, "float"},
        {Type::Kind::text, "str"},     {Type::Kind::choice, "str"},  {Type::Kind::list, "array"},
        {Type::Kind::map, "object"},   {Type::Kind::record, "object"}};
    return std::string("Expected `") + names.at(type.kind);
}

const char *found(json::Kind kind) {
    static constexpr const char *names[] = {"null", "bool", "int", "float", "str", "array", "object"};
    return names[static_cast<int>(kind)];
}

bool fits(const Type &type, json::Kind kind) {
    switch (type.kind) {
    case Type::Kind::boolean:
        return kind == json::Kind::boolean;
    case Type::Kind::integer:
        return kind == json::Kind::integer;
    case Type::Kind::number:
        return kind == json::Kind::number || kind == json::Kind::integer;
    case Type::Kind::text:
    case Type::Kind::choice:
        return kind == json::Kind::text;
    case Type::Kind::list:
        return kind == json::Kind::array;
    case Type::Kind::map:
    case Type::Kind::record:
        return kind == json::Kind::object;
    }
    return false;
}

std::string limit_text(double limit, bool integer) {
    char text[32];
    std::snprintf(text, sizeof text, "%.12g", limit);
    const bool whole = std::string_view(text).find_first_of(".e") == std::string_view::npos;
    return text + std::string(whole && !integer ? ".0" : "");
}

// Reads one JSON text by the tables. `path_` is the place of the value that is read, for messages.
class Checker {
  public:
    explicit Checker(std::string_view text) : reader_(text) {}

    Value whole(const Record &record) {
        Value value = read(schema::record(record));
        reader_.end();
        return value;
    }

    Value read(const Type &type) {
        const json::Kind kind = reader_.next();
        if (kind == json::Kind::null && type.nullable) {
            reader_.read_null();
            return {};
        }
        if (!fits(type, kind))
            fail(expected(type) + (type.nullable ? " | null" : "") + "`, got `" + found(kind) + "`");
        switch (type.kind) {
        case Type::Kind::boolean:
            return {reader_.read_boolean()};
        case Type::Kind::integer:
            return read_integer(type);
        case Type::Kind::number:
            return read_number(type);
        case Type::Kind::text:
            return read_text(type, reader_.read_text());
        case Type::Kind::choice:
            return read_choice(type);
        case Type::Kind::list:
            return read_list(type);
        case Type::Kind::map:
            return read_map(type);
        case Type::Kind::record:
            return read_record(*type.record);
        }
        return {};
    }

  private:
    [[noreturn]] void fail(const std::string &message) const {
        throw Invalid(message + (path_ == "$" ? "" : " - at `" + path_ + "`"));
    }

    void require_limits(const Type &type, double value) const {
        const bool integer = type.kind == Type::Kind::integer;
        const auto refuse = [&](const char *relation, double limit) {
            fail(expected(type) + "` " + relation + " " + limit_text(limit, integer));
        };
        if (type.least && value < *type.least)
            refuse(">=", *type.least);
        if (type.above && value <= *type.above)
            refuse(">", *type.above);
        if (type.most && value > *type.most)
            refuse("<=", *type.most);
    }

    void require_length(const Type &type, size_t length) const {
        if (length >= type.shortest && length <= type.longest)
            return;
        const bool exact = type.shortest == type.longest;
        const std::string limit = std::to_string(length < type.shortest ? type.shortest : type.longest);
        fail(expected(type) + "` of length " + (exact ? "" : length < type.shortest ? ">= " : "<= ") + limit);
    }

    Value read_integer(const Type &type) {
        // Integers that need more than 64 bits become the nearest that does not, which is beyond every limit as well.
        const int64_t value = std::strtoll(reader_.read_number().c_str(), nullptr, 10);
        require_limits(type, static_cast<double>(value));
        return {value};
    }

    Value read_number(const Type &type) {
        const std::string digits = reader_.read_number();
        double value = 0;
        try {
            value = json::to_double(digits);
        } catch (const Invalid &error) {
            fail(error.what());
        }
        require_limits(type, value);
        return {value};
    }

    Value read_text(const Type &type, std::string text) const {
        require_length(type, characters(text));
        if (type.pattern != nullptr && !type.pattern->matches(text))
            fail(expected(type) + "` matching regex " + quoted(type.pattern->regex, Type::UNLIMITED));
        return {std::move(text)};
    }

    Value read_choice(const Type &type) {
        std::string text = reader_.read_text();
        if (std::find(type.choices.begin(), type.choices.end(), text) == type.choices.end())
            fail("Invalid enum value " + quoted(text, Type::UNLIMITED));
        return {std::move(text)};
    }

    Value read_list(const Type &type) {
        const std::string outer = path_;
        json::Array items;
        reader_.open();
        for (bool first = true; reader_.more(first, ']'); first = false) {
            if (items.size() == type.longest)
                require_length(type, items.size() + 1); // refuse it before more of it is read
            path_ = outer + "[" + std::to_string(items.size()) + "]";
            items.push_back(read(*type.item));
            path_ = outer;
        }
        require_length(type, items.size());
        return {std::move(items)};
    }

    Value read_map(const Type &type) {
        const std::string outer = path_;
        std::map<std::string, Value> items;
        reader_.open();
        for (bool first = true; reader_.more(first, '}'); first = false) {
            path_ = "key` in `" + outer;
            std::string key = read_text(*type.key, reader_.read_key()).text();
            path_ = outer + "[...]";
            items[std::move(key)] = read(*type.item); // as in Python, the last of equal keys counts
            path_ = outer;
            require_length(type, items.size());
        }
        return {json::Object(std::make_move_iterator(items.begin()), std::make_move_iterator(items.end()))};
    }

    Value read_record(const Record &record) {
        const std::string outer = path_;
        const size_t count = record.fields.size();
        json::Object values(count);
        std::vector<bool> present(count);
        reader_.open();
        for (bool first = true; reader_.more(first, '}'); first = false) {
            const std::string key = reader_.read_key();
            const size_t index = find_field(record, key);
            if (index == count && record.open) {
                reader_.skip();
                continue;
            }
            if (index == count)
                fail("Object contains unknown field `" + key + "`");
            path_ = outer + "." + key;
            values[index].second = read(record.fields[index].type); // as in Python, the last of equal fields counts
            path_ = outer;
            present[index] = true;
        }
        for (size_t i = 0; i < count; i++) {
            const Field &field = record.fields[i];
            values[i].first = field.name;
            if (present[i])
                continue;
            if (field.otherwise == nullptr)
                fail(std::string("Object missing required field `") + field.name + "`");
            values[i].second = Checker(field.otherwise).read(field.type);
        }
        Value value{std::move(values)};
        try {
            if (record.check != nullptr)
                record.check(value);
        } catch (const Contradiction &error) {
            fail(error.what());
        }
        return value;
    }

    // The position of a field in its record, or the number of fields if there is no such field.
    static size_t find_field(const Record &record, const std::string &key) {
        const auto found = std::find_if(record.fields.begin(), record.fields.end(),
                                        [&](const Field &field) { return key == field.name; });
        return static_cast<size_t>(found - record.fields.begin());
    }

    Reader reader_;
    std::string path_ = "$";
};

} // namespace

Value read(std::string_view text, const Record &record) { return Checker(text).whole(record); }

} // namespace edgeshift::schema
