// Sums in numpy's order, so that scores are those of Python to the last digits.
#pragma once

#include <cstddef>

namespace edgeshift {

// The sum of a one-dimensional array as numpy computes it: in eight interleaved sums, of blocks of at most 128 values.
double pairwise_sum(const double *values, size_t count);

} // namespace edgeshift
