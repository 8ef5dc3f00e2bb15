/** Seconds by which a frame may be early, because clocks of cameras are coarse. */
const TOLERANCE = 0.001;

/** Selects the frames that are due. Follows `Pacer` in `edgeshift/video/clips.py`. */
export class Pacer {
  private start = -Infinity;
  private last = -Infinity;
  private due = 0;

  /** `spacing`: seconds between two frames that the network processes. */
  constructor(private readonly spacing: number) {}

  /** Whether the frame of this time (seconds) is due: the first one at or after a multiple of `spacing`. */
  isDue(timestamp: number): boolean {
    if (this.last === -Infinity || timestamp < this.last) {
      this.start = timestamp;
      this.due = 0;
    }
    this.last = timestamp;
    const passed = Math.floor((timestamp - this.start + TOLERANCE) / this.spacing);
    if (passed < this.due) return false;
    this.due = passed + 1;
    return true;
  }
}
