#include "selfcheck.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "check_sound.hpp"
#include "error.hpp"
#include "image.hpp"
#include "listening.hpp"
#include "stream.hpp"
#include "text.hpp"

namespace edgeshift {
namespace {

constexpr int kCells = 14;                         // cells in each direction
constexpr size_t kSamples = 64, kStride = 7919;    // values of a state that are compared, and their distance
constexpr double kSteps = 0.25;                    // accepted error of int8 logits in quantization steps
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// The largest accepted error of the logits, as a share of their range, and of a state in its standard deviations.
struct Bound {
    double logits, states;
};

// The bounds for a CPU, or for an NPU, which rounds more.
Bound bound_of(const std::string &precision, bool original, bool npu) {
    if (npu && !original)
        return precision == "int8" ? Bound{2e-2, 0.1} : Bound{1e-2, 5e-2};
    if (precision == "fp32")
        return original ? Bound{1e-3, 1e-2} : Bound{1e-4, 1e-3};
    if (precision == "fp16")
        return original ? Bound{2e-2, 5e-2} : Bound{1e-3, 1e-2};
    return original ? Bound{0.1, 0.5} : Bound{4e-3, 0.05};
}

// Test frames: a grid of coloured cells that moves to the right by one cell per frame.
class CheckFrames {
  public:
    CheckFrames(uint32_t seed, int count, int height, int width);
    // Write frame number `index`, height x width x 3 bytes.
    void write(int index, uint8_t *out) const;

