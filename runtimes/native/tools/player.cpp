#include "player.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "description.hpp"
#include "edgeshift/edgeshift.h"
#include "image.hpp"
#include "sha256.hpp"

namespace edgeshift {
namespace {

// Largest difference of an event's score where the logits are equal.
constexpr double kScoreError = 1e-9;
// Coloured cells along each side of a picture, and the distance between the numbers of two rows of cells.
constexpr uint32_t kCells = 14, kRow = 4096;
// Largest number of values of a state that are compared, and the distance between two of them.
constexpr size_t kSamples = 64, kStride = 7919;

// A call of the C interface failed.
[[noreturn]] void fail() { throw std::runtime_error(es_error()); }

void require(es_status status) {
    if (status < 0)
        fail();
}

std::string text_of(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.12g", value);
    return text;
}

// The golden byte with a number (docs/reference/frames.md).
uint32_t golden_byte(uint32_t number) {
    uint32_t mixed = number * 2654435761u;
    mixed ^= mixed >> 15;
    return (mixed * 2246822519u) >> 24;
}

// The samples of a sound (docs/reference/transcript.md). Shifts of negative numbers round down.
std::vector<float> samples_of(uint32_t seed, const Sound &sound) {
    std::vector<float> samples(size_t(sound.samples));
    if (sound.kind == "silent")
        return samples;
    for (size_t k = 0; k < samples.size(); k++) {
        const uint32_t i = uint32_t(sound.first) + uint32_t(k), part = i / 800;
        const int noise = int(256 * golden_byte(seed + 2 * i) + golden_byte(seed + 2 * i + 1)) - 32768;
        const uint32_t period = 8 + golden_byte(seed + 1073741824u + part) % 120;
        const int level = 2 + int(golden_byte(seed + 1610612736u + part) % 8);
        const int value = ((i / period % 2 ? 16384 : -16384) + (noise >> 2)) >> level;
        samples[k] = sound.kind == "clipped" ? (value < 0 ? -1.0f : 1.0f) : float(value) / 32768;
    }
    return samples;
}

// The name that a transcript has for what was heard; empty: the network has no sound segment.
const char *heard_name(es_heard heard) {
    static constexpr const char *names[] = {"", "heard", "deaf", "waiting", "late", "silent", "clipped"};
    return names[heard];
}

// The bytes of a picture: coloured cells, which move to the left by one from one number to the next.
std::vector<uint8_t> picture(uint32_t seed, const ExpectedCall &call) {
    const uint32_t height = static_cast<uint32_t>(call.height), width = static_cast<uint32_t>(call.width);
    std::vector<uint8_t> pixels;
    pixels.reserve(size_t(height) * width * 3);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t channel = 0; channel < 3; channel++) {
                const uint32_t cell = kRow * (kCells * y / height) + kCells * x / width + call.picture;
                pixels.push_back(static_cast<uint8_t>(golden_byte(seed + 3 * cell + channel)));
            }
    return pixels;
}

// Makes the calls on one stream and its spotter.
class Player {
  public:
    Player(es_model *model, const Transcript &transcript)
        : model_(model), transcript_(transcript), description_(read_description(es_model_description(model))),
          stream_(es_stream_new(model), es_stream_free), spotter_(es_spotter_new(model), es_spotter_free) {
        if (!stream_ || !spotter_)
            fail();
        if (description_.body_sha256 != transcript.body_sha256)
            throw std::runtime_error("the transcript belongs to another artifact: write one for this artifact with "
                                     "edgeshift transcript");
        const std::string runtime = es_model_runtime(model);
        const std::string kind = runtime.substr(0, runtime.find(' '));
        exact_ = transcript.exact && kind == transcript.runtime.substr(0, transcript.runtime.find(' '));
    }

    void play() {
        size_t number = 0;
        for (const ExpectedCall &call : transcript_.calls) {
            where_ = "call " + std::to_string(++number);
            make(call);
        }
        compare_errors();
        compare_samples();
        play_rule();
    }

  private:
    void make(const ExpectedCall &call) {
        if (call.kind == CallKind::step)
            return step(call);
        if (call.kind == CallKind::hear) {
            const std::vector<float> samples = samples_of(transcript_.seed, call.sound);
            return require(
                es_stream_hear(stream_.get(), samples.data(), samples.size(), call.time, call.sound.rate));
        }
        if (call.kind == CallKind::deafen)
            return require(es_stream_deafen(stream_.get()));
        if (call.kind == CallKind::save) {
            saved_ = save();
        } else {
            require(es_spotter_reset(spotter_.get()));
            require(call.kind == CallKind::reset ? es_stream_reset(stream_.get())
                                                 : es_stream_restore(stream_.get(), saved_.data(), saved_.size()));
        }
        compare_states(call);
    }

