/** Fourier transforms of any length in doubles. */

/** Lengths with a prime factor above this are computed as a convolution. */
const LARGEST_FACTOR = 32;

/** Computes the powers of a real signal. */
export class RealFourier {
  /** For an even length, the transform of half the length, whose values are pairs of samples. */
  private readonly inner: Transform;
  private readonly even: boolean;
  private readonly real: Float64Array;
  private readonly imaginary: Float64Array;
  private readonly cosines: Float64Array;
  private readonly sines: Float64Array;

  constructor(readonly length: number) {
    this.even = length % 2 === 0;
    const size = this.even ? length / 2 : length;
    this.inner = transformOf(size);
    [this.real, this.imaginary] = [new Float64Array(size), new Float64Array(size)];
    [this.cosines, this.sines] = circle(length);
  }

  /** Write the squared magnitudes of the lowest `out.length` frequencies, at most length / 2 + 1, to `out`. */
  powers(signal: Float64Array, out: Float64Array): void {
    const { real, imaginary, length } = this;
    if (!this.even) {
      real.set(signal);
      imaginary.fill(0);
      this.inner.run(real, imaginary);
      for (let bin = 0; bin < out.length; bin++) out[bin] = real[bin]! ** 2 + imaginary[bin]! ** 2;
      return;
    }
    const half = length / 2;
    for (let index = 0; index < half; index++) {
      real[index] = signal[2 * index]!;
      imaginary[index] = signal[2 * index + 1]!;
    }
    this.inner.run(real, imaginary);
    for (let bin = 0; bin < out.length; bin++) {
      const [here, mirrored] = [bin % half, (half - bin) % half];
      // The transforms of the even and of the odd samples, from that of the pairs.
      const evenReal = (real[here]! + real[mirrored]!) / 2;
      const evenImaginary = (imaginary[here]! - imaginary[mirrored]!) / 2;
      const oddReal = (imaginary[here]! + imaginary[mirrored]!) / 2;
      const oddImaginary = (real[mirrored]! - real[here]!) / 2;
      const [cosine, sine] = [this.cosines[bin]!, this.sines[bin]!];
      const sumReal = evenReal + oddReal * cosine - oddImaginary * sine;
      const sumImaginary = evenImaginary + oddReal * sine + oddImaginary * cosine;
      out[bin] = sumReal * sumReal + sumImaginary * sumImaginary;
    }
  }
}

/** A transform of complex numbers in place. */
interface Transform {
  run(real: Float64Array, imaginary: Float64Array): void;
}

function transformOf(length: number): Transform {
  const factors = factorsOf(length);
  return Math.max(1, ...factors) > LARGEST_FACTOR ? new Convolution(length) : new MixedRadix(length, factors);
}

/** Divides a transform into transforms of its length's factors (Stockham's order, so that no numbers are swapped). */
class MixedRadix implements Transform {
  private readonly cosines: Float64Array;
  private readonly sines: Float64Array;
  private readonly otherReal: Float64Array;
  private readonly otherImaginary: Float64Array;

  constructor(
    private readonly length: number,
    private readonly factors: number[],
  ) {
    [this.cosines, this.sines] = circle(length);
    [this.otherReal, this.otherImaginary] = [new Float64Array(length), new Float64Array(length)];
  }

  run(real: Float64Array, imaginary: Float64Array): void {
    let [fromReal, fromImaginary, toReal, toImaginary] = [real, imaginary, this.otherReal, this.otherImaginary];
    let [stride, rest] = [1, this.length];
    for (const factor of this.factors) {
      if (factor === 4) this.stageOfFour(stride, rest / 4, fromReal, fromImaginary, toReal, toImaginary);
      else this.stage(factor, stride, rest / factor, fromReal, fromImaginary, toReal, toImaginary);
      [fromReal, fromImaginary, toReal, toImaginary] = [toReal, toImaginary, fromReal, fromImaginary];
      stride *= factor;
      rest /= factor;
    }
    if (fromReal === real) return;
    real.set(fromReal);
    imaginary.set(fromImaginary);
  }

  private stage(
    factor: number, stride: number, count: number,
    fromReal: Float64Array, fromImaginary: Float64Array, toReal: Float64Array, toImaginary: Float64Array,
  ): void {
    const { length, cosines, sines } = this;
    const turn = length / factor;
    for (let group = 0; group < count; group++) {
      for (let output = 0; output < factor; output++) {
        const to = stride * (factor * group + output);
        toReal.fill(0, to, to + stride);
        toImaginary.fill(0, to, to + stride);
        for (let input = 0; input < factor; input++) {
          const from = stride * (group + count * input);
          const angle = (group * output * stride + ((input * output) % factor) * turn) % length;
          const cosine = cosines[angle]!;
          const sine = sines[angle]!;
          for (let place = 0; place < stride; place++) {
            const a = fromReal[from + place]!;
            const b = fromImaginary[from + place]!;
            toReal[to + place]! += a * cosine - b * sine;
            toImaginary[to + place]! += a * sine + b * cosine;
          }
        }
      }
    }
  }

