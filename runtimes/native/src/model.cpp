#include "model.hpp"

#include <map>
#include <set>
#include <utility>

#include "bytes.hpp"
#include "error.hpp"
#include "qnn_graph.hpp"
#include "sound_picture.hpp"
#include "text.hpp"

namespace edgeshift {
namespace {

const char *name_of(Dtype dtype) {
    switch (dtype) {
    case Dtype::float32:
        return "float32";
    case Dtype::float16:
        return "float16";
    case Dtype::int8:
        return "int8";
    default:
        return "uint8";
    }
}

// Shape and type, as messages show them.
using Tensors = std::map<std::string, std::string>;

std::string text_of(const std::vector<int64_t> &shape, Dtype dtype) {
    return "(" + shape_text(shape) + ", '" + name_of(dtype) + "')";
}

void require_same(const char *kind, const std::vector<GraphTensor> &tensors, const TensorSpec &first,
                  const std::vector<TensorSpec> &states) {
    Tensors actual, expected;
    for (const GraphTensor &tensor : tensors)
        actual[tensor.name] = text_of(tensor.shape, tensor.dtype);
    expected[first.name] = text_of(first.shape, first.dtype);
    for (const TensorSpec &state : states)
        expected[state.name] = text_of(state.shape, state.dtype);
    std::set<std::string> names;
    for (const Tensors *side : {&expected, &actual})
        for (const auto &[name, text] : *side)
            names.insert(name);
    const auto shown = [](const Tensors &side, const std::string &name, const char *otherwise) {
        const auto found = side.find(name);
        return found == side.end() ? std::string(otherwise) : found->second;
    };
    for (const std::string &name : names) {
        const std::string is = shown(actual, name, "missing"), said = shown(expected, name, "nothing");
        if (is != said)
            throw bad_artifact(std::string(kind) + " " + quoted(name) + " of the graph is " + is +
                               ", but the description says " + said + "; convert the model again");
    }
}

// Throw Error if this runtime cannot run the sounds of a network.
void require_sound(const SoundSpec &sound) {
    if (sound.separate_norms)
        throw bad_artifact("the sounds of this network have their own batch norms, and the file lacks their graph: train "
                           "with shared batch norms, and convert again");
    if (!sound.cut)
        throw bad_artifact("the sounds of this network are pictures of real numbers, and the native runtime makes pictures "
                           "of whole numbers: run it with edgeshift in Python");
    double values = 0;
    for (size_t channel = 0; channel < 3; channel++)
        values += double(columns_of(sound, channel)) * sound.bands;
    if (values > double(kMaxColumnValues))
        throw bad_artifact("the picture of a sound is made of " + grouped(uint64_t(values)) +
                           " values, and the native runtime takes at most " + grouped(kMaxColumnValues) +
                           ": train with fewer seconds, fewer bands or longer hops");
}

} // namespace

void require_supported(const Description &description) {
    if (description.target != "tflite" && description.target != "qnn")
        throw bad_artifact("the artifact is for the target " + quoted(description.target) +
                           ", and the native runtime runs 'tflite' and 'qnn': convert the model with --target tflite");
    if (description.target == "qnn" && description.hexagon.empty())
        throw bad_artifact("its description does not say which version of Hexagon it is for; convert the model again");
    if (description.state_form != "io")
        throw bad_artifact("the states have the form " + quoted(description.state_form) +
                           ", and the native runtime runs graphs whose states are inputs and outputs ('io'): "
                           "convert the model with --state io");
    if (description.sound)
        require_sound(*description.sound);
    std::vector<const TensorSpec *> tensors = {&description.input, &description.output};
    for (const TensorSpec &state : description.states)
        tensors.push_back(&state);
    for (const TensorSpec *tensor : tensors)
        if (tensor->dtype == Dtype::float16)
            throw bad_artifact("tensor " + quoted(tensor->name) +
                               " is float16, which the native runtime does not run: convert the model again");
}

void require_tensors(const Description &description, const Backend &backend) {
    require_same("input", backend.inputs(), description.input, description.states);
    require_same("output", backend.outputs(), description.output, description.states);
}

std::shared_ptr<const Model> open_model(Artifact artifact, const std::string &where, const BackendOptions &options) {
    auto model = std::make_shared<Model>();
    model->file = std::move(artifact.data);
    model->description = std::move(artifact.description);
    try {
        require_supported(model->description);
        const bool qnn = model->description.target == "qnn";
        if (qnn)
            require_one_binary(Bytes(model->file.data(), artifact.graph_size));
        const auto open = qnn ? open_qnn : open_litert;
        model->backend = open(model->file.data(), artifact.graph_size, model->description, options);
        require_tensors(model->description, *model->backend);
        if (!model->description.chip.empty())
            model->backend->executor()->run(); // LiteRT says only at the first step that it has no such NPU
    } catch (const Error &error) {
        throw Error(error.status, where + ": " + error.what());
    }
    return model;
}

} // namespace edgeshift
