/** When answers add up to an event worth announcing: `edgeshift/events/spotter.py`, step by step; the reasons are told there. */
import { idleLabel, type Rule } from "./spec";

export interface Spotted {
  label: string;
  score: number;
  /** Seconds, of the frame that decided it. */
  timestamp: number;
}

/** Announces the events of one stream. */
export class Spotter {
  private readonly idle: number | null;
  private readonly gestures: number[];
  private recent: number[][];
  private logits: number[][];
  private next = 0;
  private kept = 0;
  private held: number | null = null;
  private free = -Infinity;
  private last = -Infinity;

  constructor(
    readonly rule: Rule,
    readonly labels: string[],
  ) {
    this.idle = idleLabel(rule, labels);
    this.gestures = labels.map((_, index) => index).filter((index) => index !== this.idle);
    this.recent = zeros(rule.window, labels.length);
    this.logits = zeros(rule.memory ?? 0, this.gestures.length);
  }

  /** Take the answer to one frame, at a time in seconds. A clock that jumps back starts everything anew. */
  feed(logits: ArrayLike<number>, timestamp: number): Spotted | null {
    if (timestamp < this.last) this.reset();
    this.recent[this.next] = probabilities(logits);
    this.next = (this.next + 1) % this.rule.window;
    this.last = timestamp;
    const means = sums(this.recent, this.labels.length).map((total) => total / this.rule.window);
    if (this.rule.memory !== null) return this.remember(logits, means, this.rule.memory);
    const best = largest(means);
    if (this.held !== null && means[this.held]! < this.rule.threshold) this.held = null;
    if (best === this.idle || means[best]! < this.rule.threshold || timestamp < this.free || this.held !== null) return null;
    return this.announce(best, means[best]!);
  }

  /** Forget everything: the next answer is the first. */
  reset(): void {
    this.recent = zeros(this.rule.window, this.labels.length);
    this.forget();
    this.next = 0;
    this.held = null;
    this.free = this.last = -Infinity;
  }

  private remember(logits: ArrayLike<number>, means: number[], memory: number): Spotted | null {
    this.logits[this.kept % memory] = this.gestures.map((index) => logits[index]!);
    this.kept += 1;
    const complete = this.gestures.reduce((total, index) => total + means[index]!, 0);
    if (this.held !== null && complete < this.rule.threshold) this.held = null;
    if (complete < this.rule.threshold || this.last < this.free || this.held !== null) return null;
    const count = Math.min(this.kept, memory);
    const which = probabilities(sums(this.logits, this.gestures.length).map((total) => total / count));
    const best = largest(which);
    const score = complete * which[best]!;
    if (score < this.rule.threshold) return null;
    this.forget();
    return this.announce(this.gestures[best]!, score);
  }

  private announce(index: number, score: number): Spotted {
    this.held = index;
    this.free = this.last + this.rule.hold_off;
    return { label: this.labels[index]!, score, timestamp: this.last };
  }

  private forget(): void {
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
  if (!Number.isFinite(total)) throw new Error("logits that are not finite: the network or its states overflowed");
  return powers.map((power) => power / total);
}

/** The place of the first of the largest values. */
export function largest(values: ArrayLike<number>): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) if (values[index]! > values[best]!) best = index;
  return best;
}

function sums(rows: number[][], columns: number): number[] {
  const total = new Array<number>(columns).fill(0);
  for (const row of rows) for (let index = 0; index < columns; index++) total[index]! += row[index]!;
  return total;
}

function zeros(rows: number, columns: number): number[][] {
  return Array.from({ length: rows }, () => new Array<number>(columns).fill(0));
}
