/**
 * A stream of a network with a sound segment, as `SoundStream` in `edgeshift/stream/sound_stream.py`: it answers to the
 * newest frames and to a sound.
 *
 *     answer = (v_1 + ... + v_n + w s) / (n + w)      n newest frames, at most T; their logits v; logits s of the sound
 */
import type { Engine } from "./engine";
import { Ear, type Hearing } from "./sound/ear";
import { fuse } from "./sound/fuse";
import type { SoundPicture } from "./sound/picture";
import type { SoundSettings } from "./sound/settings";
import type { Spec } from "./spec";
import { microseconds, readout, Stream, type Picture, type Prediction, type SavedStream } from "./stream";

/** Share of `SoundSettings.every` by which a sound may be early, because microphones give samples in pieces. */
const EARLY = 0.2;

/** A prediction, and what the stream heard. */
export interface HeardPrediction extends Prediction {
  heard: Hearing;
  /** The picture of the sound, if this step has made a new one. */
  picture: SoundPicture | null;
}

/** A copy of a stream's states and of the newest logits of frames. It contains no sound. */
export interface SavedSoundStream extends SavedStream {
  answers: Float32Array[];
}

export class SoundStream extends Stream {
  private readonly settings: SoundSettings;
  private readonly ear: Ear;
  /** Runs the pictures of sounds, with states of its own. */
  private readonly sounds: Engine;
  private readonly quiet: Float32Array | null;
  /** Logits of the newest frames. */
  private answers: Float32Array[] = [];
  /** Logits of the newest sound, and the time after its newest sample, seconds. */
  private sound: Float32Array | null = null;
  private heardTo = 0;

  constructor(engine: Engine, spec: Spec) {
    super(engine, spec);
    this.settings = spec.sound!;
    this.ear = new Ear(this.settings, spec.frame.width);
    this.sounds = engine.another();
    this.quiet = spec.quiet && Float32Array.from(spec.quiet);
  }

  /** Take the next samples of the microphone; see `Ear.hear`. Give them before the frame of the same time. */
  hear(samples: Float32Array, timestamp: number, rate: number): void {
    this.ear.hear(samples, timestamp, rate);
  }

  /** Forget all samples, for example when the microphone is switched off. */
  deafen(): void {
    this.ear.deafen();
    this.sound = null;
  }

  override async step(picture: Picture, timestamp: number | null = null): Promise<HeardPrediction> {
    const frame = (await super.step(picture))!;
    const start = performance.now();
    const { heard, picture: sound, infer } = await this.hearSound(timestamp);
    const listened = performance.now();
    this.answers.push(frame.logits);
    this.answers.splice(0, this.answers.length - this.settings.frames);
    const sum = this.answers.reduce((total, logits) => total.map((value, index) => value + logits[index]!));
    const answer = readout(fuse(sum, this.answers.length, this.sound ?? this.quiet, this.settings.weight));
    const end = performance.now();
    return {
      ...answer, heard, picture: sound,
      pre: frame.pre + microseconds(listened - start - infer),
      infer: frame.infer + microseconds(infer),
      post: frame.post + microseconds(end - listened),
      end_to_end: frame.end_to_end + microseconds(end - start),
    };
  }

  /** Return the logits of a picture of a sound alone. The frames and the sound of this stream stay as they are. */
  answerTo(picture: SoundPicture): Promise<Float32Array> {
    this.sounds.reset();
    return this.sounds.step(Float32Array.from(picture));
  }

  /** Begin a new sequence of frames. The samples so far are forgotten as well. */
  override reset(): void {
    super.reset();
    this.answers = [];
    this.deafen();
  }

  override async save(): Promise<SavedSoundStream> {
    return { ...(await super.save()), answers: this.answers.map((logits) => logits.slice()) };
  }

  override restore(saved: SavedStream): void {
    super.restore(saved);
    this.answers = (saved as SavedSoundStream).answers.map((logits) => logits.slice());
    this.sound = null;
  }

  /** Compute the logits of the sound if they are due. `infer`: milliseconds in the runtime. */
  private async hearSound(
    timestamp: number | null,
  ): Promise<{ heard: Hearing; picture: SoundPicture | null; infer: number }> {
    const heard = this.ear.hearing(timestamp);
    const { end } = this.ear;
    if (heard !== "heard" || end === null) {
      this.sound = null;
      return { heard, picture: null, infer: 0 };
    }
    if (this.sound !== null && end - this.heardTo < (1 - EARLY) * this.settings.every) {
      return { heard, picture: null, infer: 0 };
    }
    const picture = this.ear.picture();
    const start = performance.now();
    this.sound = await this.answerTo(picture);
    this.heardTo = end;
    return { heard, picture, infer: performance.now() - start };
  }
}
