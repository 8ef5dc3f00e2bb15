#include "fourier.hpp"

#include <algorithm>
#include <cmath>

namespace edgeshift {
namespace {

constexpr double kPi = 3.14159265358979323846;
// Largest prime factor that is transformed directly, which needs as many steps for each value.
constexpr size_t kLargestFactor = 61;

Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
Complex operator*(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
Complex conjugate(Complex a) { return {a.re, -a.im}; }
// The value times -i.
Complex turned(Complex a) { return {a.im, -a.re}; }

// exp(-2 pi i k / length) for k from 0 to `count` - 1.
std::vector<Complex> unit_roots(size_t length, size_t count) {
    std::vector<Complex> roots(count);
    for (size_t k = 0; k < count; k++) {
        const double angle = 2 * kPi * double(k) / double(length);
        roots[k] = {std::cos(angle), -std::sin(angle)};
    }
    return roots;
}

// The factors of a length: 4 as often as possible, then primes. Empty if a prime is too large.
std::vector<size_t> factors_of(size_t length) {
    std::vector<size_t> factors;
    for (; length % 4 == 0; length /= 4)
        factors.push_back(4);
    for (size_t prime = 2; length > 1; prime++) {
        if (prime > kLargestFactor)
            return {};
        for (; length % prime == 0; length /= prime)
            factors.push_back(prime);
    }
    return factors;
}

} // namespace

ComplexFourier::ComplexFourier(size_t length) : length_(length), factors_(factors_of(length)) {
    if (!factors_.empty() || length == 1) {
        roots_ = unit_roots(length, length);
        scratch_.resize(length);
        return;
    }
    size_t longer = 1;
    while (longer < 2 * length - 1)
        longer *= 2;
    inner_ = std::make_unique<ComplexFourier>(longer);
    const std::vector<Complex> roots = unit_roots(2 * length, 2 * length);
    chirp_.resize(length);
    filter_.resize(longer);
    for (size_t k = 0; k < length; k++) {
        chirp_[k] = roots[k * k % (2 * length)];
        filter_[k] = conjugate(chirp_[k]);
        if (k > 0)
            filter_[longer - k] = filter_[k];
    }
    inner_->run(filter_.data());
    scratch_.resize(longer);
}

void ComplexFourier::run(Complex *values) { inner_ ? run_convolution(values) : run_factors(values); }

// Each factor r turns transforms of length n into r transforms of length n / r, which stand in turns, `stride` apart.
void ComplexFourier::run_factors(Complex *values) {
    Complex *from = values, *to = scratch_.data();
    size_t stride = 1, n = length_;
    for (const size_t factor : factors_) {
        const size_t part = n / factor, turn = length_ / factor;
        for (size_t p = 0; p < part; p++)
            for (size_t q = 0; q < stride; q++) {
                const Complex *in = from + q + stride * p;
                Complex *out = to + q + stride * factor * p;
                const size_t step = stride * part, twist = p * stride;
                if (factor == 2) {
                    const Complex a = in[0], b = in[step];
                    out[0] = a + b;
                    out[stride] = roots_[twist] * (a - b);
                } else if (factor == 4) {
                    const Complex a = in[0], b = in[step], c = in[2 * step], d = in[3 * step];
                    const Complex even = a + c, odd = b + d, left = a - c, right = turned(b - d);
                    out[0] = even + odd;
                    out[stride] = roots_[twist] * (left + right);
                    out[2 * stride] = roots_[2 * twist] * (even - odd);
                    out[3 * stride] = roots_[3 * twist] * (left - right);
                } else {
                    for (size_t u = 0; u < factor; u++) {
                        Complex sum = in[0];
                        for (size_t t = 1, k = u; t < factor; t++, k = k + u < factor ? k + u : k + u - factor)
                            sum = sum + roots_[k * turn] * in[t * step];
                        out[u * stride] = roots_[u * twist] * sum;
                    }
                }
            }
        std::swap(from, to);
        stride *= factor;
        n = part;
    }
    if (from != values)
        std::copy(from, from + length_, values);
}

void ComplexFourier::run_convolution(Complex *values) {
    std::fill(scratch_.begin(), scratch_.end(), Complex());
    for (size_t k = 0; k < length_; k++)
        scratch_[k] = values[k] * chirp_[k];
    inner_->run(scratch_.data());
    // The inverse transform is the conjugate of the transform of the conjugate, divided by the length.
    for (size_t k = 0; k < scratch_.size(); k++)
        scratch_[k] = conjugate(scratch_[k] * filter_[k]);
    inner_->run(scratch_.data());
    const double scale = 1 / double(scratch_.size());
    for (size_t k = 0; k < length_; k++) {
        const Complex sum = conjugate(scratch_[k]);
        values[k] = chirp_[k] * Complex{sum.re * scale, sum.im * scale};
    }
}

PowerSpectrum::PowerSpectrum(size_t length)
    : length_(length), half_(length % 2 == 0 ? length / 2 : length), values_(half_), transform_(half_) {
    if (half_ != length_)
        roots_ = unit_roots(length, half_ + 1);
}

// Of an even length, the even and odd numbers are the real and imaginary parts of one transform of half the length.
void PowerSpectrum::run(const double *values, size_t bins, double *out) {
    const bool even = half_ != length_;
    for (size_t k = 0; k < half_; k++)
        values_[k] = even ? Complex{values[2 * k], values[2 * k + 1]} : Complex{values[k], 0};
    transform_.run(values_.data());
    for (size_t k = 0; k < bins; k++) {
        Complex bin = values_[k % half_];
        if (even) {
            const Complex other = conjugate(values_[(half_ - k) % half_]);
            const Complex sum = bin + other, difference = turned(roots_[k] * (bin - other));
            bin = {(sum.re + difference.re) / 2, (sum.im + difference.im) / 2};
        }
        out[k] = bin.re * bin.re + bin.im * bin.im;
    }
}

} // namespace edgeshift
