#include "mel.hpp"

#include <algorithm>
#include <cmath>

namespace edgeshift {
namespace {

double hertz(double mel) { return 700 * (std::pow(10.0, mel / 2595) - 1); }

} // namespace

void MelFilters::apply(const double *power, double *out) const {
    for (size_t band = 0; band + 1 < starts.size(); band++) {
        double sum = 0;
        for (size_t i = starts[band]; i < starts[band + 1]; i++)
            sum += power[weights[i].bin] * weights[i].weight;
        out[band] = sum;
    }
}

MelFilters mel_filters(int bands, double top, double bin_width, size_t bins, double scale) {
    const double highest = 2595 * std::log10(1 + top / 700), step = highest / (bands + 1);
    const auto corner = [&](int number) { return hertz(number > bands ? highest : step * number); };
    MelFilters filters;
    for (int band = 0; band < bands; band++) {
        const double low = corner(band), middle = corner(band + 1), high = corner(band + 2);
        filters.starts.push_back(filters.weights.size());
        // A rounding error at a corner may move it to the next bin, so one bin more is looked at on each side.
        const double first = std::max(std::floor(low / bin_width) - 1, 0.0);
        for (size_t bin = size_t(first); bin < bins && double(bin) * bin_width <= high + bin_width; bin++) {
            const double frequency = double(bin) * bin_width;
            const double weight =
                std::min((frequency - low) / (middle - low), (high - frequency) / (high - middle));
            if (weight > 0) {
                filters.weights.push_back({bin, weight * scale});
                filters.used = std::max(filters.used, bin + 1);
            }
        }
    }
    filters.starts.push_back(filters.weights.size());
    return filters;
}

} // namespace edgeshift
