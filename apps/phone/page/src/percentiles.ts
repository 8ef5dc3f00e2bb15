/** Percentiles of samples, as in `edgeshift/stream/percentiles.py`, and the text of times on the page. */

/** Samples that each percentile needs: the early-stopping rule of MLPerf at a confidence of 0.99. */
const NEEDED: Record<number, number> = { 50: 20, 90: 64, 99: 662 };

/** Compute a percentile with linear interpolation, as NumPy does. Returns null for fewer than `needed` samples. */
export function percentile(percent: number, samples: readonly number[], needed = NEEDED[percent] ?? 1): number | null {
  if (samples.length < Math.max(needed, 1)) return null;
  const sorted = [...samples].sort((a, b) => a - b);
  const position = ((sorted.length - 1) * percent) / 100;
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (position - below);
}

/** Write microseconds as milliseconds; null becomes "-". */
export function milliseconds(microseconds: number | null): string {
  return microseconds === null ? "-" : `${(microseconds / 1e3).toFixed(microseconds < 1e4 ? 2 : 1)} ms`;
}
