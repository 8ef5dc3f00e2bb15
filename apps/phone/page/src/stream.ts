/** One camera's worth of state, and the clock around each part of a step. */
import type { Engine } from "./engine";
import { Fitter } from "./fit";
import { largest, probabilities } from "./rule";
import type { Spec } from "./spec";

/** A picture: RGB (3) or RGBA (4) values from 0 to 255. */
export interface Picture {
  pixels: Uint8Array | Uint8ClampedArray;
  width: number;
  height: number;
  channels: 3 | 4;
}

/** The answer to one frame. Times in microseconds: picture to tensor, states in to states out, logits to label. */
export interface Answer {
  index: number;
  score: number;
  logits: Float32Array;
  pre: number;
  infer: number;
  post: number;
  total: number;
}

export class Stream {
  private fitter: Fitter | null = null;
  private channels = 0;
  private readonly tensor: Float32Array;

  constructor(
    private readonly engine: Engine,
    private readonly spec: Spec,
  ) {
    this.tensor = new Float32Array(spec.frame.height * spec.frame.width * 3);
  }

  /** Feed one picture of any size. */
  async step(picture: Picture): Promise<Answer> {
    const begin = performance.now();
    this.prepare(picture);
    const ready = performance.now();
    const logits = await this.engine.step(this.tensor);
    const ran = performance.now();
    const index = largest(logits);
    const score = probabilities(logits)[index]!;
    const end = performance.now();
    const [pre, infer, post, total] = [ready - begin, ran - ready, end - ran, end - begin].map(micro) as Four;
    return { index, score, logits, pre, infer, post, total };
  }

  /** Forget everything: the next step is the first. */
  reset(): void {
    this.engine.reset();
  }

  private prepare(picture: Picture): void {
    const { width, height, channels } = picture;
    if (this.fitter?.width !== width || this.fitter.height !== height || this.channels !== channels) {
      this.fitter = new Fitter(this.spec.frame, width, height, channels);
      this.channels = channels;
    }
    this.fitter.into(picture.pixels, this.tensor);
  }
}

type Four = [number, number, number, number];

/** Milliseconds to microseconds, in tenths: clocks of browsers are no finer. */
function micro(milliseconds: number): number {
  return Math.round(milliseconds * 1e4) / 10;
}
