// The result of a step, and how it is read from the logits of the graph.
#pragma once

#include <cstdint>
#include <vector>

#include "description.hpp"

namespace edgeshift {

// Whether a prediction contains a sound, or why not, as es_heard of the C interface has it.
enum class Hearing { none, heard, deaf, waiting, late, silent, clipped };

struct Prediction {
    int index = 0;   // position of the label with the largest logit
    float score = 0; // its softmax probability
    bool fresh = true;
    std::vector<float> logits;
    double pre = 0, infer = 0, post = 0; // seconds
    Hearing heard = Hearing::none;
};

// Write the label and the score that belong to the logits.
void judge(Prediction &prediction);

// Write real logits, the label and its score. `stored`: the logits as the graph stores them.
void read_logits(const uint8_t *stored, const TensorSpec &output, Prediction &prediction);

// Write pixels to the graph's input. int8 is the pixel minus 128, and other types are the pixel.
void write_pixels(const uint8_t *pixels, size_t count, Dtype dtype, uint8_t *input);

} // namespace edgeshift
