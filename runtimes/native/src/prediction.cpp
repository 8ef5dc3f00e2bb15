#include "prediction.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace edgeshift {
namespace {

// The first largest value, or the first NaN, as numpy's argmax.
size_t position_of_largest(const std::vector<float> &values) {
    size_t best = 0;
    for (size_t i = 0; i < values.size(); i++) {
        if (std::isnan(values[i]))
            return i;
        if (values[i] > values[best])
            best = i;
    }
    return best;
}

} // namespace

void judge(Prediction &prediction) {
    const std::vector<float> &logits = prediction.logits;
    const size_t best = position_of_largest(logits);
    double sum = 0;
    for (const float logit : logits)
        sum += std::exp(double(logit - logits[best]));
    prediction.index = int(best);
    prediction.score = float(1 / sum);
}

void read_logits(const uint8_t *stored, const TensorSpec &output, Prediction &prediction) {
    std::vector<float> &logits = prediction.logits;
    logits.resize(output.values());
    if (output.dtype == Dtype::int8) {
        const float zero_point = float(output.zero_point), scale = float(output.scale);
        for (size_t i = 0; i < logits.size(); i++)
            logits[i] = (float(int8_t(stored[i])) - zero_point) * scale;
    } else {
        std::memcpy(logits.data(), stored, logits.size() * sizeof(float));
    }
    judge(prediction);
}

void write_pixels(const uint8_t *pixels, size_t count, Dtype dtype, uint8_t *input) {
    if (dtype == Dtype::float32) {
        float *values = reinterpret_cast<float *>(input);
        for (size_t i = 0; i < count; i++)
            values[i] = float(pixels[i]);
    } else if (dtype == Dtype::int8) {
        std::transform(pixels, pixels + count, input, [](uint8_t pixel) { return uint8_t(pixel ^ 128); });
    } else {
        std::memcpy(input, pixels, count);
    }
}

} // namespace edgeshift
