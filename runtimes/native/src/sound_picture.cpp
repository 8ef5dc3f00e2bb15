#include "sound_picture.hpp"

#include <algorithm>
#include <cmath>

namespace edgeshift {
namespace {

// Samples of a long piece that are taken at once, so that a long piece needs no more memory than a short one.
constexpr size_t kPart = 1 << 14;

// A value from 0 to 255 as a whole number, a half upwards.
uint8_t pixel_of(double value) {
    if (!(value > 0)) // also of NaN
        return 0;
    return value >= 255 ? 255 : uint8_t(std::floor(value + 0.5));
}

} // namespace

Resize::Resize(size_t length, size_t size) {
    const double scale = double(length) / double(size), reach = std::max(scale, 1.0);
    const auto begin = [&](double centre) { return std::max(std::floor(centre - reach + 0.5), 0.0); };
    const auto end = [&](double centre) { return std::min(std::floor(centre + reach + 0.5), double(length)); };
    for (size_t i = 0; i < size; i++) {
        const double centre = scale * (double(i) + 0.5);
        taps_ = std::max(taps_, size_t(end(centre) - begin(centre)));
    }
    for (size_t i = 0; i < size; i++) {
        const double centre = scale * (double(i) + 0.5), last = end(centre);
        double sum = 0;
        for (size_t tap = 0; tap < taps_; tap++) {
            const double place = begin(centre) + double(tap);
            const double weight = std::max(1 - std::abs(place + 0.5 - centre) / reach, 0.0);
            places_.push_back(std::min(size_t(place), length - 1));
            weights_.push_back(place < last ? weight : 0);
            sum += weights_.back();
        }
        for (size_t tap = 0; tap < taps_; tap++)
            weights_[i * taps_ + tap] /= sum;
    }
}

PictureStream::PictureStream(const SoundSpec &settings, int rate, int size)
    : low_(settings.low), scale_(255 / (settings.high - settings.low)), size_(size_t(size)),
      bands_(size_t(settings.bands)), analysis_(settings, rate), needed_(analysis_.needed()), column_(bands_),
      upwards_(bands_, size_) {
    for (const Channel &channel : analysis_.channels())
        across_.emplace_back(size_t(channel.columns), size_);
    reset();
}

void PictureStream::reset() {
    heard_ = 0;
    kept_.clear();
    for (size_t channel = 0; channel < newest_.size(); channel++) {
        newest_[channel].values.clear();
        newest_[channel].oldest = 0;
        newest_[channel].next = analysis_.channels()[channel].first();
    }
}

void PictureStream::feed(const float *samples, size_t count) {
    for (size_t at = 0; at < count; at += kPart)
        feed_part(samples + at, std::min(kPart, count - at));
}

void PictureStream::feed_part(const float *samples, size_t count) {
    const int64_t begin = heard_ - int64_t(kept_.size()); // number of the first kept sample
    kept_.insert(kept_.end(), samples, samples + count);
    heard_ += int64_t(count);
    int64_t needed = heard_; // number of the first sample that is still needed
    for (size_t index = 0; index < newest_.size(); index++) {
        const Channel &channel = analysis_.channels()[index];
        int64_t &next = newest_[index].next;
        for (const int64_t end = channel.complete(heard_); next < end; next++)
            keep(index, &kept_[size_t(next * channel.hop - channel.lead - begin)]);
        needed = std::min(needed, next * channel.hop - channel.lead);
    }
    kept_.erase(kept_.begin(), kept_.begin() + std::ptrdiff_t(std::max<int64_t>(needed - begin, 0)));
}

void PictureStream::keep(size_t channel, const float *samples) {
    const Channel &of = analysis_.channels()[channel];
    analysis_.column(of, samples, column_.data());
    Newest &newest = newest_[channel];
    if (newest.values.size() < size_t(of.columns) * bands_) {
        newest.values.insert(newest.values.end(), column_.begin(), column_.end());
        return;
    }
    std::copy(column_.begin(), column_.end(), newest.values.begin() + std::ptrdiff_t(newest.oldest * bands_));
    newest.oldest = (newest.oldest + 1) % size_t(of.columns);
}

std::vector<float> PictureStream::columns(size_t channel) const {
    const Newest &newest = newest_[channel];
    std::vector<float> columns = newest.values;
    std::rotate(columns.begin(), columns.begin() + std::ptrdiff_t(newest.oldest * bands_), columns.end());
    return columns;
}

void PictureStream::write(uint8_t *out) const {
    std::vector<double> resized(size_ * bands_); // in time: [size, bands]
    for (size_t channel = 0; channel < newest_.size(); channel++) {
        const std::vector<float> newest = columns(channel);
        const std::vector<double> values(newest.begin(), newest.end());
        for (size_t x = 0; x < size_; x++)
            for (size_t band = 0; band < bands_; band++)
                resized[x * bands_ + band] = across_[channel].at(x, &values[band], bands_);
        for (size_t y = 0; y < size_; y++)
            for (size_t x = 0; x < size_; x++) {
                const double *column = &resized[x * bands_];
                const double value = bands_ == size_ ? column[y] : upwards_.at(y, column, 1);
                out[3 * (y * size_ + x) + channel] = pixel_of((value - low_) * scale_);
            }
    }
}

} // namespace edgeshift
