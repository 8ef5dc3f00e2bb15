/** Opens the phone's microphone, and gives its samples in pieces with the times at which they were recorded. */
import { requireRate } from "./analysis";
import { SoundClock } from "./clock";
import type { SoundSettings } from "./settings";
import workletScript from "./worklet.ts?worker&url";

/** The next samples, mono, from -1 to 1. */
export interface Piece {
  samples: Float32Array<ArrayBuffer>;
  /** Time of the first sample in seconds, on the clock of `performance.now()` and of the camera's frames. */
  timestamp: number;
  /** Samples per second. */
  rate: number;
  /** Whether samples before this piece were lost. */
  lost: boolean;
}

/** Browsers change speech and remove other sounds unless the page declines it. */
const CONSTRAINTS = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const NO_MODULE =
  "the microphone could not be started, because the server has stopped: run the command again and open its new address";

export class Microphone {
  /** Kept between two starts, so that the microphone can start again after the server has stopped. */
  private context: AudioContext | null = null;
  private module: Promise<void> | null = null;
  private stream: MediaStream | null = null;
  private source: MediaStreamAudioSourceNode | null = null;
  private node: AudioWorkletNode | null = null;
  private paused = false;
  private clock!: SoundClock;
  /** Counts starts and stops. A microphone that opens only after it was stopped is released. */
  private generation = 0;

  constructor(private readonly settings: SoundSettings) {}

  /**
   * Open the microphone. Call this when the user has pressed a button. Returns false if it was stopped in the meantime.
   *
   * `onPiece` is called with each piece, and `onEnded` when the microphone ends by itself.
   */
  async start(onPiece: (piece: Piece) => void, onEnded: () => void): Promise<boolean> {
    const generation = ++this.generation;
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("this browser gives this page no microphone: open the page over HTTPS, or over HTTP on localhost");
    }
    const context = (this.context ??= new AudioContext());
    requireRate(this.settings, context.sampleRate);
    void context.resume(); // now, because browsers allow it only shortly after the user has pressed a button
    this.module ??= context.audioWorklet.addModule(workletScript);
    await this.module.catch(() => {
      this.module = null;
      throw new Error(NO_MODULE);
    });
    const stream = await navigator.mediaDevices.getUserMedia({ audio: CONSTRAINTS, video: false });
    if (generation !== this.generation) {
      for (const track of stream.getTracks()) track.stop();
      return false;
    }
    this.stream = stream;
    this.paused = false;
    this.source = context.createMediaStreamSource(stream);
    this.node = new AudioWorkletNode(context, "listener", { channelCount: 1, channelCountMode: "explicit" });
    this.clock = new SoundClock(context.sampleRate);
    this.node.port.onmessage = ({ data }: MessageEvent<Float32Array<ArrayBuffer>>) => {
      const arrival = performance.now() / 1e3;
      if (generation !== this.generation || this.paused) return;
      onPiece({ samples: data, rate: context.sampleRate, ...this.clock.stamp(data.length, arrival) });
    };
    // Browsers run only what is connected to the loudspeaker, which gets silence.
    this.source.connect(this.node).connect(context.destination);
    stream.getAudioTracks()[0]!.onended = onEnded;
    // Phones interrupt the sound during a call.
    context.onstatechange = () => {
      if (generation === this.generation && context.state !== "running") void context.resume().catch(() => undefined);
    };
    await context.resume();
    return generation === this.generation;
  }

  /** Switch the microphone off while the page is hidden (true), or on again (false). */
  pause(paused: boolean): void {
    this.paused = paused;
    for (const track of this.stream?.getTracks() ?? []) track.enabled = !paused;
    if (!paused && this.context) this.clock = new SoundClock(this.context.sampleRate);
  }

  /** Release the microphone. */
  stop(): void {
    this.generation += 1;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.source?.disconnect();
    this.node?.disconnect();
    this.node?.port.close();
    this.stream = this.source = this.node = null;
    void this.context?.suspend();
  }
}
