/** The description of an artifact: the fields of `edgeshift/artifact/spec.py` that the page uses. */

import { readSettings, type SoundSettings } from "./sound/settings";

export interface TensorSpec {
  name: string;
  shape: number[];
  dtype: string;
  /** The value that fills a state before the first frame. */
  start: number;
}

export interface FrameSpec {
  height: number;
  width: number;
  fit: "squash" | "crop";
  short_side: number | null;
  order: "rgb" | "bgr";
}

/** The event rule. */
export interface Rule {
  window: number;
  threshold: number;
  hold_off: number;
  none: string | null;
  memory: number | null;
  /** More labels that are never announced. */
  silent: string[];
}

export interface Spec {
  precision: "fp32" | "fp16" | "int8";
  frame: FrameSpec;
  input: TensorSpec;
  output: TensorSpec;
  states: TensorSpec[];
  /** For a clip artifact: frames from one answer to the next; null: the graph takes one frame and the states. */
  hop: number | null;
  labels: string[];
  weights: { trained: boolean };
  /** What everybody who uses the model must know. */
  notes: string[];
  /** Limits of the comparison with the original that the artifact does not keep. */
  problems: string[];
  /** Seconds between the frames that the network was trained on. */
  frame_spacing: number | null;
  rule: Rule | null;
  /** The settings of the network's sound segment; null: the network takes frames only. */
  sound: SoundSettings | null;
  /** Logits of a quiet room, which take the place of those of a sound that cannot be used; null: nothing does. */
  quiet: number[] | null;
  body_bytes: number;
  check: CheckSpec | null;
}

/** The self-check of an artifact, as in `edgeshift/artifact/spec.py`. */
export interface CheckSpec {
  seed: number;
  logits: number[][];
  /** Expected values of each state after the last frame. */
  states: Record<string, number[]>;
  reference: "artifact" | "original";
  /** Descriptions of version 1: the largest difference of a logit that is allowed. */
  tolerance: number | null;
}

/** The versions of descriptions that this page reads. */
const VERSIONS = [1, 2];

/**
 * Read a description from JSON, and fill in defaults, which are left out of the file. `edgeshift phone` has checked the
 * description already; the checks here fail only if the page and the command have different versions.
 */
export function readSpec(text: string): Spec {
  const given = JSON.parse(text) as Partial<Spec> & {
    version?: number; state_form?: string; model?: { sound?: Partial<SoundSettings> | null };
  };
  if (!VERSIONS.includes(given.version ?? 0)) {
    throw new Error(`the description has version ${given.version}, and this page reads versions ${VERSIONS.join(", ")}`);
  }
  const { frame, input, output, states, labels } = given;
  if (!frame || !input || !output || !states || !labels) throw new Error("the description is incomplete");
  if ((given.state_form ?? "io") !== "io") throw new Error("the states are not inputs and outputs");
  const other = [input, output, ...states].find((tensor) => tensor.dtype !== "float32");
  if (other) throw new Error(`${other.name} is ${other.dtype}, and browsers take float tensors only`);
  const sound = given.model?.sound ? readSettings(given.model.sound) : null;
  return {
    precision: given.precision ?? "fp32",
    frame: { ...frame, fit: frame.fit ?? "squash", short_side: frame.short_side ?? null, order: frame.order ?? "rgb" },
    input,
    output,
    states: states.map((state) => ({ ...state, start: state.start ?? 0 })),
    hop: given.hop ?? null,
    labels,
    weights: { trained: given.weights?.trained ?? true },
    notes: given.notes ?? [],
    problems: given.problems ?? [],
    frame_spacing: given.frame_spacing ?? null,
    rule: given.rule ? { ...{ hold_off: 0, none: null, memory: null, silent: [] }, ...given.rule } : null,
    sound,
    quiet: given.quiet ?? null,
    body_bytes: given.body_bytes ?? 0,
    check: given.check ? { ...{ states: {}, reference: "artifact", tolerance: null }, ...given.check } : null,
  };
}
