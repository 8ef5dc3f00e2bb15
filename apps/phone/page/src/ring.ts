/** Keeps the last frames for a clip artifact, and gives them as a clip at every hop, as `ClipStream` does in
 * `edgeshift/stream/clip_stream.py`. */
import type { Spec } from "./spec";

/** The frames that were kept since the start, the oldest first, and the number of all frames since the start. */
export interface SavedRing {
  frames: Float32Array;
  count: number;
}

export class Ring {
  /** The fitted frames. Frame `n` of the stream, counted from 0, is at position `n % length`. */
  private readonly frames: Float32Array;
  /** The input of the graph: the frames in order, the oldest first. What follows them is left as it is. */
  private readonly clip: Float32Array;
  private count = 0;

  /**
   * `size`: number of values of a frame; `length`: frames of a clip; `hop`: frames from one answer to the next; `values`:
   * number of values of the graph's input, which begins with the frames.
   */
  constructor(
    private readonly size: number,
    private readonly length: number,
    private readonly hop: number,
    values = size * length,
  ) {
    this.frames = new Float32Array(size * length);
    this.clip = new Float32Array(values);
  }

  /** The memory of the next frame. Write the frame here, then call `push`. */
  get next(): Float32Array {
    const start = (this.count % this.length) * this.size;
    return this.frames.subarray(start, start + this.size);
  }

  /** Add the frame that was written to `next`. Returns the clip if an answer is due, otherwise null. The next `push`
   * may overwrite the clip. */
  push(): Float32Array | null {
    this.count += 1;
    const waiting = this.count - this.length;
    if (waiting < 0 || waiting % this.hop !== 0) return null;
    this.copy(this.clip);
    return this.clip;
  }

  /** Return copies of the frames, from which `restore` continues. */
  save(): SavedRing {
    const frames = new Float32Array(this.frames.length);
    this.copy(frames);
    return { frames: frames.subarray(Math.max(0, this.length - this.count) * this.size), count: this.count };
  }

  restore({ frames, count }: SavedRing): void {
    const first = count - frames.length / this.size;
    for (let index = 0; index * this.size < frames.length; index++) {
      const frame = frames.subarray(index * this.size, (index + 1) * this.size);
      this.frames.set(frame, ((first + index) % this.length) * this.size);
    }
    this.count = count;
  }

  /** Copy all frames to `out`, the oldest first. */
  private copy(out: Float32Array): void {
    const oldest = (this.count % this.length) * this.size;
    out.set(this.frames.subarray(oldest));
    out.set(this.frames.subarray(0, oldest), this.frames.length - oldest);
  }

  /** Forget all frames. */
  reset(): void {
    this.count = 0;
  }
}

/** Return the number of frames that the graph takes in one run: 1 for a stream artifact, T for a clip artifact. */
export function clipLength({ input, hop, sound }: Pick<Spec, "input" | "hop" | "sound">): number {
  return input.shape[0]! - (hop !== null && sound ? 1 : 0); // the picture of a sound follows the frames
}
