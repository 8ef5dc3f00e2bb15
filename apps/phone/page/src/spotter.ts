/** Decides when a gesture is announced. Follows `edgeshift/events/spotter.py`, which explains the event rule. */
import type { Rule } from "./spec";

/** The label for "no gesture" if the rule does not name one. */
const NONE = "none";

export interface Detection {
  label: string;
  score: number;
  /** Time of the frame that completed the event, seconds. */
  timestamp: number;
}

export class Spotter {
  /** Indices of the labels that are never announced, such as the label for "no gesture". */
  private readonly silent: Set<number>;
  private readonly gestures: number[];
  private recent: number[][] = [];
  private logits: number[][] = [];
  private next = 0;
  private kept = 0;
  /** The label that was announced and has not fallen below the threshold since. */
  private held: number | null = null;
  private holdOffEnd = -Infinity;
  private last = -Infinity;

  constructor(
    private readonly rule: Rule,
    private readonly labels: string[],
  ) {
    this.silent = new Set([rule.none ?? NONE, ...rule.silent].map((label) => labels.indexOf(label)));
    this.gestures = labels.map((_, index) => index).filter((index) => !this.silent.has(index));
    this.reset();
  }

  /** Apply the rule to the logits of one frame and its time in seconds. A time before the last one resets the rule. */
  feed(logits: ArrayLike<number>, timestamp: number): Detection | null {
    const { rule } = this;
    if (timestamp < this.last) this.reset();
    this.recent[this.next] = probabilities(logits);
    this.next = (this.next + 1) % rule.window;
    this.last = timestamp;
    const means = columnSums(this.recent, this.labels.length).map((total) => total / rule.window);
    if (rule.memory !== null) return this.feedMemory(logits, means, rule.memory);
    const best = largest(means);
    if (this.held !== null && means[this.held]! < rule.threshold) this.held = null;
    if (this.silent.has(best) || means[best]! < rule.threshold) return null;
    return timestamp < this.holdOffEnd || this.held !== null ? null : this.announce(best, means[best]!);
  }

  /** Start again: the next frame is the first one. */
  reset(): void {
    this.recent = zeros(this.rule.window, this.labels.length);
    this.clearMemory();
    this.next = 0;
    this.held = null;
    this.holdOffEnd = this.last = -Infinity;
  }

  private feedMemory(logits: ArrayLike<number>, means: number[], memory: number): Detection | null {
    const { threshold } = this.rule;
    this.logits[this.kept % memory] = this.gestures.map((index) => logits[index]!);
    this.kept += 1;
    const complete = this.gestures.reduce((total, index) => total + means[index]!, 0);
    if (this.held !== null && complete < threshold) this.held = null;
    if (complete < threshold || this.last < this.holdOffEnd || this.held !== null) return null;
    const count = Math.min(this.kept, memory);
    const shares = probabilities(columnSums(this.logits, this.gestures.length).map((total) => total / count));
    const best = largest(shares);
    const score = complete * shares[best]!;
    if (score < threshold) return null;
    this.clearMemory();
    return this.announce(this.gestures[best]!, score);
  }

  private announce(index: number, score: number): Detection {
    this.held = index;
    this.holdOffEnd = this.last + this.rule.hold_off;
    return { label: this.labels[index]!, score, timestamp: this.last };
  }

  private clearMemory(): void {
    this.logits = zeros(this.rule.memory ?? 0, this.gestures.length);
    this.kept = 0;
  }
}

/** Softmax. */
export function probabilities(logits: ArrayLike<number>): number[] {
  const values = Array.from(logits);
  const most = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - most));
  const total = powers.reduce((sum, power) => sum + power, 0);
  if (!Number.isFinite(total)) throw new Error("the logits are not finite: the network or its states overflowed");
  return powers.map((power) => power / total);
}

/** Return the index of the largest value; the first one if several are equal. */
export function largest(values: ArrayLike<number>): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) if (values[index]! > values[best]!) best = index;
  return best;
}

function columnSums(rows: number[][], columns: number): number[] {
  return Array.from({ length: columns }, (_, index) => rows.reduce((total, row) => total + row[index]!, 0));
}

function zeros(rows: number, columns: number): number[][] {
  return Array.from({ length: rows }, () => new Array<number>(columns).fill(0));
}
