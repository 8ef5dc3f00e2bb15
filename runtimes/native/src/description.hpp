// The description of an artifact: how to run it and how to judge it. Python's edgeshift/artifact/spec.py is the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace edgeshift {

enum class Dtype { float32, float16, int8, uint8 };
inline size_t bytes_of(Dtype dtype) { return dtype == Dtype::float32 ? 4 : dtype == Dtype::float16 ? 2 : 1; }

// One input, output or state of the graph. int8: real = scale * (stored - zero_point).
struct TensorSpec {
    std::string name;
    std::vector<int64_t> shape;
    Dtype dtype = Dtype::float32;
    double scale = 1;
    int zero_point = 0;
    double start = 0; // real value of a state at the start of a stream
    bool channels_last = true;

    size_t values() const;
    size_t bytes() const { return values() * bytes_of(dtype); }
};

// How a frame is fitted (docs/reference/frames.md).
struct FrameSpec {
    int height = 0, width = 0;
    bool crop = false;
    std::optional<int> short_side;
    bool bgr = false;

    // Number of bytes of a fitted frame.
    size_t bytes() const { return size_t(height) * size_t(width) * 3; }
    // How frames are fitted that have this size and channel order already: not at all.
    FrameSpec fitted() const {
        FrameSpec frame;
        frame.height = height, frame.width = width;
        return frame;
    }
};

// When predictions become a detection. Python's RuleSpec in edgeshift/artifact/description.py is the same.
struct RuleSpec {
    int window = 1;
    double threshold = 0.5;
    double hold_off = 0;
    std::optional<int> memory;
    std::string none = "none";
    std::vector<std::string> silent; // more labels that are never announced
};

// The self-check. Rows of expected logits, and expected values of states by name.
struct CheckSpec {
    uint32_t seed = 0;
    std::vector<std::vector<double>> logits;
    std::map<std::string, std::vector<double>> states;
    bool reference_is_original = false;
    std::optional<double> tolerance; // version 1 only
};

// How a sound becomes a picture, and how its logits are added to those of the frames. Python's SoundSettings in
// edgeshift/sound/settings.py is the same, and explains the values. Times are seconds, frequencies Hz.
struct SoundSpec {
    double seconds = 0;
    int frames = 0;
    double weight = 0, every = 0;
    bool separate_norms = false;
    double transform = 0;
    std::array<double, 3> windows = {}, hops = {};
    int bands = 0;
    double top = 0;
    int rate = 0; // samples per second
    double eps = 0, low = 0, high = 0;
    bool cut = true;
};

struct Description {
    int version = 0;
    std::string target, precision, state_form;
    int hop = 0; // of a clip; 0: not a clip
    std::optional<SoundSpec> sound; // empty: the network has no sound segment
    std::vector<float> quiet;       // logits of a quiet room; empty: not known
    FrameSpec frame;
    TensorSpec input, output;
    std::vector<TensorSpec> states;
    std::vector<std::string> labels;
    double frame_spacing = 0; // seconds; 0: not known
    int clip_frames = 0;      // frames of a training clip; 0: not known
    std::optional<RuleSpec> rule;
    std::optional<CheckSpec> check;
    uint64_t body_bytes = 0;
    std::string body_sha256; // empty: not recorded
    std::string chip;        // whose NPU LiteRT's graph is compiled for, such as "Qualcomm SM8650"; empty: not compiled
    std::string hexagon;     // the version of Qualcomm's NPU that QNN's graph is compiled for, such as "v75"; empty: none
    std::string json;        // as it is stored

    bool clip() const { return hop > 0; }
    // Number of pictures of sounds that the graph takes after the frames: 1 for a clip that hears, otherwise 0.
    int sounds() const { return clip() && sound ? 1 : 0; }
    // Number of frames that the graph takes in one call.
    int frames() const { return static_cast<int>(input.shape.front()) - sounds(); }
};

// Read a description. Throws Error with ES_BAD_ARTIFACT if it is not JSON, has another version, unknown fields or values
// that are not possible, or contradicts itself.
Description read_description(const std::string &json);

} // namespace edgeshift
