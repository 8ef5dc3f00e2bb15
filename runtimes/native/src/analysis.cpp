#include "analysis.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "error.hpp"
#include "text.hpp"

namespace edgeshift {
namespace {

constexpr double kPi = 3.14159265358979323846;

// Number of samples of a duration: the nearest whole number, a half upwards.
int64_t samples_of(double seconds, int rate) { return int64_t(std::floor(seconds * rate + 0.5)); }

int checked_rate(const SoundSpec &settings, int rate) {
    const std::string refused = std::string(rate < 0 ? "a sound of -" : "a sound of ") + grouped(uint64_t(std::abs(int64_t(rate)))) +
                                " samples per second cannot be used: ";
    if (rate < least_rate(settings))
        throw bad_argument(refused + "the network needs " + grouped(uint64_t(least_rate(settings))) + " to " +
                           grouped(kMaxRate) + ", because it uses frequencies up to " + short_number(settings.top) +
                           " Hz; record with a higher rate, or resample the sound");
    if (rate > kMaxRate)
        throw bad_argument(refused + "the highest rate is " + grouped(kMaxRate));
    return rate;
}

size_t transform_of(const SoundSpec &settings, int rate) { return size_t(samples_of(settings.transform, rate)); }

MelFilters filters_of(const SoundSpec &settings, int rate) {
    const size_t transform = transform_of(settings, rate);
    const double ratio = double(settings.rate) / rate;
    return mel_filters(settings.bands, settings.top, double(rate) / double(transform), transform / 2 + 1,
                       ratio * ratio);
}

Channel channel_of(const SoundSpec &settings, int rate, size_t index) {
    const int64_t transform = int64_t(transform_of(settings, rate));
    const int64_t length = std::min(samples_of(settings.windows[index], rate), transform);
    Channel channel;
    for (int64_t i = 0; i < length; i++)
        channel.window.push_back(0.5 - 0.5 * std::cos(2 * kPi / double(length) * double(i)));
    channel.hop = samples_of(settings.hops[index], rate);
    // The window is centred in the transform, as torch.stft places it.
    channel.lead = transform / 2 - (transform - length) / 2;
    channel.columns = columns_of(settings, index);
    return channel;
}

} // namespace

int least_rate(const SoundSpec &settings) { return std::max(int(std::ceil(2 * settings.top)), kMinRate); }

int64_t columns_of(const SoundSpec &settings, size_t channel) {
    return int64_t(std::floor(settings.seconds / settings.hops[channel] + 0.5));
}

int64_t Channel::complete(int64_t samples) const {
    const int64_t rest = samples + lead - int64_t(window.size());
    return rest < 0 ? first() : std::max(rest / hop + 1, first());
}

Analysis::Analysis(const SoundSpec &settings, int rate)
    : eps_(settings.eps), rate_(checked_rate(settings, rate)),
      channels_{channel_of(settings, rate, 0), channel_of(settings, rate, 1), channel_of(settings, rate, 2)},
      filters_(filters_of(settings, rate)), spectrum_(transform_of(settings, rate)),
      values_(transform_of(settings, rate)), power_(filters_.used), sums_(size_t(settings.bands)) {}

int64_t Analysis::needed() const {
    return std::max({channels_[0].needed(), channels_[1].needed(), channels_[2].needed()});
}

void Analysis::column(const Channel &channel, const float *samples, float *out) {
    // The transform has zeros on both sides of a window. Where they are does not change the power.
    for (size_t i = 0; i < channel.window.size(); i++)
        values_[i] = double(samples[i]) * channel.window[i];
    std::fill(values_.begin() + std::ptrdiff_t(channel.window.size()), values_.end(), 0.0);
    spectrum_.run(values_.data(), power_.size(), power_.data());
    filters_.apply(power_.data(), sums_.data());
    for (size_t band = 0; band < sums_.size(); band++)
        out[band] = float(std::log(sums_[band] + eps_));
}

} // namespace edgeshift