    void step(const ExpectedCall &call) {
        const std::vector<uint8_t> pixels = picture(transcript_.seed, call);
        const es_image image = rgb_image(pixels.data(), call.width, call.height);
        es_prediction prediction = {};
        const es_status status = es_stream_step(stream_.get(), &image, call.time, &prediction);
        require(status);
        const Answer answer = status == ES_WAITING ? Answer::none : prediction.fresh ? Answer::fresh : Answer::repeated;
        if (answer != call.answer)
            differ(std::string("the answer is ") + name(answer) + ", expected " + name(call.answer));
        if (answer != Answer::none && call.heard != heard_name(prediction.heard))
            differ(std::string("what was heard is \"") + heard_name(prediction.heard) + "\", expected \"" + call.heard + "\"");
        if (exact_ && answer != Answer::none && prediction.index != call.index)
            differ("label " + std::to_string(prediction.index) + " is predicted, expected " +
                   std::to_string(call.index));
        if (answer == Answer::fresh)
            compare_fresh(call, prediction);
    }

    void compare_fresh(const ExpectedCall &call, const es_prediction &prediction) {
        const size_t classes = static_cast<size_t>(prediction.classes);
        if (call.logits.size() != classes)
            differ(std::to_string(classes) + " logits, expected " + std::to_string(call.logits.size()));
        for (size_t i = 0; i < classes; i++) {
            const double error = double(prediction.logits[i]) - double(call.logits[i]);
            if (exact_ && std::memcmp(&prediction.logits[i], &call.logits[i], sizeof(float)) != 0)
                differ("logit " + std::to_string(i) + " is " + text_of(double(prediction.logits[i])) + ", expected " +
                       text_of(double(call.logits[i])));
            squares_ += error * error;
            values_++;
        }
        compare_states(call);
        es_event event = {};
        const int32_t found =
            std::isnan(call.time) ? 0 : es_spotter_feed(spotter_.get(), prediction.logits, call.time, &event);
        if (found < 0)
            fail();
        compare_events(call.event, found ? &event : nullptr,
                       exact_ ? kScoreError : std::max(kScoreError, transcript_.logit_bound));
    }

    // Compare the hash of the states. The frames of a clip artifact are integers, which are always equal.
    void compare_states(const ExpectedCall &call) {
        if (!exact_ && !description_.clip())
            return;
        const std::vector<uint8_t> saved = save();
        const size_t begin = saved.size() - states_size();
        const size_t skipped = description_.clip() ? missing_frames(saved) * description_.frame.bytes() : 0;
        const std::string hash = sha256(saved.data() + begin + skipped, states_size() - skipped);
        if (hash != call.states)
            differ("the states have the hash " + hash + ", expected " + call.states);
    }

    void compare_events(const std::optional<ExpectedEvent> &expected, const es_event *event, double allowed) {
        if (!expected && !event)
            return;
        if (!expected || !event)
            differ(event ? std::string("the event ") + event->label + " was not expected"
                         : "the event " + expected->label + " is missing");
        if (event->index != expected->index || event->label != expected->label ||
            event->timestamp != expected->timestamp || !(std::abs(event->score - expected->score) <= allowed))
            differ(std::string("the event ") + event->label + " at " + text_of(event->timestamp) + " s with score " +
                   text_of(event->score) + ", expected " + expected->label + " at " + text_of(expected->timestamp) +
                   " s with score " + text_of(expected->score));
    }

    void compare_errors() {
        where_ = "all calls";
        const double error = values_ ? std::sqrt(squares_ / double(values_)) : 0;
        if (!exact_ && !(error <= transcript_.logit_bound))
            differ("the logits differ by " + text_of(error) + ", " + text_of(transcript_.logit_bound) + " is allowed");
    }

    // Compare values of the states after the last call. Nothing is compared if their hashes were.
    void compare_samples() {
        if (exact_)
            return;
        where_ = "after the last call";
        const std::vector<uint8_t> saved = save();
        const uint8_t *at = saved.data() + saved.size() - states_size();
        for (const TensorSpec &state : description_.states) {
            const auto expected = transcript_.samples.find(state.name);
            if (expected != transcript_.samples.end())
                compare_state(state, at, expected->second);
            at += state.bytes();
        }
    }

