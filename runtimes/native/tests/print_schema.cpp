// Prints the tables of src/spec.cpp as JSON: {record: {field: its type, limits and default value}}. tests/native/
// compares them with the types that Python reads descriptions with.
#include <iostream>
#include <set>
#include <sstream>

#include "spec.hpp"

using namespace edgeshift;
using schema::Record;
using schema::Type;

std::set<std::string> printed;
std::ostringstream records;

std::string in_quotes(const std::string &text) {
    std::string result = "\"";
    for (char c : text)
        result += (c == '"' || c == '\\' ? "\\" : "") + std::string(1, c);
    return result + "\"";
}

void print(const Record &record);

std::string type_text(const Type &type) {
    static constexpr const char *kinds[] = {"boolean", "integer", "number", "text", "choice", "list", "map", "record"};
    std::ostringstream text;
    text.precision(17);
    text << "{\"kind\": \"" << kinds[static_cast<int>(type.kind)] << "\"";
    if (type.nullable)
        text << ", \"nullable\": true";
    if (type.least)
        text << ", \"least\": " << *type.least;
    if (type.above)
        text << ", \"above\": " << *type.above;
    if (type.most)
        text << ", \"most\": " << *type.most;
    if (type.shortest > 0)
        text << ", \"shortest\": " << type.shortest;
    if (type.longest != Type::UNLIMITED)
        text << ", \"longest\": " << type.longest;
    if (type.pattern != nullptr)
        text << ", \"pattern\": " << in_quotes(type.pattern->regex);
    for (size_t i = 0; i < type.choices.size(); i++)
        text << (i == 0 ? ", \"choices\": [" : ", ") << in_quotes(type.choices[i])
             << (i + 1 == type.choices.size() ? "]" : "");
    if (type.key)
        text << ", \"key\": " << type_text(*type.key);
    if (type.item)
        text << ", \"item\": " << type_text(*type.item);
    if (type.record != nullptr) {
        print(*type.record);
        text << ", \"record\": " << in_quotes(type.record->name);
    }
    return text.str() + "}";
}

void print(const Record &record) {
    if (!printed.insert(record.name).second)
        return;
    std::ostringstream fields;
    for (const schema::Field &field : record.fields) {
        fields << (&field == &record.fields.front() ? "" : ",\n") << "  " << in_quotes(field.name)
               << ": {\"type\": " << type_text(field.type);
        if (field.otherwise != nullptr)
            fields << ", \"default\": " << field.otherwise;
        fields << "}";
    }
    records << (records.tellp() > 0 ? ",\n" : "") << in_quotes(record.name) << ": {\n" << fields.str() << "}";
}

int main() {
    print(spec::stream_spec());
    std::cout << "{" << records.str() << "}\n";
}
