#include "transcript.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "schema.hpp"

namespace edgeshift {
namespace {

using json::Value;
using schema::choice;
using schema::integer;
using schema::list;
using schema::number;
using schema::Record;
using schema::record;
using schema::text;

constexpr size_t kLongest = 64 << 20; // characters of a text, and items of a list

schema::Type words() { return text(0, kLongest, nullptr); }

const Record event_record = {"Event",
                             {
                                 {"index", integer(0, 99'999)},
                                 {"label", words()},
                                 {"score", number()},
                                 {"timestamp", number()},
                             }};

const Record call_record = {"Call",
                            {
                                {"call", choice({"step", "reset", "save", "restore", "hear", "deafen"})},
                                {"picture", integer(0, (1LL << 31) - 1), "0"},
                                {"height", integer(1, 4096), "1"},
                                {"width", integer(1, 4096), "1"},
                                {"time", number().or_null(), "null"},
                                {"answer", choice({"fresh", "repeated", "none"}), "\"none\""},
                                {"index", integer(0, 99'999).or_null(), "null"},
                                {"logits", words().or_null(), "null"},
                                {"states", words().or_null(), "null"},
                                {"event", record(event_record).or_null(), "null"},
                                {"heard", choice({"heard", "deaf", "waiting", "late", "silent", "clipped"}).or_null(),
                                 "null"},
                                {"sound", choice({"drawn", "silent", "clipped"}), "\"drawn\""},
                                {"first", integer(0, (1LL << 31) - 1), "0"},
                                {"samples", integer(0, 1 << 25), "0"},
                                {"rate", integer(0, 384'000), "0"},
                            }};

const Record rule_call_record = {"RuleCall",
                                 {
                                     {"time", number()},
                                     {"logits", words()},
                                     {"event", record(event_record).or_null(), "null"},
                                 }};

const Record subject_record = {"Subject",
                               {
                                   {"target", words()},
                                   {"precision", words()},
                                   {"mode", choice({"stream", "clip"})},
                                   {"body_sha256", words()},
                               }};

const Record bounds_record = {"Bounds",
                              {
                                  {"logits", number().greater_than(0)},
                                  {"states", number().greater_than(0)},
                              }};

const Record transcript_record = {"Transcript",
                                  {
                                      {"version", integer(1, 2)},
                                      {"artifact", record(subject_record)},
                                      {"runtime", words()},
                                      {"exact", schema::boolean()},
                                      {"bounds", record(bounds_record)},
                                      {"seed", integer(0, (1LL << 32) - 1)},
                                      {"calls", list(record(call_record), 1, kLongest)},
                                      {"samples", map(words(), list(number(), 1, 256), 256)},
                                      {"rule_calls", list(record(rule_call_record), 0, kLongest)},
                                  }};

// The bytes that a text in base64 stands for.
std::vector<uint8_t> decode_base64(const std::string &text) {
    std::vector<uint8_t> bytes;
    uint32_t bits = 0;
    int count = 0;
    size_t padding = 0;
    for (const char c : text) {
        int value = -1;
        if (c >= 'A' && c <= 'Z')
            value = c - 'A';
        else if (c >= 'a' && c <= 'z')
            value = c - 'a' + 26;
        else if (c >= '0' && c <= '9')
            value = c - '0' + 52;
        else if (c == '+')
            value = 62;
        else if (c == '/')
            value = 63;
        else if (c == '=')
            padding++;
        if (padding > 2 || (value < 0 && c != '=') || (padding && value >= 0))
            throw std::runtime_error("logits are not base64");
        if (value < 0)
            continue;
        bits = bits << 6 | static_cast<uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes.push_back(static_cast<uint8_t>(bits >> count));
        }
    }
    if (text.size() % 4)
        throw std::runtime_error("logits are not base64");
    return bytes;
}

std::vector<float> unpack(const Value &packed) {
    const std::vector<uint8_t> bytes = decode_base64(packed.text());
    if (bytes.empty() || bytes.size() % 4)
        throw std::runtime_error("logits are not float32 numbers in base64");
    std::vector<float> logits(bytes.size() / 4);
    for (size_t i = 0; i < logits.size(); i++) {
        const uint8_t *at = &bytes[4 * i];
        const uint32_t bits = at[0] | uint32_t(at[1]) << 8 | uint32_t(at[2]) << 16 | uint32_t(at[3]) << 24;
        std::memcpy(&logits[i], &bits, 4);
        if (!std::isfinite(logits[i]))
            throw std::runtime_error("a logit is not finite");
    }
    return logits;
}

std::optional<ExpectedEvent> event_of(const Value &value) {
    if (value.is_null())
        return std::nullopt;
    return ExpectedEvent{static_cast<int>(value["index"].integer()), value["label"].text(), value["score"].number(),
                         value["timestamp"].number()};
}

ExpectedCall call_of(const Value &value) {
    ExpectedCall call;
    const std::string &kind = value["call"].text(), &answer = value["answer"].text();
    if (!value["states"].is_null())
        call.states = value["states"].text();
    call.time = value["time"].is_null() ? std::numeric_limits<double>::quiet_NaN() : value["time"].number();
    if (kind == "hear" || kind == "deafen") {
        call.kind = kind == "hear" ? CallKind::hear : CallKind::deafen;
        call.sound = {value["sound"].text(), value["first"].integer(), value["samples"].integer(),
                      static_cast<int>(value["rate"].integer())};
        if (kind == "hear" && (call.sound.samples == 0 || call.sound.rate == 0 || std::isnan(call.time)))
            throw std::runtime_error("a hear has no samples, rate or time");
        return call;
    }
    if (kind != "step") {
        call.kind = kind == "reset" ? CallKind::reset : kind == "save" ? CallKind::save : CallKind::restore;
        if (call.states.empty())
            throw std::runtime_error("a " + kind + " has no states");
        return call;
    }
    call.picture = static_cast<uint32_t>(value["picture"].integer());
    call.height = static_cast<int>(value["height"].integer());
    call.width = static_cast<int>(value["width"].integer());
    call.answer = answer == "fresh" ? Answer::fresh : answer == "none" ? Answer::none : Answer::repeated;
    if (!value["index"].is_null())
        call.index = static_cast<int>(value["index"].integer());
    if (call.answer == Answer::fresh && (value["logits"].is_null() || call.states.empty() || call.index < 0))
        throw std::runtime_error("a fresh answer has no index, logits or states");
    if (!value["logits"].is_null())
        call.logits = unpack(value["logits"]);
    call.event = event_of(value["event"]);
    if (!value["heard"].is_null())
        call.heard = value["heard"].text();
    return call;
}

} // namespace

Transcript read_transcript(const std::string &json) {
    const Value value = schema::read(json, transcript_record);
    Transcript transcript;
    transcript.body_sha256 = value["artifact"]["body_sha256"].text();
    transcript.runtime = value["runtime"].text();
    transcript.exact = value["exact"].boolean();
    transcript.logit_bound = value["bounds"]["logits"].number();
    transcript.state_bound = value["bounds"]["states"].number();
    transcript.seed = static_cast<uint32_t>(value["seed"].integer());
    bool saved = false;
    for (const Value &call : value["calls"].array()) {
        transcript.calls.push_back(call_of(call));
        saved = saved || transcript.calls.back().kind == CallKind::save;
        if (transcript.calls.back().kind == CallKind::restore && !saved)
            throw std::runtime_error("a restore has no save before it");
    }
    for (const auto &[name, values] : value["samples"].object())
        for (const Value &sample : values.array())
            transcript.samples[name].push_back(sample.number());
    for (const Value &call : value["rule_calls"].array())
        transcript.rule_calls.push_back({call["time"].number(), unpack(call["logits"]), event_of(call["event"])});
    return transcript;
}

} // namespace edgeshift
