/** What page and worker say to each other. */
import type { Choice, Runtime } from "./engine";
import type { Minute, Plan, Timed } from "./loop";
import type { Spec } from "./spec";

export type Order =
  | { kind: "open"; runtime: Runtime; body: Uint8Array; spec: Spec; choice: Choice }
  | { kind: "frame"; pixels: ArrayBuffer; width: number; height: number; timestamp: number }
  | { kind: "reset" }
  | { kind: "check" }
  | { kind: "bench"; frames: Uint8Array; count: number; width: number; height: number; plan: Plan };

export interface Opened {
  kind: "opened";
  accelerator: Choice["accelerator"];
  threads: number;
  precision: string | null;
  whole: boolean;
  runtime: string;
  /** Seconds: the runtime's start; from the graph in memory to a stream that is ready. */
  start: number;
  load: number;
}

export interface Answered {
  kind: "answered";
  index: number;
  score: number;
  logits: Float32Array;
  timestamp: number;
  pre: number;
  infer: number;
  post: number;
  total: number;
  /** The pixels, given back to be filled again. */
  pixels: ArrayBuffer;
}

export interface Checked {
  kind: "checked";
  logits: number[][];
  error: number;
  tolerance: number;
  repeatable: boolean;
}

export interface Measured extends Timed {
  kind: "measured";
  first: number;
  warmup: number;
  warm: boolean;
  /** Microseconds between two readings of the clock that differ. */
  clock: number;
}

export type Reply =
  | Opened
  | Answered
  | Checked
  | Measured
  | { kind: "progress"; done: number; minute: Minute | null; warming: boolean }
  | { kind: "trouble"; message: string };
