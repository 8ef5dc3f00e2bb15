/**
 * Return the answer to frames and a sound, with the roundings of NumPy's float32 arrays.
 *
 * `frames`: sum of the logits of `count` frames; `sound`: logits of the sound, which has the weight `weight`; null: the
 * answer contains no sound.
 */
export function fuse(frames: Float32Array, count: number, sound: Float32Array | null, weight: number): Float32Array {
  return frames.map((total, index) => {
    if (sound === null) return total / count;
    return Math.fround(total + Math.fround(Math.fround(weight) * sound[index]!)) / Math.fround(count + weight);
  });
}
