// The picture of a sound for a network: the newest columns of three spectrograms become its three channels. Python's
// edgeshift/sound/{spectrogram,picture}.py are the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "analysis.hpp"

namespace edgeshift {

// Largest number of values of the columns of a picture. It bounds the memory of a stream that hears.
constexpr int64_t kMaxColumnValues = int64_t(1) << 24;

// An antialiased bilinear resize of `length` values to `size` values.
class Resize {
  public:
    Resize(size_t length, size_t size);
    // Output number `index`. Value i of the input is values[i * stride].
    double at(size_t index, const double *values, size_t stride) const {
        double sum = 0;
        for (size_t tap = index * taps_; tap < (index + 1) * taps_; tap++)
            sum += weights_[tap] * values[places_[tap] * stride];
        return sum;
    }

  private:
    size_t taps_ = 0; // inputs of one output
    std::vector<size_t> places_;
    std::vector<double> weights_;
};

// The picture of the newest seconds of a sound that arrives in pieces of any length. Between two pieces, only the samples
// of windows that are not complete and the columns of one picture are kept. Used from one thread at a time.
class PictureStream {
  public:
    // size: height and width of the picture, pixels. Throws Error if the rate is too low or too high for the settings.
    PictureStream(const SoundSpec &settings, int rate, int size);

    int rate() const { return analysis_.rate(); }
    // Number of samples that must still arrive before there is a picture; 0: there is one.
    int64_t missing() const { return heard_ < needed_ ? needed_ - heard_ : 0; }
    // Forget all samples.
    void reset();
    // Take the next samples, which are finite.
    void feed(const float *samples, size_t count);
    // Write the picture at the time of the newest sample: size x size x 3 bytes, the lowest band first. The last column
    // is the newest. `missing` must be 0.
    void write(uint8_t *out) const;
    // The newest columns of one spectrogram, the oldest first: [columns, bands].
    std::vector<float> columns(size_t channel) const;

  private:
    // The newest columns in a ring.
    struct Newest {
        std::vector<float> values;
        size_t oldest = 0; // place of the oldest column, when the ring is full
        int64_t next = 0;  // index of the next column of the sound
    };
    void feed_part(const float *samples, size_t count);
    void keep(size_t channel, const float *samples);

    double low_, scale_; // of the logarithms
    size_t size_, bands_;
    Analysis analysis_;
    int64_t needed_, heard_ = 0; // samples
    std::vector<float> kept_;    // samples of windows that are not complete
    std::array<Newest, 3> newest_;
    std::vector<float> column_;
    std::vector<Resize> across_; // in time, of each channel
    Resize upwards_;             // over the bands
};

} // namespace edgeshift
