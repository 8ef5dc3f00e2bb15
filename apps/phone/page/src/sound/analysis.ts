/** How a sound of one sampling rate becomes columns of log-mel values, as in `edgeshift/sound/analysis.py`. */
import { RealFourier } from "./fourier";
import { MelFilters } from "./mel";
import type { SoundSettings } from "./settings";

/** The lowest and the highest sampling rate. With the lowest, the shortest window has one sample. */
const [MIN_RATE, MAX_RATE] = [1000, 384_000];

/** One of the three spectrograms. Column k is the window of the samples from k * `hop` - `lead`. */
export class Channel {
  /** The periodic Hann window. */
  readonly window: Float64Array;
  /** Samples of the window before its centre, which is sample k * `hop`. */
  readonly lead: number;

  /** `length`: samples of the window; `columns`: number of columns in a picture. */
  constructor(
    transform: number, length: number,
    readonly hop: number,
    readonly columns: number,
  ) {
    this.window = Float64Array.from({ length }, (_, index) => 0.5 - 0.5 * Math.cos(((2 * Math.PI) / length) * index));
    // The window is centred in the transform, as torch.stft places it.
    this.lead = Math.floor(transform / 2) - Math.floor((transform - length) / 2);
  }

  /** Index of the first column whose window does not begin before sample 0. */
  get first(): number {
    return Math.ceil(this.lead / this.hop);
  }

  /** Index after the last column whose window ends within the first `samples` samples. */
  complete(samples: number): number {
    return Math.max(Math.floor((samples + this.lead - this.window.length) / this.hop) + 1, this.first);
  }

  /** Number of samples from the beginning of a sound that contain the columns of a picture. */
  get needed(): number {
    return (this.first + this.columns - 1) * this.hop - this.lead + this.window.length;
  }
}

export class Analysis {
  readonly channels: Channel[];
  private readonly filters: MelFilters;
  private readonly fourier: RealFourier;
  private readonly signal: Float64Array;
  private readonly powers: Float64Array;
  private readonly sums: Float64Array;

  /** Throws an error if the rate, samples per second, does not fit the settings. */
  constructor(
    readonly settings: SoundSettings,
    readonly rate: number,
  ) {
    requireRate(settings, rate);
    const { bands, top, windows, hops, seconds } = settings;
    const transform = samplesOf(settings.transform, rate);
    const scale = (settings.rate / rate) ** 2;
    this.filters = new MelFilters(bands, top, rate / transform, Math.floor(transform / 2) + 1, scale);
    this.fourier = new RealFourier(transform);
    [this.signal, this.powers] = [new Float64Array(transform), new Float64Array(this.filters.used)];
    this.sums = new Float64Array(bands);
    this.channels = windows.map((window, index) => {
      const hop = hops[index]!;
      const length = Math.min(samplesOf(window, rate), transform);
      return new Channel(transform, length, samplesOf(hop, rate), Math.floor(seconds / hop + 0.5));
    });
  }

  /** Number of samples from the beginning of a sound after which there is a picture. */
  get needed(): number {
    return Math.max(...this.channels.map(({ needed }) => needed));
  }

  /** Return the log-mel values of the column whose window begins at index `start` of `samples`; lowest band first. */
  column(samples: Float32Array, channel: Channel, start: number): Float32Array {
    const { signal, sums, settings } = this;
    const { window } = channel;
    // Where the zeros around a window are does not change the powers.
    for (let index = 0; index < window.length; index++) signal[index] = samples[start + index]! * window[index]!;
    signal.fill(0, window.length);
    this.fourier.powers(signal, this.powers);
    this.filters.apply(this.powers, sums);
    return Float32Array.from(sums, (sum) => Math.log(sum + settings.eps));
  }
}

/** Throw an error if the settings cannot use sounds of this rate, samples per second. */
export function requireRate({ top }: SoundSettings, rate: number): void {
  const problem = `a sound of ${rate} samples per second cannot be used:`;
  const least = Math.max(Math.ceil(2 * top), MIN_RATE);
  if (!(rate >= least)) {
    throw new Error(`${problem} the network uses frequencies up to ${top} Hz; use a microphone with a rate of ${least} or more`);
  }
  if (!(rate <= MAX_RATE)) throw new Error(`${problem} the highest rate is ${MAX_RATE}`);
}

/** Return the number of samples of a duration: the nearest whole number, a half upwards. */
function samplesOf(seconds: number, rate: number): number {
  return Math.floor(seconds * rate + 0.5);
}
