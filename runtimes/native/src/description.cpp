#include "description.hpp"

#include <algorithm>

#include "error.hpp"
#include "spec.hpp"
#include "text.hpp"

namespace edgeshift {

using json::Value;

size_t TensorSpec::values() const { return static_cast<size_t>(spec::values_in(shape)); }

namespace {

// Start of the name of the back end of a graph that is compiled for an NPU. By LiteRT: vendor and chip follow. By QNN:
// the version of the NPU follows, a letter v and digits.
const std::string kCompiledFor = "npu ", kHexagon = "hexagon ";

bool is_hexagon_version(const std::string &text) {
    return text.size() > 1 && text.size() < 5 && text[0] == 'v' &&
           text.find_first_not_of("0123456789", 1) == std::string::npos;
}

// The version that a description says. It is read first, because the fields of newer versions are not known.
int64_t read_version(const std::string &text) {
    static const schema::Record versioned = {"_Versioned", {{"version", schema::integer()}}, nullptr, true};
    return schema::read(text, versioned)["version"].integer();
}

std::vector<double> numbers(const Value &list) {
    std::vector<double> values;
    for (const Value &value : list.array())
        values.push_back(value.number());
    return values;
}

std::vector<std::string> texts(const Value &list) {
    std::vector<std::string> values;
    for (const Value &value : list.array())
        values.push_back(value.text());
    return values;
}

int small(const Value &integer) { return static_cast<int>(integer.integer()); }

std::optional<int> optional_small(const Value &integer) {
    return integer.is_null() ? std::nullopt : std::optional<int>(small(integer));
}

TensorSpec tensor_of(const Value &value) {
    static constexpr const char *dtypes[] = {"float32", "float16", "int8", "uint8"}; // in the order of Dtype
    TensorSpec tensor;
    tensor.name = value["name"].text();
    tensor.shape = spec::shape_of(value);
    tensor.dtype = static_cast<Dtype>(std::find(dtypes, dtypes + 4, value["dtype"].text()) - dtypes);
    tensor.scale = value["scale"].number();
    tensor.zero_point = small(value["zero_point"]);
    tensor.start = value["start"].number();
    tensor.channels_last = value["channels"].text() == "last";
    return tensor;
}

FrameSpec frame_of(const Value &value) {
    FrameSpec frame;
    frame.height = small(value["height"]), frame.width = small(value["width"]);
    frame.crop = value["fit"].text() == "crop";
    frame.short_side = optional_small(value["short_side"]);
    frame.bgr = value["order"].text() == "bgr";
    return frame;
}

RuleSpec rule_of(const Value &value) {
    RuleSpec rule;
    rule.window = small(value["window"]);
    rule.threshold = value["threshold"].number();
    rule.hold_off = value["hold_off"].number();
    rule.memory = optional_small(value["memory"]);
    if (!value["none"].is_null())
        rule.none = value["none"].text();
    rule.silent = texts(value["silent"]);
    return rule;
}

CheckSpec check_of(const Value &value) {
    CheckSpec check;
    check.seed = static_cast<uint32_t>(value["seed"].integer());
    for (const Value &row : value["logits"].array())
        check.logits.push_back(numbers(row));
    for (const auto &[name, values] : value["states"].object())
        check.states[name] = numbers(values);
    check.reference_is_original = value["reference"].text() == "original";
    if (!value["tolerance"].is_null())
        check.tolerance = value["tolerance"].number();
    return check;
}

SoundSpec sound_of(const Value &value) {
    const auto three = [&](const char *name) {
        const std::vector<double> values = numbers(value[name]);
        return std::array<double, 3>{values[0], values[1], values[2]};
    };
    SoundSpec sound;
    sound.seconds = value["seconds"].number();
    sound.frames = small(value["frames"]);
    sound.weight = value["weight"].number();
    sound.every = value["every"].number();
    sound.separate_norms = value["norms"].text() == "separate";
    sound.transform = value["transform"].number();
    sound.windows = three("windows");
    sound.hops = three("hops");
    sound.bands = small(value["bands"]);
    sound.top = value["top"].number();
    sound.rate = small(value["rate"]);
    sound.eps = value["eps"].number();
    sound.low = value["low"].number();
    sound.high = value["high"].number();
    sound.cut = value["cut"].boolean();
    return sound;
}

Description description_of(const Value &value) {
    Description description;
    description.version = small(value["version"]);
    description.target = value["target"].text();
    description.precision = value["precision"].text();
    description.state_form = value["state_form"].text();
    description.hop = value["hop"].is_null() ? 0 : small(value["hop"]);
    description.frame = frame_of(value["frame"]);
    description.input = tensor_of(value["input"]);
    description.output = tensor_of(value["output"]);
    for (const Value &state : value["states"].array())
        description.states.push_back(tensor_of(state));
    description.labels = texts(value["labels"]);
    if (!value["frame_spacing"].is_null())
        description.frame_spacing = value["frame_spacing"].number();
    if (!value["clip_frames"].is_null())
        description.clip_frames = small(value["clip_frames"]);
    if (!value["rule"].is_null())
        description.rule = rule_of(value["rule"]);
    if (!value["check"].is_null())
        description.check = check_of(value["check"]);
    if (!value["model"]["sound"].is_null())
        description.sound = sound_of(value["model"]["sound"]);
    if (!value["quiet"].is_null())
        for (const Value &logit : value["quiet"].array())
            description.quiet.push_back(static_cast<float>(logit.number()));
    description.body_bytes = static_cast<uint64_t>(value["body_bytes"].integer());
    if (!value["body_sha256"].is_null())
        description.body_sha256 = value["body_sha256"].text();
    if (!value["graph"].is_null() && !value["graph"]["backend"].is_null()) {
        const std::string &backend = value["graph"]["backend"].text();
        if (backend.rfind(kCompiledFor, 0) == 0)
            description.chip = backend.substr(kCompiledFor.size());
        if (backend.rfind(kHexagon, 0) == 0 && is_hexagon_version(backend.substr(kHexagon.size())))
            description.hexagon = backend.substr(kHexagon.size());
    }
    return description;
}

} // namespace

Description read_description(const std::string &json) {
    if (json.size() > spec::MAX_BYTES)
        throw bad_artifact("the description is " + grouped(json.size()) + " bytes; the limit is " +
                           grouped(spec::MAX_BYTES) + "; convert the model again");
    int64_t version = 0;
    try {
        version = read_version(json);
        if (version >= spec::OLDEST && version <= spec::NEWEST) {
            Description description = description_of(schema::read(json, spec::stream_spec()));
            description.json = json;
            return description;
        }
    } catch (const json::Invalid &error) {
        throw bad_artifact("the description is not valid: " + one_line(error.what()) + "; convert the model again");
    }
    throw bad_artifact("the description has version " + std::to_string(version) + ", this edgeshift reads version " +
                       std::to_string(spec::NEWEST) + "; " +
                       (version > spec::NEWEST ? "update edgeshift" : "convert the model again"));
}

} // namespace edgeshift
