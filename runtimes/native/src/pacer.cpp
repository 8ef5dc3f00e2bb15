#include "pacer.hpp"

#include <cmath>
#include <limits>
#include <string>

#include "error.hpp"
#include "text.hpp"

namespace edgeshift {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();
// Some containers store whole milliseconds.
constexpr double kClockTolerance = 0.001;
// Above 2^53, a double no longer tells one second from the next.
constexpr double kMaxTime = 9007199254740992.0;

} // namespace

void require_time(double timestamp) {
    if (!(timestamp >= -kMaxTime && timestamp <= kMaxTime)) // also NaN
        throw bad_argument("a timestamp of " + short_number(timestamp) + " is not a time in seconds");
}

Pacer::Pacer(double spacing) : spacing_(spacing), start_(kNever), last_(kNever) {
    if (!(std::isfinite(spacing) && spacing > 0))
        throw bad_argument("the frame spacing is " + short_number(spacing) + " s: give a number of seconds above 0");
}

bool Pacer::takes(double timestamp) {
    if (last_ == kNever || timestamp < last_) {
        start_ = timestamp;
        taken_ = -1;
    }
    last_ = timestamp;
    const double passed = std::floor((timestamp - start_ + kClockTolerance) / spacing_);
    if (passed <= taken_)
        return false;
    taken_ = passed;
    return true;
}

} // namespace edgeshift
