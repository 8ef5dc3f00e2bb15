/** What an artifact says of itself: the fields of `edgeshift/artifact/spec.py` that a page needs. */

export interface Tensor {
  name: string;
  shape: number[];
  dtype: string;
  start: number;
}

export interface Fit {
  height: number;
  width: number;
  fit: "squash" | "crop";
  short_side: number | null;
  order: "rgb" | "bgr";
}

export interface Rule {
  window: number;
  threshold: number;
  hold_off: number;
  none: string | null;
  memory: number | null;
}

export interface Check {
  seed: number;
  logits: number[][];
  tolerance: number;
}

export interface Spec {
  precision: "fp32" | "fp16" | "int8";
  model: { name: string };
  frame: Fit;
  input: Tensor;
  output: Tensor;
  states: Tensor[];
  labels: string[];
  weights: { trained: boolean };
  frame_spacing: number | null;
  rule: Rule | null;
  body_bytes: number;
  body_sha256: string;
  check: Check | null;
}

/** The format that this page reads, and the label of no gesture where a rule does not name one. */
const VERSION = 1;
const NONE = "none";

/** What is wrong with an artifact, in words for whoever holds the phone. */
export class ArtifactError extends Error {}

/**
 * Read a description. What `edgeshift phone` serves was checked by it: this only catches a page and a command of
 * different versions, and fills in what encoders leave out.
 */
export function readSpec(text: string): Spec {
  const given = JSON.parse(text) as Partial<Spec> & { version?: number; state_form?: string };
  if (given.version !== VERSION) throw new ArtifactError(`its description has version ${given.version}, not ${VERSION}`);
  const { frame, input, output, states, labels, model } = given;
  if (!frame || !input || !output || !states || !labels || !model) throw new ArtifactError("its description is cut short");
  if ((given.state_form ?? "io") !== "io") throw new ArtifactError("its states are not inputs and outputs");
  const other = [input, output, ...states].find((tensor) => tensor.dtype !== "float32");
  if (other) throw new ArtifactError(`${other.name} is ${other.dtype}: browsers take float tensors only`);
  const rule = given.rule ?? null;
  return {
    precision: given.precision ?? "fp32",
    model,
    frame: { ...frame, fit: frame.fit ?? "squash", short_side: frame.short_side ?? null, order: frame.order ?? "rgb" },
    input,
    output,
    states: states.map((state) => ({ ...state, start: state.start ?? 0 })),
    labels,
    weights: { trained: given.weights?.trained ?? true },
    frame_spacing: given.frame_spacing ?? null,
    rule: rule && { ...rule, hold_off: rule.hold_off ?? 0, none: rule.none ?? null, memory: rule.memory ?? null },
    body_bytes: given.body_bytes ?? 0,
    body_sha256: given.body_sha256 ?? "",
    check: given.check ?? null,
  };
}

/** The index of the label that is no gesture; null: all are. */
export function idleLabel(rule: Rule | null, labels: string[]): number | null {
  const index = labels.indexOf(rule?.none ?? NONE);
  return index < 0 ? null : index;
}
