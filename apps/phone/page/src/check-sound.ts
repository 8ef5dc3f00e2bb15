/** The sound of the self-check, made with integers, as in `edgeshift/stream/check_sound.py`. */
import { randomIntegers } from "./random";
import { Analysis } from "./sound/analysis";
import { PictureStream, type SoundPicture } from "./sound/picture";
import type { SoundSettings } from "./sound/settings";

/** Number of parts of the sound, which have other levels and pitches. */
const PARTS = 16;

/** Make the sound: samples from -1 to 1 at `settings.rate`, as many as a picture needs. */
export function checkSound(seed: number, settings: SoundSettings): Float32Array {
  const random = randomIntegers(seed);
  const count = new Analysis(settings, settings.rate).needed;
  const draw = (length: number, low: number, high: number) => Array.from({ length }, () => random(low, high));
  const noise = draw(count, -32768, 32768);
  const shifts = draw(PARTS, 2, 10); // a level of 2 to the power of -shift
  const periods = draw(PARTS, 8, 128); // samples of the square wave
  return Float32Array.from(noise, (value, index) => {
    const part = Math.floor((index * PARTS) / count);
    const square = Math.floor(index / periods[part]!) % 2 ? 16384 : -16384;
    return ((square + Math.floor(value / 4)) >> shifts[part]!) / 32768;
  });
}

/** Make the picture of the sound. `size`: its height and width. */
export function checkPicture(seed: number, settings: SoundSettings, size: number): SoundPicture {
  const stream = new PictureStream(settings, settings.rate, size);
  stream.feed(checkSound(seed, settings));
  return stream.picture()!;
}
