/** The settings of a network's sound segment, as in `edgeshift/sound/settings.py`. Durations are in seconds. */

type Three = [number, number, number];

export interface SoundSettings {
  /** Duration of the sound in one picture. */
  seconds: number;
  /** T: number of the newest frames whose logits are averaged with those of the sound. */
  frames: number;
  /** w: weight of the sound's logits in the answer (v_1 + ... + v_n + w s) / (n + w). */
  weight: number;
  /** Time between two answers to the sound. */
  every: number;
  norms: "shared" | "separate";
  /** Length of the Fourier transform. */
  transform: number;
  /** Length of the Hann window, and time between two columns, of each channel. */
  windows: Three;
  hops: Three;
  /** Number of mel bands. */
  bands: number;
  /** Upper end of the highest mel band, Hz. */
  top: number;
  /** Samples per second that powers refer to. */
  rate: number;
  /** Added to a power before the natural logarithm. */
  eps: number;
  /** Logarithms that become the values 0 and 255 of the picture. */
  low: number;
  high: number;
  /** Whether the picture has whole numbers from 0 to 255, and not values of any size. */
  cut: boolean;
}

const DEFAULTS: Omit<SoundSettings, "seconds" | "frames"> = {
  weight: 1, every: 0.25, norms: "shared", transform: 0.1, windows: [0.025, 0.05, 0.1], hops: [0.01, 0.025, 0.05],
  bands: 112, top: 7500, rate: 16_000, eps: 1e-6, low: -13.5, high: 6.5, cut: true,
};
/** The smallest and the largest value of each number. */
const LIMITS: Record<string, [number, number]> = {
  seconds: [1e-6, 60], frames: [1, 1024], weight: [0, 1024], every: [0.01, 60], transform: [0.001, 1],
  windows: [0.001, 1], hops: [0.001, 1], bands: [8, 512], top: [1e-6, 96_000], rate: [8000, 192_000],
  eps: [Number.MIN_VALUE, Number.MAX_VALUE], low: [-Number.MAX_VALUE, Number.MAX_VALUE],
  high: [-Number.MAX_VALUE, Number.MAX_VALUE],
};
const WHOLE = ["frames", "bands", "rate"];

/** Fill in the defaults. Throws an error if the settings make no picture, or one that this page cannot make. */
export function readSettings(given: Partial<SoundSettings>): SoundSettings {
  const settings = { ...DEFAULTS, ...given } as SoundSettings;
  for (const [name, value] of Object.entries(settings)) {
    if (name === "norms" || name === "cut") continue;
    if (!(name in LIMITS)) throw new Error(`the sound settings have ${name}, which this page does not know`);
    require(name, value);
  }
  require("seconds", settings.seconds);
  require("frames", settings.frames);
  const { windows, transform, hops, seconds, low, high } = settings;
  if (Math.max(...windows) > transform) throw new Error("sound settings: a window is longer than the transform");
  if (seconds < Math.max(...hops, transform)) throw new Error("sound settings: a picture is shorter than one column");
  if (low >= high) throw new Error("sound settings: low must be below high");
  if (settings.norms !== "shared") throw new Error("sound settings: this page runs sounds with the frames' batch norms only");
  if (typeof settings.cut !== "boolean") throw new Error("sound settings: cut is neither true nor false");
  return settings;
}

function require(name: string, value: unknown): void {
  const [least, most] = LIMITS[name]!;
  const three = name === "windows" || name === "hops";
  const values: unknown[] = three && Array.isArray(value) ? value : [value];
  const ok = values.length === (three ? 3 : 1) && values.every((number) => {
    return typeof number === "number" && number >= least && number <= most
      && (!WHOLE.includes(name) || Number.isInteger(number));
  });
  if (!ok) throw new Error(`sound settings: ${name} is ${JSON.stringify(value) ?? "missing"}, which is out of its limits`);
}
