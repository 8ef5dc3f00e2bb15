// The event rule of a stream: it turns logits into detections. Python's edgeshift/events/{spotter,default_rule}.py are the
// same, and explain the rules.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "description.hpp"

namespace edgeshift {

struct Detection {
    int index;        // position of the label
    double score;     // 0 to 1
    double timestamp; // seconds: time of the frame that completed it
};

// Used from one thread at a time.
class Spotter {
  public:
    // Throws Error if the rule names a label that is not among `labels`, or announces none of them.
    Spotter(const RuleSpec &rule, const std::vector<std::string> &labels);

    // Remove all frames and detections, as at the start of a stream.
    void reset();
    // Apply the rule to the logits of one fresh prediction. If the time is before the last one, the spotter is reset.
    // Throws Error if a logit or the time is not finite. Then the spotter stays as it was.
    std::optional<Detection> feed(const float *logits, double timestamp);

  private:
    std::optional<Detection> detect_with_memory(const float *logits);
    bool waits(double score, std::optional<double> held_score);
    Detection announce(int index, double score);

    RuleSpec rule_;
    std::vector<bool> silent_;  // of each label: it is never announced
    std::vector<int> gestures_; // positions of the other labels
    // Ring buffers, one row after another: probabilities of the last frames, and logits of the gestures since the last
    // detection.
    std::vector<double> window_, memory_;
    std::vector<double> means_, probabilities_;
    size_t next_ = 0;       // the row of the window for the next frame
    size_t remembered_ = 0; // frames since the last detection
    std::optional<int> held_; // the announced label, until it falls below the threshold
    double hold_off_end_ = 0, last_ = 0; // times of the end of the hold-off, and of the last frame
};

// The rule of a model for which none was chosen.
RuleSpec default_rule(const std::vector<std::string> &labels, double frame_spacing, int clip_frames);
// The rule of an artifact, or the default rule if it has none.
RuleSpec rule_of(const Description &description);

} // namespace edgeshift
