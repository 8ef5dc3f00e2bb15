/** The picture of a sound: the newest columns of three spectrograms, as in `edgeshift/sound/picture.py`. */
import { Analysis } from "./analysis";
import { ColumnStream } from "./columns";
import type { SoundSettings } from "./settings";

/** Values of a picture, size * size * 3: whole numbers from 0 to 255, or of any size if the settings do not cut them. */
export type SoundPicture = Uint8Array | Float32Array;

/** The picture of the newest seconds of a sound that arrives in pieces. */
export class PictureStream {
  private readonly analysis: Analysis;
  private readonly columns: ColumnStream;
  private newest: Float32Array[][] = [[], [], []];

  /** `size`: height and width of the picture. Throws an error if the rate does not fit the settings. */
  constructor(
    private readonly settings: SoundSettings,
    readonly rate: number,
    private readonly size: number,
  ) {
    this.analysis = new Analysis(settings, rate);
    this.columns = new ColumnStream(this.analysis);
  }

  /** Number of samples that must still arrive before there is a picture. */
  get missing(): number {
    return Math.max(this.analysis.needed - this.columns.heard, 0);
  }

  /** Forget all samples, for example after a gap. */
  reset(): void {
    this.columns.reset();
    this.newest = [[], [], []];
  }

  /** Take the next samples. */
  feed(samples: Float32Array): void {
    this.columns.feed(samples).forEach((columns, index) => {
      const kept = this.newest[index]!;
      kept.push(...columns);
      kept.splice(0, kept.length - this.analysis.channels[index]!.columns);
    });
  }

  /** Return the picture at the time of the newest sample; null: not enough samples have arrived. */
  picture(): SoundPicture | null {
    return this.missing > 0 ? null : soundPicture(this.newest, this.settings, this.size);
  }
}

/**
 * Return the picture of the columns of three spectrograms. Row 0 is the lowest band, and the last column of the picture is
 * the newest.
 */
export function soundPicture(channels: Float32Array[][], settings: SoundSettings, size: number): SoundPicture {
  const { low, high, cut } = settings;
  const picture = cut ? new Uint8Array(size * size * 3) : new Float32Array(size * size * 3);
  channels.forEach((columns, channel) => {
    const across = resize(columns, size);
    const bands = Array.from({ length: columns[0]!.length }, (_, band) => across.map((values) => values[band]!));
    const rows = bands.length === size ? bands : resize(bands, size);
    rows.forEach((row, y) => {
      row.forEach((value, x) => {
        const scaled = (value - low) * (255 / (high - low));
        picture[(y * size + x) * 3 + channel] = cut ? Math.floor(Math.min(Math.max(scaled, 0), 255) + 0.5) : scaled;
      });
    });
  });
  return picture;
}

/** Resize a list of rows to `size` rows: bilinear and antialiased, as torch's `interpolate(..., antialias=True)`. */
function resize(rows: ArrayLike<number>[], size: number): number[][] {
  const scale = rows.length / size;
  const reach = Math.max(scale, 1); // distance from the centre of a result to the rows whose weight is 0
  return Array.from({ length: size }, (_, index) => {
    const centre = scale * (index + 0.5);
    const begin = Math.max(Math.floor(centre - reach + 0.5), 0);
    const end = Math.min(Math.floor(centre + reach + 0.5), rows.length);
    const weights = Array.from({ length: end - begin }, (_, tap) => {
      return Math.max(1 - Math.abs(begin + tap + 0.5 - centre) / reach, 0);
    });
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const result = new Array<number>(rows[0]!.length).fill(0);
    weights.forEach((weight, tap) => {
      const [share, row] = [weight / total, rows[begin + tap]!];
      for (let place = 0; place < result.length; place++) result[place]! += share * row[place]!;
    });
    return result;
  });
}
