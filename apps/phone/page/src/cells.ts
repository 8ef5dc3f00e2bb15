/** The frames of the self-check, made from a seed as `edgeshift/stream/selfcheck.py` makes them. */
import { Twister } from "./random";

/** Cells of the random picture in each direction. */
const CELLS = 14;

/**
 * Coarse coloured cells that move one cell to the right per frame.
 *
 * Returns RGB, 0 to 255: `count` arrays of height * width * 3.
 */
export function checkFrames(seed: number, count: number, height: number, width: number): Uint8Array[] {
  const twister = new Twister(seed);
  const wide = CELLS + count;
  const cells = Uint8Array.from({ length: CELLS * wide * 3 }, () => twister.byte());
  return Array.from({ length: count }, (_, time) => {
    const frame = new Uint8Array(height * width * 3);
    for (let y = 0, place = 0; y < height; y++) {
      const row = Math.floor((y * CELLS) / height) * wide;
      for (let x = 0; x < width; x++, place += 3) {
        const cell = (row + Math.floor((x * CELLS) / width) + count - 1 - time) * 3;
        frame.set(cells.subarray(cell, cell + 3), place);
      }
    }
    return frame;
  });
}
