#include "spotter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "error.hpp"
#include "pacer.hpp"
#include "sum.hpp"
#include "text.hpp"

namespace edgeshift {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

bool contains(const std::vector<std::string> &labels, const std::string &label) {
    return std::find(labels.begin(), labels.end(), label) != labels.end();
}

size_t position_of_largest(const std::vector<double> &values) {
    return size_t(std::max_element(values.begin(), values.end()) - values.begin());
}

// Replace logits by their softmax.
void softmax(std::vector<double> &values) {
    const double largest = *std::max_element(values.begin(), values.end());
    for (double &value : values)
        value = std::exp(value - largest);
    const double sum = pairwise_sum(values.data(), values.size());
    for (double &value : values)
        value /= sum;
}

// The sum of the rows of a matrix, one row after another, as numpy's sum over the first axis.
void sum_rows(const std::vector<double> &rows, std::vector<double> &sums) {
    std::fill(sums.begin(), sums.end(), 0.0);
    for (size_t i = 0; i < rows.size(); i += sums.size())
        for (size_t k = 0; k < sums.size(); k++)
            sums[k] += rows[i + k];
}

} // namespace

Spotter::Spotter(const RuleSpec &rule, const std::vector<std::string> &labels) : rule_(rule) {
    for (const std::string &label : rule.silent)
        if (!contains(labels, label))
            throw bad_argument("the rule's silent label " + quoted(label) + " is not one of the labels");
    // If no label has the name rule.none, every label is a gesture. The description refuses a name that was given and is
    // no label.
    for (size_t i = 0; i < labels.size(); i++) {
        silent_.push_back(labels[i] == rule.none || contains(rule.silent, labels[i]));
        if (!silent_.back())
            gestures_.push_back(int(i));
    }
    if (gestures_.empty())
        throw bad_argument("the rule never announces a label, because all of them are silent");
    window_.resize(size_t(rule.window) * labels.size());
    memory_.resize(size_t(rule.memory.value_or(0)) * gestures_.size());
    means_.resize(labels.size());
    reset();
}

void Spotter::reset() {
    std::fill(window_.begin(), window_.end(), 0.0);
    std::fill(memory_.begin(), memory_.end(), 0.0);
    next_ = remembered_ = 0;
    held_.reset();
    hold_off_end_ = last_ = kNever;
}

std::optional<Detection> Spotter::feed(const float *logits, double timestamp) {
    require_time(timestamp);
    if (!std::all_of(logits, logits + means_.size(), [](float logit) { return std::isfinite(logit); }))
        throw bad_argument("the logits are not finite: the network or its states overflowed");
    if (timestamp < last_)
        reset();
    probabilities_.assign(logits, logits + means_.size());
    softmax(probabilities_);
    std::copy(probabilities_.begin(), probabilities_.end(), window_.begin() + std::ptrdiff_t(next_ * means_.size()));
    next_ = (next_ + 1) % size_t(rule_.window);
    last_ = timestamp;
    sum_rows(window_, means_);
    for (double &mean : means_)
        mean /= rule_.window;
    if (rule_.memory)
        return detect_with_memory(logits);
    const size_t best = position_of_largest(means_);
    const auto held_score = held_ ? std::optional<double>(means_[size_t(*held_)]) : std::nullopt;
    if (waits(means_[best], held_score) || silent_[best])
        return std::nullopt;
    return announce(int(best), means_[best]);
}

std::optional<Detection> Spotter::detect_with_memory(const float *logits) {
    const size_t memory = size_t(*rule_.memory), gestures = gestures_.size();
    std::vector<double> &parts = probabilities_;
    parts.resize(gestures);
    for (size_t i = 0; i < gestures; i++) {
        memory_[remembered_ % memory * gestures + i] = logits[gestures_[i]];
        parts[i] = means_[size_t(gestures_[i])];
    }
    remembered_++;
    const double complete = pairwise_sum(parts.data(), gestures);
    if (waits(complete, complete))
        return std::nullopt;
    sum_rows(memory_, parts);
    for (double &part : parts)
        part /= double(std::min(remembered_, memory));
    softmax(parts);
    const size_t best = position_of_largest(parts);
    const double score = complete * parts[best];
    if (score < rule_.threshold)
        return std::nullopt;
    return announce(gestures_[best], score);
}

// Whether nothing may be announced now. The announced label is released if its score has fallen.
bool Spotter::waits(double score, std::optional<double> held_score) {
    if (held_score && *held_score < rule_.threshold)
        held_.reset();
    return score < rule_.threshold || last_ < hold_off_end_ || held_;
}

Detection Spotter::announce(int index, double score) {
    held_ = index;
    hold_off_end_ = last_ + rule_.hold_off;
    std::fill(memory_.begin(), memory_.end(), 0.0);
    remembered_ = 0;
    return {index, score, last_};
}

RuleSpec default_rule(const std::vector<std::string> &labels, double frame_spacing, int clip_frames) {
    constexpr double kShortWindow = 1, kLongWindow = 3, kMemory = 3; // seconds
    constexpr int kFrames = 8, kMinFrames = 3, kMaxFrames = 1024;
    const auto frames = [&](double seconds) {
        const int longest = clip_frames ? std::min(clip_frames, kMaxFrames) : kMaxFrames;
        if (frame_spacing <= 0)
            return std::max(kMinFrames, std::min(clip_frames ? clip_frames : kFrames, longest));
        const double count = std::nearbyint(std::min(seconds / frame_spacing, double(kMaxFrames)));
        return std::max(kMinFrames, std::min(int(count), longest));
    };
    RuleSpec rule;
    rule.hold_off = 1;
    if (contains(labels, rule.none)) {
        rule.window = frames(kShortWindow);
        rule.threshold = 0.4;
        rule.memory = frames(kMemory);
        return rule;
    }
    rule.window = frames(kLongWindow);
    rule.threshold = 0.5;
    for (const char *label : {"No gesture", "Doing other things"}) // public data sets
        if (contains(labels, label))
            rule.silent.push_back(label);
    if (rule.silent.size() == labels.size())
        rule.silent.clear();
    return rule;
}

RuleSpec rule_of(const Description &description) {
    return description.rule ? *description.rule
                            : default_rule(description.labels, description.frame_spacing, description.clip_frames);
}

} // namespace edgeshift
