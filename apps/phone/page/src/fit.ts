/**
 * Fits a picture of the camera to the frame size of the network. The formula is in docs/reference/frames.md: bilinear
 * interpolation without averaging, with integers, so that the bytes are those of `edgeshift/video/fit.py`. A canvas could
 * resize pictures too, but its result depends on the browser.
 */
import type { FrameSpec } from "./spec";

/** Positions in the source are whole multiples of 1/32 pixel. */
const PARTS = 32;

/** For each output pixel along one axis: the offsets of the two source pixels, and the weight of the second one. */
interface Axis {
  before: Int32Array;
  after: Int32Array;
  /** 0 to 31, in 1/32. */
  weight: Int32Array;
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
      const short = spec.short_side ?? Math.floor((16 * Math.max(spec.height, spec.width) + 7) / 14);
      // The longer side is rounded down, as in torchvision, because models were evaluated in this way.
      rows = height <= width ? short : Math.floor((short * height) / width);
      columns = width <= height ? short : Math.floor((short * width) / height);
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
          const top = pixels[above + left + channel]! * (PARTS - across) + pixels[above + right + channel]! * across;
          const bottom = pixels[below + left + channel]! * (PARTS - across) + pixels[below + right + channel]! * across;
          out[place + (channel === 0 ? red : channel === 2 ? blue : 1)] =
            (top * (PARTS - down) + bottom * down + (PARTS * PARTS) / 2) >> 10;
        }
      }
    }
  }
}

/** Prepare one axis of `size` pixels that is resized to `resized` pixels, of which the middle `wanted` are kept. */
function resampleAxis(size: number, resized: number, wanted: number, stride: number): Axis {
  const margin = resized - wanted;
  const first = Math.floor(margin / 2) + (margin % 4 === 3 ? 1 : 0); // halves become the nearest even number
  const [before, after, weight] = [new Int32Array(wanted), new Int32Array(wanted), new Int32Array(wanted)];
  for (let index = 0; index < wanted; index++) {
    const doubled = 2 * (index + first) + 1;
    const position = Math.floor((PARTS * (doubled * size - resized) + resized) / (2 * resized));
    const clamped = Math.min(Math.max(position, 0), PARTS * (size - 1));
    const pixel = Math.floor(clamped / PARTS);
    before[index] = pixel * stride;
    after[index] = Math.min(pixel + 1, size - 1) * stride;
    weight[index] = clamped % PARTS;
  }
  return { before, after, weight };
}
