/** Seconds by which a frame may come early: clocks of cameras are coarse. */
const TOLERANCE = 0.001;

/** Takes the first frame at or after every multiple of `spacing` seconds (`edgeshift.video.clips.Pacer`). */
export class Pacer {
  private start = -Infinity;
  private last = -Infinity;
  private due = 0;

  constructor(readonly spacing: number) {}

  /** Whether the frame of this time (seconds) is one to process. */
  takes(timestamp: number): boolean {
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
