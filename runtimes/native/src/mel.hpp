// Triangular filters on the mel scale. Python's edgeshift/sound/mel.py is the same.
#pragma once

#include <cstddef>
#include <vector>

namespace edgeshift {

// The weights above 0 of all filters, band after band, the lowest band first.
struct MelFilters {
    struct Weight {
        size_t bin; // of the Fourier transform
        double weight;
    };
    std::vector<Weight> weights;
    std::vector<size_t> starts; // of each band its first weight, and the number of all weights; a band may have none
    size_t used = 1;            // number of bins from 0 to the last one that has a weight

    // Write the sum of the weighted powers of each band. `power`: of `used` bins.
    void apply(const double *power, double *out) const;
};

// `bands` filters whose corners are evenly spaced on the mel scale between 0 Hz and `top`. Bin b has the frequency
// b * bin_width, both in Hz. All weights are multiplied by `scale`.
MelFilters mel_filters(int bands, double top, double bin_width, size_t bins, double scale);

} // namespace edgeshift
