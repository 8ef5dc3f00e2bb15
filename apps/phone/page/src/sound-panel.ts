/** The microphone's button and what the network hears: the word "listening", the picture of the sound, and a text. */
import { element, errorText, showStatus } from "./dom";
import type { GraphWorker } from "./graph-worker";
import { post } from "./server";
import type { Hearing } from "./sound/ear";
import { Microphone } from "./sound/microphone";
import type { SoundPicture } from "./sound/picture";
import type { SoundSettings } from "./sound/settings";
import type { HeardPrediction } from "./sound-stream";

/** Why the network gets no sound. */
const REASONS: Record<Hearing, string> = {
  heard: "",
  deaf: "no sound yet",
  waiting: "collecting sound",
  late: "the sound is late",
  silent: "microphone is silent",
  clipped: "sound is too loud",
};
const ENDED = "the microphone ended: another app may be using it, or its permission was withdrawn; press Mic again";

export class SoundPanel {
  private readonly microphone: Microphone;
  private readonly button = element<HTMLButtonElement>("microphone-button");
  private readonly canvas = element<HTMLCanvasElement>("sound-picture");
  private readonly context = this.canvas.getContext("2d")!;
  private state: "off" | "starting" | "on" = "off";
  /** Counts changes of state. */
  private generation = 0;

  /** `size`: height and width of the picture of the sound; `worker`: returns the worker that hears. */
  constructor(
    settings: SoundSettings, size: number,
    private readonly worker: () => GraphWorker,
  ) {
    this.microphone = new Microphone(settings);
    Object.assign(this.canvas, { width: size, height: size });
    this.button.hidden = false;
    this.button.onclick = () => void (this.on ? this.stop() : this.start());
  }

  /** Whether the microphone runs or is starting. */
  get on(): boolean {
    return this.state !== "off";
  }

  /** Allow the button while the camera runs. When the camera stops, the microphone is released. */
  enable(enabled: boolean): void {
    this.button.disabled = !enabled;
    if (!enabled) this.stop();
  }

  async start(): Promise<void> {
    if (this.on) return;
    this.enter("starting");
    const { generation } = this;
    try {
      const worker = this.worker();
      const started = await this.microphone.start(({ samples, timestamp, rate, lost }) => {
        if (lost) worker.deafen();
        worker.hear(samples, timestamp, rate);
      }, () => this.fail(ENDED));
      if (started) this.enter("on");
    } catch (error) {
      if (generation !== this.generation) return; // stopped in the meantime
      this.stop();
      showStatus(errorText(error, "microphone"), true);
    }
  }

  /** Release the microphone. The network forgets the sound. */
  stop(): void {
    if (!this.on) return;
    this.microphone.stop();
    this.worker().deafen();
    this.enter("off");
  }

  /** Switch the microphone off while the camera is paused (true), or on again (false). */
  pause(paused: boolean): void {
    if (!this.on) return;
    this.microphone.pause(paused);
    this.describe(paused ? "paused" : "listening", "");
    this.clear();
  }

  /** Show what a prediction contains. */
  show({ heard, picture }: HeardPrediction): void {
    if (this.state !== "on") return;
    this.describe("listening", REASONS[heard]);
    if (heard !== "heard") this.clear();
    else if (picture) this.draw(picture);
  }

  private fail(message: string): void {
    this.stop();
    showStatus(message, true);
    void post("error", { message });
  }

  private enter(state: SoundPanel["state"]): void {
    this.state = state;
    this.generation += 1;
    this.button.setAttribute("aria-pressed", String(this.on));
    element("sound").hidden = !this.on;
    this.describe(state === "on" ? "listening" : "starting…", "");
    this.clear();
  }

  private describe(doing: string, reason: string): void {
    element("listening").textContent = doing;
    element("listening").classList.toggle("live", doing === "listening");
    element("heard").textContent = reason;
  }

  private clear(): void {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** Draw a picture of a sound, with low tones at the bottom. */
  private draw(picture: SoundPicture): void {
    const size = this.canvas.width;
    const image = this.context.createImageData(size, size);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const [to, from] = [((size - 1 - y) * size + x) * 4, (y * size + x) * 3];
        image.data.set(picture.subarray(from, from + 3), to); // values beyond 0 to 255 are cut off
        image.data[to + 3] = 255;
      }
    }
    this.context.putImageData(image, 0, 0);
  }
}
