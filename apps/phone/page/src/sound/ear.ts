/** Says whether there is a sound that a network can answer to, as `Ear` in `edgeshift/stream/ear.py`. */
import { PictureStream, type SoundPicture } from "./picture";
import type { SoundSettings } from "./settings";

/** "heard": the sound is used. The other values say why it is not; docs/guide/sound.md explains them. */
export type Hearing = "heard" | "deaf" | "waiting" | "late" | "silent" | "clipped";

/** Largest difference in seconds between the time of a piece and the end of the piece before it. More is a gap. */
const GAP = 0.03;
/** Largest age of the newest sample at the time of a frame, seconds. */
const LATE = 0.5;
/** Seconds of one and the same value after which the microphone counts as silent. */
const SILENT = 0.05;
/** Values from which a sample counts as clipped, and the share of them from which a sound is not used. */
const [CLIPPED, CLIPPED_SHARE] = [0.999, 0.02];
/** Most pieces that are remembered. They bound the memory if all pieces have one timestamp. */
const MOST_PIECES = 1 << 16;
/** Largest time, seconds: above it, a number no longer tells one second from the next. */
const MAX_TIME = 2 ** 53;

export class Ear {
  /** Time after the newest sample, seconds; null: there is none. */
  end: number | null = null;
  private stream: PictureStream | null = null;
  /** The newest value, and how many samples it has lasted. */
  private last = 0;
  private run = 0;
  private loud: { end: number; samples: number; clipped: number }[] = [];

  /** `size`: height and width of the picture of the sound. */
  constructor(
    private readonly settings: SoundSettings,
    private readonly size: number,
  ) {}

  /** Forget all samples. */
  deafen(): void {
    this.stream = this.end = null;
    this.last = this.run = 0;
    this.loud = [];
  }

  /**
   * Take the next samples: mono, from -1 to 1; the time of the first one in seconds, on the clock of the frames; and the
   * samples per second. A piece without samples changes nothing: the sound becomes late as if it had not been given.
   * Throws an error, and takes none of the samples, if the rate does not fit or a sample is not finite.
   */
  hear(samples: Float32Array, timestamp: number, rate: number): void {
    if (!(Math.abs(timestamp) <= MAX_TIME)) throw new Error(`a timestamp of ${timestamp} is not a time in seconds`);
    if (!samples.every(Number.isFinite)) throw new Error("the sound contains values that are not finite numbers");
    if (samples.length === 0) return;
    if (this.stream?.rate !== rate) {
      const stream = new PictureStream(this.settings, rate, this.size); // first, because it refuses some rates
      this.deafen();
      this.stream = stream;
    } else if (this.end !== null && Math.abs(timestamp - this.end) > GAP) this.beginAgain();
    this.end = timestamp + samples.length / rate;
    const after = this.silenceEnds(samples, rate);
    if (after !== null) this.beginAgain();
    const sound = samples.subarray(after ?? 0);
    if (sound.length === 0) return;
    this.stream!.feed(sound);
    let clipped = 0;
    for (const sample of sound) if (Math.abs(sample) >= Math.fround(CLIPPED)) clipped += 1;
    this.loud.push({ end: this.end, samples: sound.length, clipped });
    while (this.loud[0]!.end < this.end - this.settings.seconds || this.loud.length > MOST_PIECES) this.loud.shift();
  }

  /** Say whether there is a sound for a frame. `timestamp`: the frame's time in seconds; null: that of the newest sample. */
  hearing(timestamp: number | null): Hearing {
    if (this.stream === null || this.end === null) return "deaf";
    if (timestamp !== null && timestamp - this.end > LATE) return "late";
    if (this.run >= SILENT * this.stream.rate) return "silent";
    if (this.stream.missing > 0) return "waiting";
    const sum = (part: "samples" | "clipped") => this.loud.reduce((total, piece) => total + piece[part], 0);
    return sum("clipped") > CLIPPED_SHARE * sum("samples") ? "clipped" : "heard";
  }

  /** Return the picture of the newest seconds. Call it only if `hearing` returns "heard". */
  picture(): SoundPicture {
    const picture = this.stream?.picture();
    if (!picture) throw new Error("there is no picture of a sound yet: not enough samples were given");
    return picture;
  }

  /** Forget the samples before a gap. */
  private beginAgain(): void {
    this.stream!.reset();
    this.loud = [];
  }

  /** Return the index of the sample after the last silence, which counts as a gap; null: the piece has none. */
  private silenceEnds(sound: Float32Array, rate: number): number | null {
    let end: number | null = null;
    for (let index = 0; index < sound.length; index++) {
      if (sound[index] === this.last) {
        this.run += 1;
        continue;
      }
      if (this.run >= SILENT * rate) end = index;
      this.last = sound[index]!;
      this.run = 1;
    }
    return this.run >= SILENT * rate ? sound.length : end;
  }
}
