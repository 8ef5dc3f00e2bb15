/** The bytes of golden files, as "Golden bytes" in docs/reference/frames.md defines them. Only tests use this module. */

/** Return the byte with a number, 0 to 2^32 - 1. */
export function goldenByte(index: number): number {
  let mixed = Math.imul(index, 2654435761);
  mixed ^= mixed >>> 15;
  return Math.imul(mixed, 2246822519) >>> 24;
}
