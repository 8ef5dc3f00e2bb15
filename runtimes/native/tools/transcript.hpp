// Reading a golden transcript (docs/reference/transcript.md). Python's edgeshift/stream/transcript.py is the same.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace edgeshift {

// A detection of the spotter.
struct ExpectedEvent {
    int index = 0;
    std::string label;
    double score = 0, timestamp = 0;
};

enum class CallKind { step, reset, save, restore, hear, deafen };
enum class Answer { fresh, repeated, none };

// Samples that are given to a stream. docs/reference/transcript.md says how they are computed.
struct Sound {
    std::string kind; // drawn, silent or clipped
    int64_t first = 0, samples = 0; // number of the first sample, and number of samples
    int rate = 0;                   // samples per second
};

// One call, and what it must give. Only a step has the fields from `picture` on. Only a step and a hear have a time.
struct ExpectedCall {
    CallKind kind = CallKind::step;
    std::string states; // hash of the states; empty: they are not compared
    double time = 0;    // seconds; NaN: the frame is given without a time
    Sound sound;        // of a hear
    uint32_t picture = 0;
    int height = 0, width = 0;
    Answer answer = Answer::none;
    int index = -1;
    std::vector<float> logits; // of a fresh answer
    std::optional<ExpectedEvent> event;
    std::string heard; // of a network with a sound segment; empty: it has none
};

// One call of a spotter that gets no frames.
struct RuleCall {
    double time = 0;
    std::vector<float> logits;
    std::optional<ExpectedEvent> event;
};

struct Transcript {
    std::string body_sha256, runtime;
    bool exact = false;
    double logit_bound = 0, state_bound = 0;
    uint32_t seed = 0;
    std::vector<ExpectedCall> calls;
    std::map<std::string, std::vector<double>> samples;
    std::vector<RuleCall> rule_calls;
};

// Read a transcript from its JSON. Throws std::runtime_error if it is not one.
Transcript read_transcript(const std::string &json);

} // namespace edgeshift
