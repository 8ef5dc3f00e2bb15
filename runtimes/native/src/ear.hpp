// Takes the samples of a microphone, and says whether there is a sound that a network can answer to. Python's
// edgeshift/stream/ear.py is the same, and explains the rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "description.hpp"
#include "prediction.hpp"
#include "sound_picture.hpp"

namespace edgeshift {

// The samples of one microphone. Used from one thread at a time.
class Ear {
  public:
    // size: height and width of the picture of the sound, pixels.
    Ear(const SoundSpec &settings, int size) : settings_(settings), size_(size) {}

    // Forget all samples.
    void deafen();
    // Take the next samples, mono and within -1 to 1. timestamp: seconds, of the first sample. rate: samples per second.
    // A piece without samples changes nothing: the sound becomes late as if the piece had not been given.
    // Throws Error if the rate does not fit the settings, a sample is not a finite number, or the time is not possible.
    // Then nothing is changed.
    void hear(const float *samples, size_t count, double timestamp, int rate);
    // Whether there is a sound for a frame at a time in seconds, or why not. NaN: the frame of the newest sample.
    Hearing hearing(double timestamp) const;
    // Time after the newest sample, seconds. There must be one.
    double end() const { return end_; }
    // Write the picture of the newest seconds, size x size x 3 bytes. `hearing` must be Hearing::heard.
    void write_picture(uint8_t *out) const { stream_->write(out); }

  private:
    // Samples of a piece, and how many of them are clipped.
    struct Piece {
        double end; // seconds
        size_t samples, clipped;
    };
    void begin_again();
    size_t after_silence(const float *samples, size_t count, int rate);

    SoundSpec settings_;
    int size_;
    std::unique_ptr<PictureStream> stream_; // nullptr: no samples were given
    double end_ = 0;
    float last_ = 0;      // the newest value
    int64_t run_ = 0;     // how many samples it has lasted
    std::deque<Piece> loud_;
};

} // namespace edgeshift
