#include "spec.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "text.hpp"

namespace edgeshift::spec {

using json::Value;
using schema::boolean;
using schema::choice;
using schema::Contradiction;
using schema::integer;
using schema::list;
using schema::map;
using schema::number;
using schema::Pattern;
using schema::Record;
using schema::record;
using schema::text;
using schema::Type;

namespace {

// ---- Types that several records use.

const Pattern PRINTABLE = {R"(\A[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]*\Z)", is_printable};
const Pattern HASH = {R"(\A[0-9a-f]{64}\Z)", [](std::string_view hash) {
                          return hash.size() == 64 && hash.find_first_not_of("0123456789abcdef") == hash.npos;
                      }};

const Type name = text(1, 128, &PRINTABLE);
const Type words = text(0, 4096, &PRINTABLE);
const Type label = text(0, 256, &PRINTABLE);
const Type labels = list(label, 0, 100'000);
const Type sha256 = text(0, Type::UNLIMITED, &HASH);
const Type count = integer(0, int64_t(1) << 31);
const Type offset = integer(-64, 64);
const Type fill = choice({"zero", "keep"});
const Type rgb = list(number(), 3, 3);
const Type operators = map(name, count, 256);

// ---- Records, each after those that it contains, with the function that looks for contradictions in it.

const Record grid_spec = {"GridSpec",
                          {
                              {"scale", number().greater_than(0)},
                              {"zero_point", integer(-128, 127)},
                          }};

void check_tensor(const Value &tensor) {
    const std::string &name = tensor["name"].text(), &dtype = tensor["dtype"].text();
    if (!tensor["grid"].is_null() && (dtype == "int8" || dtype == "uint8"))
        throw Contradiction(name + " is " + dtype + " and has a grid as well as its own scale and zero point");
    const double start = tensor["start"].number();
    const double stored = start / tensor["scale"].number() + static_cast<double>(tensor["zero_point"].integer());
    if (dtype == "int8" && !(-128.5 < stored && stored < 127.5))
        throw Contradiction(name + " starts at " + short_number(start) + ", which is outside of its int8 range");
}

const Record tensor_spec = {"TensorSpec",
                            {
                                {"name", name},
                                {"shape", list(integer(1, 1 << 20), 1, 6)},
                                {"dtype", choice({"float32", "float16", "int8", "uint8"})},
                                {"scale", number().greater_than(0), "1.0"},
                                {"zero_point", integer(-128, 127), "0"},
                                {"start", number(), "0.0"},
                                {"grid", record(grid_spec).or_null(), "null"},
                                {"channels", choice({"last", "first"}), "\"last\""},
                            },
                            check_tensor};

const Record row_spec = {"RowSpec",
                         {
                             {"dt", offset.or_null()},
                             {"dh", offset},
                             {"dw", offset},
                             {"start", count},
                             {"stop", count},
                             {"fill", fill},
                         }};

const Record place_spec = {"PlaceSpec",
                           {
                               {"place", name},
                               {"channels", count},
                               {"rows", list(record(row_spec), 0, 1024)},
                           }};

const Record calibration_spec = {"CalibrationSpec",
                                 {
                                     {"source", words},
                                     {"clips", count},
                                     {"samples", count},
                                     {"sha256", sha256},
                                     {"total", count.or_null(), "null"},
                                 }};

const Record graph_spec = {"GraphSpec",
                           {
                               {"operators", operators},
                               {"partitions", count.or_null(), "null"},
                               {"delegated", number().at_least(0).at_most(1).or_null(), "null"},
                               {"backend", name.or_null(), "null"},
                               {"outside", operators, "{}"},
                           }};

const Record sound_parity_spec = {"SoundParitySpec",
                                  {
                                      {"sounds", count},
                                      {"max_error", number()},
                                      {"cosine", number()},
                                      {"top1", number()},
                                      {"fused_error", number()},
                                      {"fused_cosine", number()},
                                      {"fused_top1", number()},
                                  }};

const Record parity_spec = {"ParitySpec",
                            {
                                {"reference", words},
                                {"frames", count},
                                {"logit_range", number()},
                                {"max_error", number()},
                                {"cosine", number()},
                                {"top1", number()},
                                {"top1_clear", number()},
                                {"state_error", number()},
                                {"lost_states", list(name, 0, 256), "[]"},
                                {"runtime", words.or_null(), "null"},
                                {"drift", number()},
                                {"original_error", number().or_null(), "null"},
                                {"original_state_error", number().or_null(), "null"},
                                {"steps", number().or_null(), "null"},
                                {"repeatable", boolean(), "true"},
                                {"sound", record(sound_parity_spec).or_null(), "null"},
                            }};

const Record check_spec = {"CheckSpec",
                           {
                               {"seed", count},
                               {"logits", list(list(number(), 0, Type::UNLIMITED), 1, 64)},
                               {"states", map(name, list(number(), 1, 256), 256), "{}"},
                               {"reference", choice({"artifact", "original"}), "\"artifact\""},
                               {"tolerance", number().greater_than(0).or_null(), "null"},
                           }};

void check_sound(const Value &sound) {
    double longest = 0, widest = 0;
    for (const Value &window : sound["windows"].array())
        longest = std::max(longest, window.number());
    for (const Value &hop : sound["hops"].array())
        widest = std::max(widest, hop.number());
    const double transform = sound["transform"].number(), low = sound["low"].number(), high = sound["high"].number();
    if (longest > transform)
        throw Contradiction("a window of " + short_number(longest) + " s is longer than the transform, " +
                            short_number(transform) + " s");
    if (sound["seconds"].number() < std::max(widest, transform))
        throw Contradiction("a picture of " + short_number(sound["seconds"].number()) +
                            " s is shorter than one column of it");
    if (low >= high)
        throw Contradiction("low " + short_number(low) + " must be below high " + short_number(high));
}

const Type short_time = number().at_least(0.001).at_most(1);

const Record sound_settings = {
    "SoundSettings",
    {
        {"seconds", number().greater_than(0).at_most(60)},
        {"frames", integer(1, 1024)},
        {"weight", number().greater_than(0).at_most(1024), "1.0"},
        {"every", number().at_least(0.01).at_most(60), "0.25"},
        {"norms", choice({"shared", "separate"}), "\"shared\""},
        {"transform", short_time, "0.1"},
        {"windows", list(short_time, 3, 3), "[0.025, 0.05, 0.1]"},
        {"hops", list(short_time, 3, 3), "[0.01, 0.025, 0.05]"},
        {"bands", integer(8, 512), "112"},
        {"top", number().greater_than(0).at_most(96'000), "7500.0"},
        {"rate", integer(8'000, 192'000), "16000"},
        {"eps", number().greater_than(0), "1e-6"},
        {"low", number(), "-13.5"},
        {"high", number(), "6.5"},
        {"cut", boolean(), "true"},
    },
    check_sound};

void check_config(const Value &config) {
    const std::string &table = config["table"].text(), &backbone = config["backbone"].text();
    static const std::set<std::string> tables = {"stsm", "tsam", "tsm", "tsn"};
    static const std::set<std::string> backbones = {"mobilenet_v2", "resnet101", "resnet18", "resnet34", "resnet50"};
    // These messages say what is wrong by themselves, so they are not Contradictions, to which the place is added.
    const auto refuse = [](const std::string &message) { throw json::Invalid(message); };
    const auto unknown = [&](const std::string &kind, const std::string &name, const std::set<std::string> &known) {
        refuse("unknown " + kind + " " + quoted(name) + "; known: " + joined({known.begin(), known.end()}));
    };
    const bool adopted = table == "adopted";
    if (!adopted && tables.count(table) == 0)
        unknown("shift table", table, tables);
    const bool plain = backbone.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == backbone.npos;
    if (adopted && (backbone.empty() || !plain))
        refuse("the name " + quoted(backbone) + " of an adopted network has other signs than a-z, 0-9 and _");
    if (!adopted && backbones.count(backbone) == 0)
        unknown("backbone", backbone, backbones);
    const std::string size = std::to_string(config["size"].integer());
    if (config["size"].integer() < 64)
        refuse("frames of " + size + "x" + size + " are too small; the smallest size is 64");
    for (const Value &deviation : config["std"].array())
        if (deviation.number() <= 0)
            refuse("std " + short_number(deviation.number()) + " must be positive, because frames are divided by it");
    if (config["div"].integer() != 8 && table != "tsm" && table != "tsam")
        refuse(table + " takes no shift divisor, which is for tsm and tsam");
    const bool usual =
        config["place"].text() == "blockres" && config["every"].is_null() && !config["temporal_pool"].boolean();
    if (backbone.find("resnet") == backbone.npos && !usual)
        refuse(backbone + " has no choice of place, every or temporal_pool, which are for ResNets");
    if (!config["non_local"].is_null() && backbone != "resnet50")
        refuse(backbone + " has no non-local blocks, which are for resnet50");
    if (config["sound"].is_null())
        return;
    if ((table != "tsam" && table != "tsn") || (!config["fill"].is_null() && config["fill"].text() != "keep"))
        refuse(table + " cannot have a sound segment, which needs a shift that keeps a frame's own features where "
                       "there is no earlier frame: use tsam or tsn with the fill keep");
    if (config["temporal_pool"].boolean() || !config["non_local"].is_null())
        refuse((config["temporal_pool"].boolean() ? "temporal pooling" : "non-local blocks") +
               std::string(" and a sound segment do not work together"));
}

const Type config_name = text(0, 64, nullptr);

const Record model_config = {
    "ModelConfig",
    {
        {"table", config_name},
        {"backbone", config_name},
        {"classes", integer(2, 100'000)},
        {"size", integer(1, 4096), "224"},
        {"bidirectional", boolean(), "false"},
        {"streamed_bidirectional", boolean(), "false"},
        {"depth", integer(1, 64), "2"},
        {"fill", fill.or_null(), "null"},
        {"width", number().greater_than(0).at_most(8), "1.0"},
        {"rounding", choice({"torchvision", "mit"}), "\"torchvision\""},
        {"mean", rgb, "[123.675, 116.28, 103.53]"},
        {"std", rgb, "[58.395, 57.12, 57.375]"},
        {"div", integer(2, 64), "8"},
        {"place", choice({"blockres", "block"}), "\"blockres\""},
        {"every", integer(1, 64).or_null(), "null"},
        {"temporal_pool", boolean(), "false"},
        {"non_local", choice({"embedded_gaussian", "scaled_embedded_gaussian", "dot_product", "gaussian"}).or_null(),
         "null"},
        {"sound", record(sound_settings).or_null(), "null"},
    },
    check_config};

void check_frame(const Value &frame) {
    constexpr int64_t MAX_SIDE = 4096;
    const int64_t height = frame["height"].integer(), width = frame["width"].integer();
    const std::string size = std::to_string(height) + "x" + std::to_string(width);
    if (std::min(height, width) < 1 || std::max(height, width) > MAX_SIDE)
        throw json::Invalid("frame: " + size + " (height x width) must be 1 to " + std::to_string(MAX_SIDE) +
                            " per side");
    if (frame["short_side"].is_null())
        return;
    const int64_t side = frame["short_side"].integer(), larger = std::max(height, width);
    const std::string short_side = "frame: short_side " + std::to_string(side);
    if (frame["fit"].text() == "squash")
        throw json::Invalid(short_side + " is only for fit 'crop'; leave it out");
    if (side < larger || side > 2 * MAX_SIDE)
        throw json::Invalid(short_side + " must be " + std::to_string(larger) + " to " + std::to_string(2 * MAX_SIDE) +
                            ", so that a crop of " + size + " fits into every frame");
}

const Record frame_spec = {"FrameSpec",
                           {
                               {"height", integer()},
                               {"width", integer()},
                               {"fit", choice({"squash", "crop"}), "\"squash\""},
                               {"short_side", integer().or_null(), "null"},
                               {"order", choice({"rgb", "bgr"}), "\"rgb\""},
                           },
                           check_frame};

const Record weights_spec = {"WeightsSpec",
                             {
                                 {"source", words},
                                 {"sha256", sha256.or_null(), "null"},
                                 {"trained", boolean(), "true"},
                                 {"license", words.or_null(), "null"},
                             }};

const Record rule_spec = {"RuleSpec",
                          {
                              {"window", integer(1, 1024)},
                              {"threshold", number().greater_than(0).at_most(1)},
                              {"hold_off", number().at_least(0).at_most(3600), "0.0"},
                              {"none", label.or_null(), "null"},
                              {"memory", integer(1, 4096).or_null(), "null"},
                              {"silent", labels, "[]"},
                              {"origin", words, "\"\""},
                          }};

void check_rule(const Value &rule, const json::Array &labels) {
    std::set<std::string> known, silent;
    for (const Value &label : labels)
        known.insert(label.text());
    for (const Value &label : rule["silent"].array()) {
        if (known.count(label.text()) == 0)
            throw Contradiction("the rule's silent label " + quoted(label.text()) + " is not one of the labels");
        silent.insert(label.text());
    }
    const std::string none = rule["none"].is_null() ? "none" : rule["none"].text();
    if (known.count(none) > 0)
        silent.insert(none);
    else if (!rule["none"].is_null())
        throw Contradiction("the rule's label for no gesture, " + quoted(none) + ", is not one of the labels");
    if (silent.size() == labels.size())
        throw Contradiction("the rule never announces a label, because all of them are silent");
}

void check_labels(const json::Array &labels) {
    std::set<std::string> seen;
    for (const Value &label : labels) {
        if (label.text().empty())
            throw Contradiction("label '' is not 1 to 256 printable characters");
        if (!seen.insert(label.text()).second)
            throw Contradiction("label " + quoted(label.text()) + " is given to two outputs: rename one of them");
    }
}

// Whether the input has the shape of RGB frames of this size: one frame, or at least two for a clip. `sounds`: number of
// pictures of sounds after the frames.
bool takes(const Value &input, int64_t height, int64_t width, bool stream, int64_t sounds) {
    std::vector<int64_t> shape = shape_of(input);
    const int64_t frames = shape.front() - sounds;
    shape.erase(shape.begin());
    const bool last = input["channels"].text() == "last";
    const std::vector<int64_t> expected =
        last ? std::vector<int64_t>{height, width, 3} : std::vector<int64_t>{3, height, width};
    return shape == expected && (stream ? frames == 1 : frames >= 2);
}

void check_mode(const Value &spec, bool stream, int64_t sounds) {
    const Value &hop = spec["hop"], &input = spec["input"];
    if (!stream && (!spec["states"].array().empty() || hop.is_null() || hop.integer() > shape_of(input).front() - sounds))
        throw Contradiction("a clip has no states, and a hop of at most its number of frames");
    if (stream && !hop.is_null())
        throw Contradiction("a hop belongs to a clip, and this is a stream");
    if (stream && input["channels"].text() == "first")
        throw Contradiction("a frame must have its channels last");
}

void check_self_check(const Value &check, const Value &spec) {
    const Value &tolerance = check["tolerance"];
    const int64_t version = spec["version"].integer();
    if (tolerance.is_null() == (version == 1))
        throw Contradiction("the self-check is not that of version " + std::to_string(version));
    if (!tolerance.is_null()) {
        bool any = false;
        double smallest = 0, largest = 0;
        for (const Value &row : check["logits"].array())
            for (const Value &logit : row.array()) {
                smallest = any ? std::min(smallest, logit.number()) : logit.number();
                largest = any ? std::max(largest, logit.number()) : logit.number();
                any = true;
            }
        if (tolerance.number() > std::max((largest - smallest) / 2, 1e-6))
            throw Contradiction("the self-check has a tolerance of " + short_number(tolerance.number()) +
                                ", which accepts any logits");
    }
    std::map<std::string, uint64_t> sizes;
    for (const Value &state : spec["states"].array())
        sizes[state["name"].text()] = values_in(shape_of(state));
    for (const auto &[name, expected] : check["states"].object())
        if (const auto size = sizes.find(name); size == sizes.end() || expected.array().size() > size->second)
            throw Contradiction("the self-check has " + std::to_string(expected.array().size()) + " values of " + name +
                                ", which is no state of that size");
}

void check_stream(const Value &spec) {
    const Value &input = spec["input"], &output = spec["output"], &frame = spec["frame"];
    const json::Array &states = spec["states"].array(), &labels = spec["labels"].array();
    const std::vector<int64_t> logits = shape_of(output);
    const int64_t classes = logits.back();
    const bool stream = spec["mode"].text() == "stream";
    const int64_t sounds = !stream && !spec["model"]["sound"].is_null() ? 1 : 0;
    const int64_t rows = shape_of(input).front();
    if (stream && rows > 1 && logits.front() == rows) // made with --batch, for .onnx files, which this runtime does not run
        throw Contradiction("the graph takes the frames of " + std::to_string(rows) + " cameras in one call, and this " +
                            "runtime those of one");
    if (logits != std::vector<int64_t>{1 + sounds, classes})
        throw Contradiction("the output has shape " + shape_text(logits) + ", which is not " +
                            (sounds ? "2 rows" : "one row") + " of logits");

    uint64_t values = values_in(shape_of(input)) + values_in(logits);
    std::set<std::string> names = {input["name"].text(), output["name"].text()};
    bool unsigned_state = output["dtype"].text() == "uint8";
    for (const Value &state : states) {
        values += values_in(shape_of(state));
        names.insert(state["name"].text());
        unsigned_state = unsigned_state || state["dtype"].text() == "uint8";
    }
    if (values > MAX_VALUES)
        throw Contradiction("the tensors hold " + grouped(values) + " values; the limit is " + grouped(MAX_VALUES));

    const int64_t known = spec["model"]["classes"].integer(), size = spec["model"]["size"].integer();
    if (static_cast<int64_t>(labels.size()) != classes || known != classes)
        throw Contradiction(std::to_string(labels.size()) + " labels and " + std::to_string(known) + " classes for " +
                            std::to_string(classes) + " logits");
    const int64_t height = frame["height"].integer(), width = frame["width"].integer();
    if (height != size || width != size || !takes(input, height, width, stream, sounds))
        throw Contradiction("the input has shape " + shape_text(shape_of(input)) + ", which is not " +
                            (stream ? "one RGB frame" : sounds ? "a clip of RGB frames and a sound" : "a clip of RGB frames") +
                            " of size " +
                            shape_text({height, width}));
    check_mode(spec, stream, sounds);
    const Value &quiet = spec["quiet"];
    if (!quiet.is_null()) {
        const auto count = static_cast<int64_t>(quiet.array().size());
        if (spec["model"]["sound"].is_null() || count != classes)
            throw Contradiction("the logits of a quiet room do not belong to a network with " +
                                std::to_string(classes) + " logits and a sound");
    }
    const Value &check = spec["check"];
    if (!check.is_null())
        for (const Value &row : check["logits"].array())
            if (static_cast<int64_t>(row.array().size()) != classes)
                throw Contradiction("a row of expected logits does not have " + std::to_string(classes) + " values");
    const bool minus_128 = input["scale"].number() == 1 && input["zero_point"].integer() == -128;
    if (input["dtype"].text() == "int8" && !minus_128)
        throw Contradiction("an int8 frame must have scale 1 and zero point -128, so that it is the pixel minus 128");
    if (unsigned_state)
        throw Contradiction("an output or a state is uint8, which only the frame may be");
    const std::string &precision = spec["precision"].text();
    if (!spec["float_layers"].array().empty() && precision != "int8")
        throw Contradiction("some layers are said to stay in float, but the artifact is " + precision);
    check_labels(labels);
    if (!spec["rule"].is_null())
        check_rule(spec["rule"], labels);
    if (names.size() != states.size() + 2)
        throw Contradiction("two tensors have the same name");
    if (!check.is_null())
        check_self_check(check, spec);
}

} // namespace

const Record &stream_spec() {
    static const Record stream_spec = {"StreamSpec",
                                       {
                                           {"labels", labels},
                                           {"frame", record(frame_spec)},
                                           {"weights", record(weights_spec)},
                                           {"frame_spacing", number().at_least(1e-3).at_most(3600).or_null(), "null"},
                                           {"clip_frames", integer(1, 4096).or_null(), "null"},
                                           {"consensus", choice({"mean", "last"}), "\"mean\""},
                                           {"rule", record(rule_spec).or_null(), "null"},
                                           {"quiet", list(number(), 1, 100'000).or_null(), "null"},
                                           {"notes", list(words, 0, 16), "[]"},
                                           {"version", integer(), "2"},
                                           {"target", name},
                                           {"precision", choice({"fp32", "fp16", "int8"})},
                                           {"model", record(model_config)},
                                           {"input", record(tensor_spec)},
                                           {"output", record(tensor_spec)},
                                           {"states", list(record(tensor_spec), 0, 256)},
                                           {"mode", choice({"stream", "clip"}), "\"stream\""},
                                           {"hop", integer(1, 4096).or_null(), "null"},
                                           {"state_form", choice({"io", "native", "buffer"}), "\"io\""},
                                           {"shifts", list(record(place_spec), 0, 256)},
                                           {"body_bytes", count, "0"},
                                           {"body_sha256", sha256.or_null(), "null"},
                                           {"graph", record(graph_spec).or_null(), "null"},
                                           {"calibration", record(calibration_spec).or_null(), "null"},
                                           {"float_layers", list(words, 0, 256), "[]"},
                                           {"parity", record(parity_spec).or_null(), "null"},
                                           {"check", record(check_spec).or_null(), "null"},
                                           {"problems", list(words, 0, 64), "[]"},
                                           {"tools", map(name, words, 64), "{}"},
                                       },
                                       check_stream};
    return stream_spec;
}

std::vector<int64_t> shape_of(const Value &tensor) {
    std::vector<int64_t> shape;
    for (const Value &side : tensor["shape"].array())
        shape.push_back(side.integer());
    return shape;
}

uint64_t values_in(const std::vector<int64_t> &shape) {
    uint64_t values = 1;
    for (int64_t side : shape) // sides are at most 2 to the power of 20
        values = std::min(values * static_cast<uint64_t>(side), uint64_t(1) << 40);
    return values;
}

} // namespace edgeshift::spec
