/**
 * Fits a picture of the camera to the frame size of the network. Follows `edgeshift/video/fit.py`: plain bilinear
 * interpolation without averaging. A canvas could resize pictures too, but its result depends on the browser.
 */
import type { FrameSpec } from "./spec";

/** For each output pixel along one axis: the offsets of the two source pixels, and the weight of the second one. */
interface Axis {
  before: Int32Array;
  after: Int32Array;
  weight: Float32Array;
}

export class Fitter {
  private readonly rows: Axis;
  private readonly columns: Axis;

  /** Prepare for pictures of `width` x `height` with `channels` values per pixel, of which the first three are RGB. */
  constructor(
    private readonly spec: FrameSpec,
    readonly width: number,
    readonly height: number,
    readonly channels: 3 | 4,
  ) {
    let [rows, columns] = [spec.height, spec.width];
    if (spec.fit === "crop") {
      const short = spec.short_side ?? roundEven((Math.max(spec.height, spec.width) * 256) / 224);
      // The longer side is rounded down, as in torchvision, because models were evaluated in this way.
      rows = height <= width ? short : Math.trunc((short * height) / width);
      columns = width <= height ? short : Math.trunc((short * width) / height);
    }
    this.rows = resampleAxis(height, rows, spec.height, width * channels);
    this.columns = resampleAxis(width, columns, spec.width, channels);
  }

  /** Resample `pixels` into `out`: height * width * 3 whole numbers from 0 to 255, in the network's channel order. */
  fit(pixels: Uint8Array | Uint8ClampedArray, out: Float32Array): void {
    const { rows, columns } = this;
    const [red, blue] = this.spec.order === "rgb" ? [0, 2] : [2, 0];
    for (let y = 0, place = 0; y < rows.before.length; y++) {
      const [above, below, down] = [rows.before[y]!, rows.after[y]!, rows.weight[y]!];
      for (let x = 0; x < columns.before.length; x++, place += 3) {
        const [left, right, across] = [columns.before[x]!, columns.after[x]!, columns.weight[x]!];
        for (let channel = 0; channel < 3; channel++) {
          const top = pixels[above + left + channel]! * (1 - across) + pixels[above + right + channel]! * across;
          const bottom = pixels[below + left + channel]! * (1 - across) + pixels[below + right + channel]! * across;
          // Rounded, because fitted frames are uint8 in Python, before they become floats.
          out[place + (channel === 0 ? red : channel === 2 ? blue : 1)] = Math.floor(top + (bottom - top) * down + 0.5);
        }
      }
    }
  }
}

/** Prepare one axis of `size` pixels that is resized to `resized` pixels, of which the middle `wanted` are kept. */
function resampleAxis(size: number, resized: number, wanted: number, stride: number): Axis {
  const first = roundEven((resized - wanted) / 2);
  const [before, after, weight] = [new Int32Array(wanted), new Int32Array(wanted), new Float32Array(wanted)];
  for (let index = 0; index < wanted; index++) {
    const source = Math.min(Math.max(((index + first + 0.5) * size) / resized - 0.5, 0), size - 1);
    const pixel = Math.floor(source);
    before[index] = pixel * stride;
    after[index] = Math.min(pixel + 1, size - 1) * stride;
    weight[index] = source - pixel;
  }
  return { before, after, weight };
}

/** Round as Python does: halves become the nearest even number. */
function roundEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}
