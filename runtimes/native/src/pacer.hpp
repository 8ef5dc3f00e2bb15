// The pace of a stream: which frames are due. Python's edgeshift/video/pace.py is the same.
#pragma once

namespace edgeshift {

// Throw Error if the time of a frame is not a number of seconds between -2^53 and 2^53.
void require_time(double timestamp);

// Due is the first frame at or after every multiple of `spacing` seconds. The multiples count from the first frame, so
// the pace does not drift. After a gap, one frame is due. If the time jumps back, the pacer starts again.
class Pacer {
  public:
    // spacing: seconds, above 0.
    explicit Pacer(double spacing);
    // Whether the frame with this time in seconds is due. If it is, it counts as processed.
    bool takes(double timestamp);

  private:
    double spacing_, start_, last_;
    double taken_ = -1; // the multiple of the spacing whose frame was taken last
};

} // namespace edgeshift