  /** `stage` for the factor 4, whose inner multiplications are with 1, -1, i and -i. */
  private stageOfFour(
    stride: number, count: number,
    fromReal: Float64Array, fromImaginary: Float64Array, toReal: Float64Array, toImaginary: Float64Array,
  ): void {
    const { cosines, sines } = this;
    const step = stride * count;
    for (let group = 0; group < count; group++) {
      const angle = group * stride;
      const [cosine1, cosine2, cosine3] = [cosines[angle]!, cosines[2 * angle]!, cosines[3 * angle]!];
      const [sine1, sine2, sine3] = [sines[angle]!, sines[2 * angle]!, sines[3 * angle]!];
      for (let place = 0; place < stride; place++) {
        const from = angle + place;
        const to = 4 * angle + place;
        const a = fromReal[from]!;
        const aImaginary = fromImaginary[from]!;
        const b = fromReal[from + step]!;
        const bImaginary = fromImaginary[from + step]!;
        const c = fromReal[from + 2 * step]!;
        const cImaginary = fromImaginary[from + 2 * step]!;
        const d = fromReal[from + 3 * step]!;
        const dImaginary = fromImaginary[from + 3 * step]!;
        const sum = a + c;
        const sumImaginary = aImaginary + cImaginary;
        const other = b + d;
        const otherImaginary = bImaginary + dImaginary;
        const difference = a - c;
        const differenceImaginary = aImaginary - cImaginary;
        const turned = bImaginary - dImaginary;
        const turnedImaginary = d - b; // -i (b - d)
        toReal[to] = sum + other;
        toImaginary[to] = sumImaginary + otherImaginary;
        const x = difference + turned;
        const xImaginary = differenceImaginary + turnedImaginary;
        toReal[to + stride] = x * cosine1 - xImaginary * sine1;
        toImaginary[to + stride] = x * sine1 + xImaginary * cosine1;
        const y = sum - other;
        const yImaginary = sumImaginary - otherImaginary;
        toReal[to + 2 * stride] = y * cosine2 - yImaginary * sine2;
        toImaginary[to + 2 * stride] = y * sine2 + yImaginary * cosine2;
        const z = difference - turned;
        const zImaginary = differenceImaginary - turnedImaginary;
        toReal[to + 3 * stride] = z * cosine3 - zImaginary * sine3;
        toImaginary[to + 3 * stride] = z * sine3 + zImaginary * cosine3;
      }
    }
  }
}

/** Computes a transform of a length with a large prime factor as a convolution (Bluestein 1970). */
class Convolution implements Transform {
  private readonly inner: MixedRadix;
  private readonly size: number;
  /** exp(-i pi k^2 / length). */
  private readonly chirpReal: Float64Array;
  private readonly chirpImaginary: Float64Array;
  /** The transform of the chirp's conjugate. */
  private readonly filterReal: Float64Array;
  private readonly filterImaginary: Float64Array;
  private readonly real: Float64Array;
  private readonly imaginary: Float64Array;

  constructor(private readonly length: number) {
    this.size = 2 ** Math.ceil(Math.log2(2 * length - 1));
    this.inner = new MixedRadix(this.size, factorsOf(this.size));
    const [cosines, sines] = circle(2 * length);
    const squares = Array.from({ length }, (_, index) => (index * index) % (2 * length));
    this.chirpReal = Float64Array.from(squares, (angle) => cosines[angle]!);
    this.chirpImaginary = Float64Array.from(squares, (angle) => sines[angle]!);
    const arrays = () => new Float64Array(this.size);
    [this.filterReal, this.filterImaginary, this.real, this.imaginary] = [arrays(), arrays(), arrays(), arrays()];
    for (let index = 0; index < length; index++) {
      for (const place of [index, (this.size - index) % this.size]) {
        this.filterReal[place] = this.chirpReal[index]!;
        this.filterImaginary[place] = -this.chirpImaginary[index]!;
      }
    }
    this.inner.run(this.filterReal, this.filterImaginary);
  }

  run(real: Float64Array, imaginary: Float64Array): void {
    const { length, size, chirpReal, chirpImaginary, filterReal, filterImaginary } = this;
    const [innerReal, innerImaginary] = [this.real.fill(0), this.imaginary.fill(0)];
    for (let index = 0; index < length; index++) {
      innerReal[index] = real[index]! * chirpReal[index]! - imaginary[index]! * chirpImaginary[index]!;
      innerImaginary[index] = real[index]! * chirpImaginary[index]! + imaginary[index]! * chirpReal[index]!;
    }
    this.inner.run(innerReal, innerImaginary);
    for (let index = 0; index < size; index++) {
      const [a, b] = [innerReal[index]!, innerImaginary[index]!];
      innerReal[index] = a * filterReal[index]! - b * filterImaginary[index]!;
      // The conjugate, so that the next transform is the inverse one.
      innerImaginary[index] = -(a * filterImaginary[index]! + b * filterReal[index]!);
    }
    this.inner.run(innerReal, innerImaginary);
    for (let index = 0; index < length; index++) {
      const [a, b] = [innerReal[index]! / size, -innerImaginary[index]! / size];
      real[index] = a * chirpReal[index]! - b * chirpImaginary[index]!;
      imaginary[index] = a * chirpImaginary[index]! + b * chirpReal[index]!;
    }
  }
}

/** Return the prime factors of a number, where 4 is used in place of two factors 2. */
function factorsOf(length: number): number[] {
  const factors: number[] = [];
  let rest = length;
  for (; rest % 4 === 0; rest /= 4) factors.push(4);
  for (let factor = 2; rest > 1; factor++) {
    if (factor * factor > rest) factor = rest; // what is left is a prime number
    for (; rest % factor === 0; rest /= factor) factors.push(factor);
  }
  return factors;
}

/** Return cosine and sine of -2 pi k / length for each k. */
function circle(length: number): [cosines: Float64Array, sines: Float64Array] {
  const angles = Float64Array.from({ length }, (_, index) => (-2 * Math.PI * index) / length);
  return [angles.map(Math.cos), angles.map(Math.sin)];
}