    void compare_state(const TensorSpec &state, const uint8_t *stored, const std::vector<double> &expected) {
        const size_t count = state.values();
        if (expected.size() != std::min(kSamples, count))
            differ("the state " + state.name + " has another size");
        const double mean = std::accumulate(expected.begin(), expected.end(), 0.0) / double(expected.size());
        double squares = 0, variance = 0, largest = 0;
        for (size_t i = 0; i < expected.size(); i++) {
            const double error = real_value(state, stored, i * kStride % count) - expected[i];
            squares += error * error;
            variance += (expected[i] - mean) * (expected[i] - mean);
            largest = std::max(largest, std::abs(expected[i]));
        }
        const double deviation = std::sqrt(variance / double(expected.size()));
        const double spread = std::max({deviation, 0.01 * largest, 1e-6});
        const double error = std::sqrt(squares / double(expected.size())) / spread;
        if (!(error <= transcript_.state_bound))
            differ("the state " + state.name + " differs by " + text_of(error) + " standard deviations, " +
                   text_of(transcript_.state_bound) + " is allowed");
    }

    static double real_value(const TensorSpec &state, const uint8_t *stored, size_t position) {
        if (state.dtype == Dtype::int8)
            return state.scale * (double(static_cast<int8_t>(stored[position])) - state.zero_point);
        if (state.dtype != Dtype::float32)
            throw std::runtime_error("the state " + state.name + " is neither int8 nor float32");
        float value;
        std::memcpy(&value, stored + position * sizeof value, sizeof value);
        return double(value);
    }

    void play_rule() {
        const std::unique_ptr<es_spotter, void (*)(es_spotter *)> spotter(es_spotter_new(model_), es_spotter_free);
        if (!spotter)
            fail();
        size_t number = 0;
        for (const RuleCall &call : transcript_.rule_calls) {
            where_ = "rule call " + std::to_string(++number);
            if (call.logits.size() != description_.labels.size())
                throw std::runtime_error("the transcript is damaged: " + where_ + " has " +
                                         std::to_string(call.logits.size()) + " logits for " +
                                         std::to_string(description_.labels.size()) + " labels");
            es_event event = {};
            const int32_t found = es_spotter_feed(spotter.get(), call.logits.data(), call.time, &event);
            if (found < 0)
                fail();
            compare_events(call.event, found ? &event : nullptr, kScoreError);
        }
    }

    std::vector<uint8_t> save() const {
        std::vector<uint8_t> saved(es_stream_state_size(stream_.get()));
        require(es_stream_save(stream_.get(), saved.data(), saved.size()));
        return saved;
    }

    // Number of bytes of the states, which are the last bytes of what es_stream_save writes.
    size_t states_size() const {
        if (description_.clip())
            return description_.frame.bytes() * size_t(description_.frames()) + sizeof(uint64_t);
        size_t size = 0;
        for (const TensorSpec &state : description_.states)
            size += state.bytes();
        return size;
    }

    // Number of frames that a clip artifact still lacks for its first answer.
    size_t missing_frames(const std::vector<uint8_t> &saved) const {
        uint64_t count = 0;
        for (size_t i = 0; i < sizeof count; i++)
            count |= uint64_t(saved[saved.size() - sizeof count + i]) << 8 * i;
        const uint64_t length = static_cast<uint64_t>(description_.frames());
        return count < length ? size_t(length - count) : 0;
    }

    static const char *name(Answer answer) {
        return answer == Answer::fresh ? "fresh" : answer == Answer::none ? "none" : "repeated";
    }

    [[noreturn]] void differ(const std::string &text) const { throw Difference(where_ + ": " + text); }

    es_model *model_;
    const Transcript &transcript_;
    const Description description_;
    const std::unique_ptr<es_stream, void (*)(es_stream *)> stream_;
    const std::unique_ptr<es_spotter, void (*)(es_spotter *)> spotter_;
    std::vector<uint8_t> saved_;
    std::string where_;
    bool exact_ = false;
    double squares_ = 0;
    size_t values_ = 0;
};

} // namespace

Transcript read_transcript_file(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    if (!file)
        throw std::runtime_error(path + ": the file cannot be read");
    try {
        return read_transcript(text);
    } catch (const std::runtime_error &error) {
        throw std::runtime_error(path + ": not a transcript: " + error.what() + "; edgeshift transcript writes one");
    }
}

void play(es_model *model, const Transcript &transcript) { Player(model, transcript).play(); }

} // namespace edgeshift
