/**
 * The frames of the self-check, equal to those of `edgeshift/stream/selfcheck.py` to the byte. They come from the
 * Mersenne Twister (Matsumoto and Nishimura 1998), seeded as NumPy's `RandomState(seed)` seeds it.
 */

/** Number of coloured cells along each side of a frame. */
const CELLS = 14;
/** Number of words in the state of the generator. */
const WORDS = 624;

/**
 * Make the frames: coarse coloured cells that move one cell to the right per frame.
 *
 * Returns `count` arrays of height * width * 3 values, RGB from 0 to 255.
 */
export function checkFrames(seed: number, count: number, height: number, width: number): Uint8Array[] {
  const bytes = randomBytes(seed);
  const columns = CELLS + count;
  const cells = Uint8Array.from({ length: CELLS * columns * 3 }, () => bytes.next().value);
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

/** Yield random bytes without end. `seed`: 0 to 2^32 - 1. */
function* randomBytes(seed: number): Generator<number, never> {
  const state = new Uint32Array(WORDS);
  state[0] = seed;
  for (let index = 1; index < WORDS; index++) {
    const last = state[index - 1]!;
    state[index] = Math.imul(1812433253, last ^ (last >>> 30)) + index;
  }
  for (;;) {
    for (let index = 0; index < WORDS; index++) {
      const bits = (state[index]! & 0x80000000) | (state[(index + 1) % WORDS]! & 0x7fffffff);
      state[index] = state[(index + 397) % WORDS]! ^ (bits >>> 1) ^ (bits & 1 ? 0x9908b0df : 0);
    }
    for (let value of state) {
      value ^= value >>> 11;
      value ^= (value << 7) & 0x9d2c5680;
      value ^= (value << 15) & 0xefc60000;
      yield (value ^ (value >>> 18)) & 255; // NumPy's `randint(0, 256)` keeps the low bits of one number
    }
  }
}
