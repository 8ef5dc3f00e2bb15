#include "qnn_graph.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "error.hpp"
#include "protobuf.hpp"
#include "text.hpp"

namespace edgeshift {
namespace {

using protobuf::Field;

// Numbers of fields in onnx.proto: of a model, of a graph, of a node, and of an attribute.
constexpr uint64_t kGraph = 7, kTraining = 20, kFunction = 25;
constexpr uint64_t kNode = 1, kTensor = 5, kSparseTensor = 15;
constexpr uint64_t kOperator = 4, kAttribute = 5;
constexpr uint64_t kName = 1, kNumber = 3;
// Fields of an attribute that hold tensors or other graphs.
constexpr uint64_t kParts[] = {5, 6, 10, 11, 22, 23};
constexpr uint8_t kNumberTag = kNumber << 3; // the tag of a number, in one byte
constexpr std::string_view kBinary = "EPContext";

void examine(const Bytes &graph) {
    const auto fields_of = [&](const Field &message) { return protobuf::read_fields(graph, message.start, message.stop); };
    std::vector<Field> graphs, nodes;
    for (const Field &field : protobuf::read_fields(graph, 0, graph.size())) {
        if (field.number == kTraining || field.number == kFunction)
            throw Damaged("it is not one graph");
        if (field.number == kGraph)
            graphs.push_back(field);
    }
    if (graphs.size() != 1)
        throw Damaged("it is not one graph");
    for (const Field &field : fields_of(graphs[0])) {
        if (field.number == kTensor || field.number == kSparseTensor)
            throw Damaged("it is not one node");
        if (field.number == kNode)
            nodes.push_back(field);
    }
    if (nodes.size() != 1)
        throw Damaged("it is not one node");
    const std::string_view name = protobuf::last_field(graph, nodes[0], kOperator).content(graph);
    if (name != kBinary)
        throw Damaged("its node is " + quoted(one_line(name), 60) + ", and not " + std::string(kBinary));
    std::map<std::string, uint64_t> numbers;
    for (const Field &attribute : fields_of(nodes[0])) {
        if (attribute.number != kAttribute)
            continue;
        const std::string key(protobuf::last_field(graph, attribute, kName).content(graph));
        if (numbers.count(key) != 0)
            throw Damaged("it says " + quoted(one_line(key), 60) + " twice");
        numbers[key] = 0;
        size_t found = 0;
        for (const Field &field : fields_of(attribute)) {
            for (const uint64_t part : kParts)
                if (field.number == part)
                    throw Damaged("it has an attribute that is not written as usual");
            if (field.number != kNumber)
                continue;
            if (found++ > 0 || field.start != field.begin + 1 || graph.data()[field.begin] != kNumberTag)
                throw Damaged("it has an attribute that is not written as usual");
            numbers[key] = protobuf::integer(graph, field);
        }
    }
    if (numbers["embed_mode"] != 1 || numbers["main_context"] != 1)
        throw Damaged("its binary is in another file");
}

} // namespace

void require_one_binary(const Bytes &graph) {
    try {
        examine(graph);
    } catch (const Damaged &error) {
        throw bad_artifact(std::string("its graph is damaged or hostile: ") + error.what() + "; convert the model again");
    }
}

} // namespace edgeshift
