#include "ear.hpp"

#include <cmath>
#include <utility>

#include "error.hpp"
#include "pacer.hpp"

namespace edgeshift {
namespace {

// The numbers of Python's ear.py: seconds, the value of a clipped sample, and a share of the samples.
constexpr double kGap = 0.03, kLate = 0.5, kSilent = 0.05, kClippedShare = 0.02;
constexpr float kClipped = 0.999f;
// Most pieces that are remembered. They bound the memory if an app gives every sample alone.
constexpr size_t kMostPieces = 1 << 16;

} // namespace

void Ear::deafen() {
    stream_.reset();
    end_ = 0;
    last_ = 0;
    run_ = 0;
    loud_.clear();
}

void Ear::hear(const float *samples, size_t count, double timestamp, int rate) {
    require_time(timestamp);
    for (size_t i = 0; i < count; i++)
        if (!std::isfinite(samples[i]))
            throw bad_argument("the sound contains values that are not finite numbers: give samples from -1 to 1");
    if (count == 0)
        return;
    if (!stream_ || stream_->rate() != rate) {
        auto stream = std::make_unique<PictureStream>(settings_, rate, size_); // first, because it refuses some rates
        deafen();
        stream_ = std::move(stream);
    } else if (std::abs(timestamp - end_) > kGap) {
        begin_again();
    }
    end_ = timestamp + double(count) / rate;
    const size_t after = after_silence(samples, count, rate);
    if (after > 0)
        begin_again();
    if (after >= count)
        return;
    stream_->feed(samples + after, count - after);
    Piece piece = {end_, count - after, 0};
    for (size_t i = after; i < count; i++)
        piece.clipped += std::abs(samples[i]) >= kClipped;
    loud_.push_back(piece);
    while (loud_.front().end < end_ - settings_.seconds || loud_.size() > kMostPieces)
        loud_.pop_front();
}

Hearing Ear::hearing(double timestamp) const {
    if (!stream_)
        return Hearing::deaf;
    if (timestamp - end_ > kLate) // not of NaN
        return Hearing::late;
    if (double(run_) >= kSilent * stream_->rate())
        return Hearing::silent;
    if (stream_->missing() > 0)
        return Hearing::waiting;
    size_t samples = 0, clipped = 0;
    for (const Piece &piece : loud_) {
        samples += piece.samples;
        clipped += piece.clipped;
    }
    return double(clipped) > kClippedShare * double(samples) ? Hearing::clipped : Hearing::heard;
}

// Forget the samples before a gap.
void Ear::begin_again() {
    stream_->reset();
    loud_.clear();
}

// The index of the sample after the last silence in a piece; 0: there is none. A silence is many samples with one value,
// and counts as a gap: what comes before it is forgotten.
size_t Ear::after_silence(const float *samples, size_t count, int rate) {
    size_t after = 0;
    for (size_t i = 0; i < count; i++) {
        const bool same = samples[i] == last_;
        if (!same && double(run_) >= kSilent * rate)
            after = i;
        run_ = same ? run_ + 1 : 1;
        last_ = samples[i];
    }
    return double(run_) >= kSilent * rate ? count : after;
}

} // namespace edgeshift
