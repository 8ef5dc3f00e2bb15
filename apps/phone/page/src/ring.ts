/** Keeps the last frames for a clip artifact, and gives them as a clip at every hop, as `ClipStream` does in
 * `edgeshift/stream/clip_stream.py`. */
import type { Spec } from "./spec";

export class Ring {
  /** The fitted frames. Frame `n` of the stream, counted from 0, is at position `n % length`. */
  private readonly frames: Float32Array;
  /** The input of the graph: the frames in order, the oldest first. */
  private readonly clip: Float32Array;
  private count = 0;

  /** `size`: number of values of a frame; `length`: frames of a clip; `hop`: frames from one answer to the next. */
  constructor(
    private readonly size: number,
    private readonly length: number,
    private readonly hop: number,
  ) {
    this.frames = new Float32Array(size * length);
    this.clip = new Float32Array(size * length);
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

/** Return the number of frames that the graph takes in one run: 1 for a stream artifact, T for a clip artifact. */
export function clipLength(spec: Pick<Spec, "input">): number {
  return spec.input.shape[0]!;
}
