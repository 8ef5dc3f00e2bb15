/** The self-check, as in `edgeshift/stream/selfcheck.py`. Its frames are equal to the byte. */
import { randomIntegers } from "./random";
import type { Spec } from "./spec";

/** Number of coloured cells along each side of a frame. */
const CELLS = 14;
/** Largest number of values of a state that are compared, and the distance between two of them. */
const [SAMPLES, STRIDE] = [64, 7919];

/** The largest accepted root mean square errors: of logits, as a share of their range; of a state, in deviations. */
type Bound = [logits: number, states: number];
/** Bounds for results of the artifact itself on the CPU and on the GPU, and of the original network. */
const BOUNDS: Record<"cpu" | "webgpu" | "original", Record<Spec["precision"], Bound>> = {
  cpu: { fp32: [1e-4, 1e-3], fp16: [1e-3, 1e-2], int8: [4e-3, 0.05] },
  webgpu: { fp32: [1e-3, 1e-2], fp16: [1e-2, 5e-2], int8: [2e-2, 0.1] },
  original: { fp32: [1e-3, 1e-2], fp16: [2e-2, 5e-2], int8: [0.1, 0.5] },
};

/**
 * What one run over the frames gave: the logits of each frame, and the states after the last one. If the network has a
 * sound segment, the last row has the logits of the test sound.
 */
export interface CheckRun {
  logits: number[][];
  states: Record<string, Float32Array>;
}

/** The result of a self-check; `SelfCheck` in Python explains the fields. */
export interface CheckResult {
  ok: boolean;
  error: number;
  tolerance: number;
  state_error: number | null;
  state_tolerance: number | null;
  repeatable: boolean;
  logits: number[][];
}

/** Compare two runs with the expected values of an artifact that has a self-check. */
export function compareRuns(
  { precision, check: expected }: Pick<Spec, "precision" | "check">, accelerator: "cpu" | "webgpu",
  first: CheckRun, second: CheckRun,
): CheckResult {
  const { logits: rows, states, reference, tolerance: largestError } = expected!;
  const { logits } = first;
  const repeatable = logits.every((row, frame) => row.every((value, index) => second.logits[frame]![index] === value));
  const errors = logits.flatMap((row, frame) => row.map((value, index) => value - rows[frame]![index]!));
  if (largestError !== null) {
    const error = largest(errors.map(Math.abs));
    const ok = repeatable && error <= largestError;
    return { ok, error, tolerance: largestError, state_error: null, state_tolerance: null, repeatable, logits };
  }
  const [logitBound, stateBound] = BOUNDS[reference === "original" ? "original" : accelerator][precision];
  const all = rows.flat();
  const tolerance = Math.max(logitBound * (Math.max(...all) - Math.min(...all)), 1e-6);
  const error = rootMeanSquare(errors);
  const stateErrors = Object.entries(states).map(([name, values]) => relativeError(sample(first.states[name]!), values));
  const compared = stateErrors.length > 0;
  const stateError = largest(stateErrors);
  return {
    ok: repeatable && error <= tolerance && (!compared || stateError <= stateBound),
    error, tolerance, repeatable, logits,
    state_error: compared ? stateError : null,
    state_tolerance: compared ? stateBound : null,
  };
}

/** Return the values of a state that are compared. */
export function sample(values: Float32Array): number[] {
  const count = Math.min(SAMPLES, values.length);
  return Array.from({ length: count }, (_, index) => values[(index * STRIDE) % values.length]!);
}

/** Return the error in standard deviations of the expected values, which may be constant. */
export function relativeError(values: number[], expected: number[]): number {
  const mean = expected.reduce((a, b) => a + b, 0) / expected.length;
  const deviation = rootMeanSquare(expected.map((value) => value - mean));
  const spread = Math.max(deviation, 0.01 * largest(expected.map(Math.abs)), 1e-6);
  return rootMeanSquare(values.map((value, index) => value - expected[index]!)) / spread;
}

function rootMeanSquare(errors: number[]): number {
  return Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length);
}

/** Return the largest value, or NaN if there is one, because NaN is no match. */
function largest(values: number[]): number {
  return values.some(Number.isNaN) ? NaN : Math.max(0, ...values);
}

/**
 * Make the frames: coarse coloured cells that move one cell to the right per frame.
 *
 * Returns `count` arrays of height * width * 3 values, RGB from 0 to 255.
 */
export function checkFrames(seed: number, count: number, height: number, width: number): Uint8Array[] {
  const random = randomIntegers(seed);
  const columns = CELLS + count;
  const cells = Uint8Array.from({ length: CELLS * columns * 3 }, () => random(0, 256));
  return Array.from({ length: count }, (_, time) => {
    const frame = new Uint8Array(height * width * 3);
    for (let y = 0, place = 0; y < height; y++) {
      const row = Math.floor((y * CELLS) / height) * columns;
      for (let x = 0; x < width; x++, place += 3) {
        const cell = (row + Math.floor((x * CELLS) / width) + count - 1 - time) * 3;
        frame.set(cells.subarray(cell, cell + 3), place);
      }
    }
    return frame;
  });
}
