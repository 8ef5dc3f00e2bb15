/** The Mersenne Twister (Matsumoto and Nishimura 1998), seeded as NumPy's `RandomState(seed)` seeds it. */
export class Twister {
  private readonly state = new Uint32Array(624);
  private place = 624;

  /** `seed`: 0 to 2^32 - 1. */
  constructor(seed: number) {
    this.state[0] = seed >>> 0;
    for (let index = 1; index < 624; index++) {
      const last = this.state[index - 1]!;
      this.state[index] = Math.imul(1812433253, last ^ (last >>> 30)) + index;
    }
  }

  /** The next 32 bits. */
  next(): number {
    if (this.place === 624) this.twist();
    let value = this.state[this.place++]!;
    value ^= value >>> 11;
    value ^= (value << 7) & 0x9d2c5680;
    value ^= (value << 15) & 0xefc60000;
    return (value ^ (value >>> 18)) >>> 0;
  }

  /** A number from 0 to 255: what `randint(0, 256)` gives, which keeps the low bits of one draw. */
  byte(): number {
    return this.next() & 255;
  }

  private twist(): void {
    const state = this.state;
    for (let index = 0; index < 624; index++) {
      const both = (state[index]! & 0x80000000) | (state[(index + 1) % 624]! & 0x7fffffff);
      state[index] = state[(index + 397) % 624]! ^ (both >>> 1) ^ (both & 1 ? 0x9908b0df : 0);
    }
    this.place = 0;
  }
}
