/**
 * A camera's picture becomes the frame that the network takes, as `edgeshift/video/fit.py` does it: plain bilinear
 * interpolation, no averaging. A canvas would resize too, but each browser in its own way.
 */
import type { Fit } from "./spec";

/** Where the results of one axis read: the pixel before, the pixel after (both times `stride`), the share of the after. */
interface Axis {
  before: Int32Array;
  after: Int32Array;
  share: Float32Array;
}

export class Fitter {
  private readonly rows: Axis;
  private readonly columns: Axis;

  /** For pictures of `width` x `height` with `channels` values a pixel, of which the first three are RGB. */
  constructor(
    private readonly fit: Fit,
    readonly width: number,
    readonly height: number,
    channels: 3 | 4,
  ) {
    if (fit.fit === "crop") {
      const short = fit.short_side ?? roundEven((Math.max(fit.height, fit.width) * 256) / 224);
      // The longer side is cut to whole pixels, as torchvision does: models were evaluated so.
      const tall = height <= width ? short : Math.trunc((short * height) / width);
      const wide = width <= height ? short : Math.trunc((short * width) / height);
      this.rows = axis(height, tall, fit.height, width * channels);
      this.columns = axis(width, wide, fit.width, channels);
    } else {
      this.rows = axis(height, fit.height, fit.height, width * channels);
      this.columns = axis(width, fit.width, fit.width, channels);
    }
  }

  /** Resample into `out`, height * width * 3 whole numbers from 0 to 255 in the order that the network wants. */
  into(pixels: Uint8Array | Uint8ClampedArray, out: Float32Array): void {
    const { rows, columns } = this;
    const [red, blue] = this.fit.order === "rgb" ? [0, 2] : [2, 0];
    for (let y = 0, place = 0; y < rows.before.length; y++) {
      const [above, below, down] = [rows.before[y]!, rows.after[y]!, rows.share[y]!];
      for (let x = 0; x < columns.before.length; x++, place += 3) {
        const [left, right, across] = [columns.before[x]!, columns.after[x]!, columns.share[x]!];
        for (let channel = 0; channel < 3; channel++) {
          const top = pixels[above + left + channel]! * (1 - across) + pixels[above + right + channel]! * across;
          const bottom = pixels[below + left + channel]! * (1 - across) + pixels[below + right + channel]! * across;
          // Python fits to whole numbers before the network sees floats.
          out[place + (channel === 0 ? red : channel === 2 ? blue : 1)] = Math.floor(top + (bottom - top) * down + 0.5);
        }
      }
    }
  }
}

/** One axis of `size` pixels that is resized to `resized`, of which the middle `wanted` are kept. */
function axis(size: number, resized: number, wanted: number, stride: number): Axis {
  const first = roundEven((resized - wanted) / 2);
  const found: Axis = { before: new Int32Array(wanted), after: new Int32Array(wanted), share: new Float32Array(wanted) };
  for (let index = 0; index < wanted; index++) {
    const source = Math.min(Math.max(((index + first + 0.5) * size) / resized - 0.5, 0), size - 1);
    const before = Math.floor(source);
    found.before[index] = before * stride;
    found.after[index] = Math.min(before + 1, size - 1) * stride;
    found.share[index] = source - before;
  }
  return found;
}

/** Python's `round`: halves go to the even neighbour. */
function roundEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}
