/** Runs pictures through the network one after the other, and times each part of a step. */
import type { Engine } from "./engine";
import { Fitter } from "./fit";
import { clipLength, Ring, type SavedRing } from "./ring";
import type { Spec } from "./spec";
import { largest, probabilities } from "./spotter";

/** A picture of RGB (3) or RGBA (4) values from 0 to 255. */
export interface Picture {
  pixels: Uint8Array | Uint8ClampedArray;
  width: number;
  height: number;
  channels: 3 | 4;
}

/** Parts of a step: from the picture to the input tensor, the graph, from the logits to the label, and all together. */
export type Phase = "pre" | "infer" | "post" | "end_to_end";

/** The result of one step, and the time of each part in microseconds. */
export interface Prediction extends Record<Phase, number> {
  index: number;
  score: number;
  logits: Float32Array;
}

/** A copy of a stream's states, and for a clip artifact of its frames. */
export interface SavedStream {
  states: Record<string, Float32Array>;
  ring: SavedRing | null;
}

export class Stream {
  private fitter: Fitter | null = null;
  private readonly tensor: Float32Array;
  /** The last frames of a clip artifact; null for a graph that takes one frame. */
  private readonly ring: Ring | null;

  constructor(
    protected readonly engine: Engine,
    protected readonly spec: Spec,
  ) {
    const size = spec.frame.height * spec.frame.width * 3;
    this.ring = spec.hop === null ? null : new Ring(size, clipLength(spec), spec.hop, spec.input.shape[0]! * size);
    this.tensor = new Float32Array(this.ring ? 0 : size);
  }

  /**
   * Run one picture of any size. Returns null if a clip artifact only keeps it, because no answer is due. Only a stream
   * that hears uses the time of the picture (seconds).
   */
  async step(picture: Picture, timestamp: number | null = null): Promise<Prediction | null> {
    const start = performance.now();
    this.fit(picture, this.ring?.next ?? this.tensor);
    const input = this.ring ? this.ring.push() : this.tensor;
    if (input === null) return null;
    const sound = this.listen(input, timestamp);
    const fitted = performance.now();
    const values = await this.engine.step(input);
    const inferred = performance.now();
    const answer = readout(this.answer(values));
    const end = performance.now();
    return {
      ...answer, ...sound,
      pre: microseconds(fitted - start),
      infer: microseconds(inferred - fitted),
      post: microseconds(end - inferred),
      end_to_end: microseconds(end - start),
    };
  }

  /** Start again: the next picture is the first one. */
  reset(): void {
    this.ring?.reset();
    this.engine.reset();
  }

  /** Return copies of the states, by name. */
  states(): Promise<Record<string, Float32Array>> {
    return this.engine.states();
  }

  /** Return a copy of the states and frames, from which `restore` continues. */
  async save(): Promise<SavedStream> {
    return { states: await this.engine.states(), ring: this.ring?.save() ?? null };
  }

  restore({ states, ring }: SavedStream): void {
    this.engine.setStates(states);
    if (ring) this.ring?.restore(ring);
  }

  /** What runs the graph. */
  get accelerator(): Engine["accelerator"] {
    return this.engine.accelerator;
  }

  /** Prepare the input of the graph for an answer. Returns what a clip artifact that hears adds to the prediction. */
  protected listen(_input: Float32Array, _timestamp: number | null): object {
    return {};
  }

  /** Return the logits of the answer from the output of the graph. */
  protected answer(values: Float32Array): Float32Array {
    return values;
  }

  private fit({ pixels, width, height, channels }: Picture, out: Float32Array): void {
    const { fitter } = this;
    if (fitter?.width !== width || fitter.height !== height || fitter.channels !== channels) {
      this.fitter = new Fitter(this.spec.frame, width, height, channels);
    }
    this.fitter!.fit(pixels, out);
  }
}

/** Return the label with the largest logit, and its probability. */
export function readout(logits: Float32Array): { index: number; score: number; logits: Float32Array } {
  const index = largest(logits);
  return { index, score: probabilities(logits)[index]!, logits };
}

/** Convert milliseconds to microseconds, rounded to tenths, because browsers' clocks are no finer. */
export function microseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1e4) / 10;
}
