/** The samples of golden transcripts, as `edgeshift/stream/transcript_sounds.py` makes them. Only tests use this module. */
import { goldenByte } from "./golden-bytes";

/** What a microphone gives: a sound, the value 0 only, or a sound that is much too loud. */
export type Kind = "drawn" | "silent" | "clipped";

/** Samples of a part of the sound, and where the bytes for periods and levels of the parts begin. */
const [PART, PERIODS, LEVELS] = [800, 1 << 30, 3 << 29];

/** Return `count` samples from -1 to 1, beginning with sample number `first`. */
export function samplesOf(seed: number, kind: Kind, first: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, index) => {
    if (kind === "silent") return 0;
    const number = first + index;
    const noise = 256 * goldenByte(seed + 2 * number) + goldenByte(seed + 2 * number + 1) - 32768;
    const part = Math.floor(number / PART);
    const period = 8 + (goldenByte(seed + PERIODS + part) % 120);
    const square = Math.floor(number / period) % 2 ? 16384 : -16384;
    const value = (square + (noise >> 2)) >> (2 + (goldenByte(seed + LEVELS + part) % 8));
    return kind === "drawn" ? value / 32768 : value < 0 ? -1 : 1;
  });
}
