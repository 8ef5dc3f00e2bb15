/**
 * A stream of a clip artifact with a sound segment, as `SoundClipStream` in `edgeshift/stream/sound_clip_stream.py`.
 *
 *     answer = (v_1 + ... + v_T + w s) / (T + w)      T frames of a clip; their logits v; logits s of the sound
 *
 * The graph takes the T frames and the picture of a sound, and returns two rows: the mean of the frames' logits, and the
 * logits of the sound. If there is no usable sound, it gets a black picture, and its second row is not used.
 */
import type { Engine } from "./engine";
import { clipLength } from "./ring";
import { Ear, type Hearing } from "./sound/ear";
import { fuse } from "./sound/fuse";
import type { SoundPicture } from "./sound/picture";
import type { SoundSettings } from "./sound/settings";
import type { Spec } from "./spec";
import { Stream } from "./stream";

export class SoundClipStream extends Stream {
  private readonly settings: SoundSettings;
  private readonly ear: Ear;
  private readonly frames: number;
  private readonly quiet: Float32Array | null;
  private heard: Hearing = "deaf";
  private picture: SoundPicture | null = null;
  /** Mean of the logits of the newest clip's frames, without a sound. */
  frameLogits: Float32Array;

  constructor(engine: Engine, spec: Spec) {
    super(engine, spec);
    this.settings = spec.sound!;
    this.ear = new Ear(this.settings, spec.frame.width);
    this.frames = clipLength(spec);
    this.quiet = spec.quiet && Float32Array.from(spec.quiet);
    this.frameLogits = new Float32Array(spec.labels.length);
  }

  /** Take the next samples of the microphone; see `Ear.hear`. Give them before the frame of the same time. */
  hear(samples: Float32Array, timestamp: number, rate: number): void {
    this.ear.hear(samples, timestamp, rate);
  }

  /** Forget all samples. */
  deafen(): void {
    this.ear.deafen();
    this.picture = null;
  }

  /** Forget all frames and samples. */
  override reset(): void {
    super.reset();
    this.deafen();
  }

  /** Return the logits of a picture of a sound alone. The frames and the sound of this stream stay as they are. */
  async answerTo(picture: SoundPicture): Promise<Float32Array> {
    const clip = new Float32Array((this.frames + 1) * picture.length);
    clip.set(picture, this.frames * picture.length);
    return rows(await this.engine.step(clip))[1];
  }

  protected override listen(
    input: Float32Array, timestamp: number | null,
  ): { heard: Hearing; picture: SoundPicture | null } {
    this.heard = this.ear.hearing(timestamp);
    this.picture = this.heard === "heard" ? this.ear.picture() : null;
    const place = input.subarray((input.length / (this.frames + 1)) * this.frames);
    if (this.picture) place.set(this.picture);
    else place.fill(0);
    return { heard: this.heard, picture: this.picture };
  }

  protected override answer(values: Float32Array): Float32Array {
    const [frames, sound] = rows(values);
    this.frameLogits = frames;
    const sum = frames.map((logit) => logit * this.frames);
    return fuse(sum, this.frames, this.picture ? sound : this.quiet, this.settings.weight);
  }
}

function rows(values: Float32Array): [frames: Float32Array, sound: Float32Array] {
  return [values.slice(0, values.length / 2), values.slice(values.length / 2)];
}
