/** Triangular filters on the mel scale, as in `edgeshift/sound/mel.py`. */

export class MelFilters {
  /** The index of the first bin of each band, and the weights of the band's bins from there on. */
  private readonly bands: { first: number; weights: Float64Array }[];

  /**
   * `bands`: number of filters, whose corners are evenly spaced on the mel scale from 0 Hz to `top`; `binWidth`: distance
   * between two bins of the Fourier transform, Hz; `bins`: number of bins; `scale`: multiplies all weights.
   */
  constructor(bands: number, top: number, binWidth: number, bins: number, scale: number) {
    const step = mel(top) / (bands + 1);
    const corner = (index: number) => hertz(index === bands + 1 ? mel(top) : index * step);
    this.bands = Array.from({ length: bands }, (_, band) => {
      const [low, middle, high] = [corner(band), corner(band + 1), corner(band + 2)];
      const weights: number[] = [];
      let first = 0;
      for (let bin = 0; bin < bins && bin * binWidth < high; bin++) {
        const frequency = bin * binWidth;
        const weight = Math.min((frequency - low) / (middle - low), (high - frequency) / (high - middle));
        if (!(weight > 0)) continue;
        if (weights.length === 0) first = bin;
        weights.push(weight * scale);
      }
      return { first, weights: Float64Array.from(weights) };
    });
  }

  /** Number of bins from 0 to the last one that has a weight. */
  get used(): number {
    return Math.max(1, ...this.bands.map(({ first, weights }) => first + weights.length));
  }

  /** Write the weighted sum of the powers of each band to `out`. A band in which no bin lies has the sum 0. */
  apply(powers: Float64Array, out: Float64Array): void {
    this.bands.forEach(({ first, weights }, band) => {
      let sum = 0;
      for (let index = 0; index < weights.length; index++) sum += powers[first + index]! * weights[index]!;
      out[band] = sum;
    });
  }
}

function mel(frequency: number): number {
  return 2595 * Math.log10(1 + frequency / 700);
}

function hertz(value: number): number {
  return 700 * (10 ** (value / 2595) - 1);
}
