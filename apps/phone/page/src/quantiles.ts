/** Figures of samples. */

/** Samples that a percentile needs before it says anything (MLPerf's early-stopping rule). */
const ENOUGH: Record<number, number> = { 50: 20, 90: 64, 99: 662 };

/** A percentile, between neighbours as NumPy does it; null with too few samples to say. */
export function p(percent: number, samples: readonly number[], enough: number = ENOUGH[percent] ?? 1): number | null {
  if (samples.length < Math.max(enough, 1)) return null;
  const sorted = [...samples].sort((a, b) => a - b);
  const place = ((sorted.length - 1) * percent) / 100;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (place - below);
}

/** Whether the median of a window is within 2% of that of the one before. */
export function settled(now: number, before: number): boolean {
  return before > 0 && Math.abs(now - before) <= 0.02 * before;
}
