/**
 * The random numbers of the self-check: the Mersenne Twister (Matsumoto and Nishimura 1998), seeded as NumPy's
 * `RandomState(seed)` seeds it.
 */

/** Number of words in the state of the generator. */
const WORDS = 624;

/** Returns the next random integer from `low` to `high` - 1, as `RandomState.randint(low, high)` does. */
export type RandomInteger = (low: number, high: number) => number;

/** Start a generator. `seed`: 0 to 2^32 - 1. The differences `high` - `low` must be below 2^31. */
export function randomIntegers(seed: number): RandomInteger {
  const words = randomWords(seed);
  return (low, high) => {
    const most = high - low - 1;
    const mask = 2 ** (32 - Math.clz32(most)) - 1;
    for (;;) { // NumPy keeps the low bits of a word, and takes the next word if they are too large
      const value = words.next().value & mask;
      if (value <= most) return low + value;
    }
  };
}

/** Yield random words of 32 bits without end. */
function* randomWords(seed: number): Generator<number, never> {
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
      yield value ^ (value >>> 18);
    }
  }
}
