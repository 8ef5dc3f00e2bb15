// The sizes of a spectrogram in samples at one sampling rate, and the log-mel values of its columns. Python's
// edgeshift/sound/analysis.py is the same.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "description.hpp"
#include "fourier.hpp"
#include "mel.hpp"

namespace edgeshift {

// The lowest and the highest number of samples per second. With the lowest, the shortest window has one sample.
constexpr int kMinRate = 1000, kMaxRate = 384'000;
// The lowest number of samples per second for a network with these settings.
int least_rate(const SoundSpec &settings);
// Number of columns of one spectrogram in a picture.
int64_t columns_of(const SoundSpec &settings, size_t channel);

// One of the three spectrograms. Column k is the window of the samples from k * hop - lead.
struct Channel {
    std::vector<double> window; // the periodic Hann window
    int64_t hop = 1;            // samples between the windows of two columns
    int64_t lead = 0;           // samples of the window before its centre, which is sample k * hop
    int64_t columns = 0;        // in a picture

    // Index of the first column whose window does not begin before sample 0.
    int64_t first() const { return (lead + hop - 1) / hop; }
    // Index after the last column whose window ends within the first `samples` samples.
    int64_t complete(int64_t samples) const;
    // Number of samples from the beginning of a sound that contain the columns of a picture.
    int64_t needed() const { return (first() + columns - 1) * hop - lead + int64_t(window.size()); }
};

// How a sound of one sampling rate becomes columns. Used from one thread at a time.
class Analysis {
  public:
    // Throws Error if the rate is too low or too high for the settings.
    Analysis(const SoundSpec &settings, int rate);

    int rate() const { return rate_; }
    const std::array<Channel, 3> &channels() const { return channels_; }
    // Number of samples from the beginning of a sound after which there is a picture.
    int64_t needed() const;
    // Write the log-mel values of one column, the lowest band first. `samples`: those of its window.
    void column(const Channel &channel, const float *samples, float *out);

  private:
    double eps_;
    int rate_;
    std::array<Channel, 3> channels_;
    MelFilters filters_; // they include the scale of the power
    PowerSpectrum spectrum_;
    std::vector<double> values_, power_, sums_;
};

} // namespace edgeshift
