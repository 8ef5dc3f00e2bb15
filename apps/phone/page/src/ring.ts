/** The last frames of a clip artifact, and when it answers: `ClipStream` in `edgeshift/stream/clip_stream.py`. */
import type { Spec } from "./spec";

export class Ring {
  /** The fitted frames. Frame `n` of the stream is in place `n % length`. */
  private readonly frames: Float32Array;
  /** The frames in order, the oldest one first: the input of the graph. */
  private readonly clip: Float32Array;
  private count = 0;

  /** `size`: values of a frame; `length`: frames of a clip; `hop`: frames from one answer to the next. */
  constructor(
    private readonly size: number,
    private readonly length: number,
    private readonly hop: number,
  ) {
    this.frames = new Float32Array(size * length);
    this.clip = new Float32Array(size * length);
  }

  /** The place to which the next frame is written before `push`. */
  get next(): Float32Array {
    const start = (this.count % this.length) * this.size;
    return this.frames.subarray(start, start + this.size);
  }

  /** Add the frame that was written to `next`. Returns the clip if an answer is due, which is valid until the next call. */
  push(): Float32Array | null {
    this.count += 1;
    const waiting = this.count - this.length;
    if (waiting < 0 || waiting % this.hop !== 0) return null;
    const oldest = (this.count % this.length) * this.size;
    this.clip.set(this.frames.subarray(oldest));
    this.clip.set(this.frames.subarray(0, oldest), this.frames.length - oldest);
    return this.clip;
  }

  /** Forget all frames. */
  reset(): void {
    this.count = 0;
  }
}

/** Return the number of frames that the graph takes at once: 1, or those of a clip. */
export function clipLength(spec: Pick<Spec, "input">): number {
  return spec.input.shape[0]!;
}
