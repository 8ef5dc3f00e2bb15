/** The messages between the page and its worker. */
import type { Backend, Runtime } from "./engine";
import type { MinutePoint, TimingPlan, Timings } from "./loop";
import type { Spec } from "./spec";
import type { Picture } from "./stream";

export type WorkerRequest =
  | { kind: "load"; runtime: Runtime; graph: Uint8Array; spec: Spec; backend: Backend }
  | { kind: "frame"; picture: Picture; timestamp: number }
  | { kind: "hear"; samples: Float32Array; timestamp: number; rate: number }
  | { kind: "deafen" }
  | { kind: "reset" }
  | { kind: "check" }
  | { kind: "clip"; frames: Frames }
  | { kind: "measure"; frames: Frames; plan: TimingPlan };

/** The worker answers each request but "hear", "deafen" and "reset" with a reply of the same kind, or with an error. */
export type WorkerReply =
  | { kind: "load" | "frame" | "check" | "clip" | "measure"; result: unknown }
  | { kind: "progress"; done: number; minute: MinutePoint | null; warming: boolean }
  | { kind: "error"; message: string };

/** The frames for timing: `count` RGB pictures, one after the other in `data`. */
export interface Frames {
  data: Uint8Array;
  count: number;
  width: number;
  height: number;
}

/** What runs the graph, after it was loaded. */
export interface Loaded extends Backend {
  precision: string | null;
  /** Whether the accelerator runs the whole graph. */
  whole: boolean;
  runtime: string;
  /** Seconds to start the runtime, and from the graph in memory to a stream that is ready. */
  start: number;
  load: number;
}

/** One repeat of a measurement. */
export interface Measurement extends Timings {
  /** Seconds of the first step. */
  first: number;
  warmup: number;
  warm: boolean;
  /** Resolution of the clock, microseconds. */
  clock: number;
}
