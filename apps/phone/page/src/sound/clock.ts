/**
 * Estimates when samples were recorded from the times at which they arrive, as `apps/camera/microphones/clock.py`, which
 * explains the method: the smallest value of arrival - samples / rate belongs to a piece with hardly any delay.
 */

/** Seconds that the smallest value covers. */
const WINDOW = 10;
/** Largest change of the estimate from one piece to the next, seconds. */
const STEP = 0.01;
/** If every piece of the last `RECENT` seconds is late by more than `LOST` seconds, samples were lost. */
const [RECENT, LOST] = [1, 0.1];

/** The smallest value of the last seconds. */
class Envelope {
  /** Values that increase. */
  private values: { time: number; value: number }[] = [];

  constructor(private readonly seconds: number) {}

  /** Add a value, and return the smallest one. */
  add(time: number, value: number): number {
    const { values } = this;
    while (values.length > 0 && values.at(-1)!.value >= value) values.pop();
    values.push({ time, value });
    while (values[0]!.time < time - this.seconds) values.shift();
    return values[0]!.value;
  }
}

export class SoundClock {
  private count = 0;
  /** Arrival of the first piece. */
  private first: number | null = null;
  /** Estimated time of sample 0. */
  private origin = 0;
  private envelope = new Envelope(WINDOW);
  private recent = new Envelope(RECENT);

  /** `rate`: samples per second. */
  constructor(private readonly rate: number) {}

  /** Forget all pieces, because samples were lost and their number is unknown. */
  restart(): void {
    this.count = 0;
    this.first = null;
    [this.envelope, this.recent] = [new Envelope(WINDOW), new Envelope(RECENT)];
  }

  /**
   * Return the time of the first sample of the next piece, and whether samples were lost before the piece.
   *
   * `count`: number of samples of the piece; `arrival`: time at which the piece arrived, seconds.
   */
  stamp(count: number, arrival: number): { timestamp: number; lost: boolean } {
    const origin = arrival - (this.count + count) / this.rate;
    const [smallest, recent] = [this.envelope.add(arrival, origin), this.recent.add(arrival, origin)];
    if (this.first === null) [this.first, this.origin] = [arrival, origin];
    else if (arrival - this.first > RECENT && recent - smallest > LOST) {
      this.restart();
      return { timestamp: this.stamp(count, arrival).timestamp, lost: true };
    }
    this.origin += Math.min(Math.max(smallest - this.origin, -STEP), STEP);
    const timestamp = this.origin + this.count / this.rate;
    this.count += count;
    return { timestamp, lost: false };
  }
}
