// The discrete Fourier transform of real numbers, of any length.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace edgeshift {

struct Complex {
    double re = 0, im = 0;
};

// The transform of `length` complex numbers. Lengths with small prime factors are split into them (Stockham's form of the
// fast transform). Others become a convolution of a length that is a power of two (Bluestein). Used from one thread at a
// time.
class ComplexFourier {
  public:
    explicit ComplexFourier(size_t length); // at least 1
    // Replace the values, `length` of them, by their transform: X_k is the sum of x_j exp(-2 pi i j k / length).
    void run(Complex *values);

  private:
    void run_factors(Complex *values);
    void run_convolution(Complex *values);

    size_t length_;
    std::vector<size_t> factors_; // empty: Bluestein's convolution, or a length of 1
    std::vector<Complex> roots_;  // exp(-2 pi i k / length)
    std::vector<Complex> scratch_;
    // Of the convolution: exp(-pi i k^2 / length), the transform of the conjugates, and the transform that is used.
    std::vector<Complex> chirp_, filter_;
    std::unique_ptr<ComplexFourier> inner_;
};

// The powers of a transform of real numbers. Used from one thread at a time.
class PowerSpectrum {
  public:
    explicit PowerSpectrum(size_t length); // at least 1
    // Write |X_k|^2 for k from 0 to `bins` - 1, at most length / 2 + 1 of them. `values`: `length` numbers.
    void run(const double *values, size_t bins, double *out);

  private:
    size_t length_, half_;        // half_: length of the complex transform
    std::vector<Complex> roots_;  // exp(-2 pi i k / length), of an even length
    std::vector<Complex> values_;
    ComplexFourier transform_;
};

} // namespace edgeshift