  private:
    int count_, height_, width_;
    std::vector<uint8_t> cells_;
};

// NumPy's RandomState(seed).randint(0, 256) takes the low byte of each number of this generator.
CheckFrames::CheckFrames(uint32_t seed, int count, int height, int width)
    : count_(count), height_(height), width_(width), cells_(size_t(kCells) * size_t(kCells + count) * 3) {
    std::mt19937 generator(seed);
    for (uint8_t &value : cells_)
        value = uint8_t(generator() & 255);
}

void CheckFrames::write(int index, uint8_t *out) const {
    for (int y = 0; y < height_; y++)
        for (int x = 0; x < width_; x++, out += 3) {
            const int row = int(int64_t(y) * kCells / height_), column = int(int64_t(x) * kCells / width_);
            const size_t cell = size_t(row) * size_t(kCells + count_) + size_t(column + count_ - 1 - index);
            std::memcpy(out, &cells_[3 * cell], 3);
        }
}

// The logits of all test frames, or windows of a clip, and the values of each state that are compared.
struct Run {
    std::vector<std::vector<float>> logits;
    std::map<std::string, std::vector<double>> states;
};

double stored_value(const std::vector<uint8_t> &bytes, Dtype dtype, size_t index) {
    if (dtype == Dtype::int8)
        return double(int8_t(bytes[index]));
    float value;
    std::memcpy(&value, &bytes[4 * index], 4);
    return double(value);
}

// Real values of a state at the positions that are compared, which count with channels last.
std::vector<double> sample(const TensorSpec &state, const std::vector<uint8_t> &bytes) {
    const size_t count = state.values();
    const size_t channels = state.channels_last || state.shape.size() < 2 ? 1 : size_t(state.shape[1]);
    const size_t area = count / channels / size_t(state.shape[0]);
    std::vector<double> values;
    for (size_t i = 0; i < std::min(kSamples, count); i++) {
        size_t at = i * kStride % count;
        if (channels > 1) { // the stored order is batch, channel, pixel
            const size_t pixel = at / channels % area, batch = at / channels / area;
            at = (batch * channels + at % channels) * area + pixel;
        }
        values.push_back((stored_value(bytes, state.dtype, at) - state.zero_point) * state.scale);
    }
    return values;
}

// Run `rows` frames, or windows of a clip, and then the test sound if the network has a sound segment.
Run run(const std::shared_ptr<const Model> &model, const CheckFrames &frames, size_t rows,
        const std::vector<uint8_t> &sound) {
    const Description &description = model->description;
    const FrameSpec &frame = description.frame;
    std::unique_ptr<Stream> stream = Stream::of(model);
    Listening *listening = stream->listening();
    std::vector<std::vector<uint8_t>> pixels(size_t(description.frames()), std::vector<uint8_t>(frame.bytes()));
    Run result;
    for (size_t row = 0; row < rows; row++) {
        std::vector<es_image> images;
        for (size_t i = 0; i < pixels.size(); i++) {
            frames.write(int(row + i), pixels[i].data());
            images.push_back(rgb_image(pixels[i].data(), frame.width, frame.height));
        }
        const Prediction *prediction = description.clip() ? stream->clip(images.data(), int(images.size()))
                                                          : stream->step(images[0], kNone);
        result.logits.push_back(listening == nullptr ? prediction->logits : listening->frame_logits());
    }
    for (size_t i = 0; i < description.states.size(); i++) {
        std::vector<uint8_t> bytes(description.states[i].bytes());
        stream->read_state(i, bytes.data());
        result.states[description.states[i].name] = sample(description.states[i], bytes);
    }
    if (listening != nullptr)
        result.logits.push_back(listening->answer_to(sound.data()));
    return result;
}

double root_mean_square(const std::vector<double> &errors) {
    double sum = 0;
    for (const double error : errors)
        sum += error * error;
    return std::sqrt(sum / double(errors.size()));
}

// The error in standard deviations of the expected values, which may be constant.
double relative_error(const std::vector<double> &values, const std::vector<double> &expected) {
    double sum = 0, squares = 0, largest = 0;
    for (const double value : expected) {
        sum += value;
        largest = std::max(largest, std::abs(value));
    }
    const double mean = sum / double(expected.size());
    std::vector<double> errors;
    for (size_t i = 0; i < expected.size(); i++) {
        squares += (expected[i] - mean) * (expected[i] - mean);
        errors.push_back(values[i] - expected[i]);
    }
    const double spread = std::sqrt(squares / double(expected.size()));
    return root_mean_square(errors) / std::max({spread, 0.01 * largest, 1e-6});
}

// The larger of two errors, or NaN if one of them is NaN.
double larger(double a, double b) { return std::isnan(a) || a > b ? a : b; }

std::vector<double> errors_of(const Run &result, const CheckSpec &check) {
    std::vector<double> errors;
    for (size_t row = 0; row < check.logits.size(); row++)
        for (size_t i = 0; i < check.logits[row].size(); i++)
            errors.push_back(double(result.logits[row][i]) - check.logits[row][i]);
    return errors;
}

double span_of(const CheckSpec &check) {
    double smallest = std::numeric_limits<double>::infinity(), largest = -smallest;
    for (const std::vector<double> &row : check.logits)
        for (const double logit : row) {
            smallest = std::min(smallest, logit);
            largest = std::max(largest, logit);
        }
    return largest - smallest;
}

double state_error_of(const Run &result, const CheckSpec &check) {
    double error = 0;
    for (const auto &[name, expected] : check.states) {
        const std::vector<double> &values = result.states.at(name);
        if (values.size() != expected.size())
            throw bad_artifact("the self-check has " + std::to_string(expected.size()) + " values of " + quoted(name) +
                               ", and " + std::to_string(values.size()) +
                               " are compared: convert the model again");
        error = larger(relative_error(values, expected), error);
    }
    return error;
}

} // namespace

es_check self_check(std::shared_ptr<const Model> model) {
    const Description &description = model->description;
    if (!description.check)
        throw bad_artifact("the artifact has no self-check; convert the model again");
    const CheckSpec &check = *description.check;
    // If the network has a sound segment, the last row is the answer to a test sound.
    std::vector<uint8_t> sound;
    if (description.sound)
        sound = check_sound_picture(check.seed, *description.sound, description.frame.width);
    const size_t rows = check.logits.size() - (sound.empty() ? 0 : 1);
    const CheckFrames frames(check.seed, int(rows) + description.frames() - 1, description.frame.height,
                             description.frame.width);
    const Run first = run(model, frames, rows, sound), second = run(model, frames, rows, sound);
    const std::vector<double> errors = errors_of(first, check);

    es_check result = {};
    result.frames = int32_t(rows);
    result.repeatable = first.logits == second.logits;
    result.version = description.version;
    result.state_error = result.state_tolerance = kNone;
    if (check.tolerance) { // of version 1: the largest error of a logit, and no states
        for (const double error : errors)
            result.error = larger(std::abs(error), result.error);
        result.tolerance = *check.tolerance;
    } else {
        const Bound bound = bound_of(description.precision, check.reference_is_original, model->backend->on_npu());
        result.error = root_mean_square(errors);
        result.tolerance = bound.logits * span_of(check);
        if (description.output.dtype == Dtype::int8)
            result.tolerance = std::max(result.tolerance, kSteps * description.output.scale);
        result.tolerance = std::max(result.tolerance, 1e-6);
        if (!check.states.empty()) {
            result.state_error = state_error_of(first, check);
            result.state_tolerance = bound.states;
        }
    }
    const bool states_pass = std::isnan(result.state_tolerance) || result.state_error <= result.state_tolerance;
    result.ok = result.repeatable && result.error <= result.tolerance && states_pass;
    return result;
}

} // namespace edgeshift
