/** The tab "Camera": feeds the camera's frames to the network, and shows labels, detections and times. */
import { Camera } from "./camera";
import { element, errorText, newElement, showList, showStatus } from "./dom";
import type { GraphWorker } from "./graph-worker";
import { Pacer } from "./pacer";
import { milliseconds, percentile } from "./percentiles";
import { clipLength } from "./ring";
import { post } from "./server";
import type { Session } from "./session";
import { SoundPanel } from "./sound-panel";
import { Spotter } from "./spotter";
import type { Prediction } from "./stream";
import { keepAwake } from "./wake-lock";

/** Number of steps that medians cover; most detections in the list; seconds for which the newest one stays bright. */
const [MEDIAN_STEPS, LISTED, BRIGHT] = [100, 30, 4];
const PHASES = { grab: "camera", pre: "pre", infer: "infer", post: "post", end_to_end: "end to end" };
const ENDED = "the camera ended: another app may be using it, or its permission was withdrawn; start it again";

type CameraTimes = Record<keyof typeof PHASES, number[]>;

export class CameraTab {
  private readonly camera: Camera;
  /** The microphone; null: the network has no sound segment. */
  private readonly sound: SoundPanel | null;
  private worker!: GraphWorker;
  private state: "off" | "starting" | "on" | "paused" = "off";
  /** Counts changes of state. A result that belongs to an earlier state is dropped. */
  private generation = 0;
  private pacer: Pacer | null = null;
  private spotter: Spotter | null = null;
  private busy = false;
  /** Frames since the camera was started, and since the current stream began. */
  private steps = 0;
  private fed = 0;
  /** Of a clip artifact: frames since the last answer, their microseconds, and the times per frame of the last answers. */
  private pending = { frames: 0, time: 0 };
  private perFrame: number[] = [];
  private started = 0;
  private lastDetection = -Infinity;
  private times = noTimes();

  constructor(private readonly session: Session) {
    const { frame, sound } = session.artifact.spec;
    this.camera = new Camera(element<HTMLVideoElement>("video"), frame.fit);
    this.sound = sound && new SoundPanel(sound, frame.width, () => this.worker);
    element("camera-button").onclick = () => void (this.running ? this.stop() : this.start());
    element("switch-button").onclick = () => void this.switchCamera();
    element("mirror-button").onclick = () => this.mirror(!this.camera.mirrored);
    document.addEventListener("visibilitychange", () => this.pauseOrResume());
  }

  /** Whether the camera runs or is starting. */
  get running(): boolean {
    return this.state !== "off";
  }

  async start(): Promise<void> {
    if (this.running) return;
    const generation = this.enter("starting");
    this.session.lock(true); // a second tap must not open a second camera
    try {
      this.worker = await this.session.currentWorker();
      if (generation !== this.generation) return;
      const onFrame = (timestamp: number) => void this.process(timestamp);
      if (!(await this.camera.start(onFrame, () => this.pauseOrResume(), () => void this.fail(ENDED)))) return;
    } catch (error) {
      if (generation !== this.generation) return;
      this.enter("off");
      this.camera.stop();
      this.session.lock(false);
      return showStatus(errorText(error), true);
    }
    this.enter("on");
    this.reset();
    this.times = noTimes();
    this.perFrame = [];
    this.steps = 0;
    this.started = performance.now();
    this.session.lock(true, "camera-button");
    this.mirror(this.camera.mirrored);
    this.showControls(true);
    showStatus(`Running on ${this.session.loaded.runtime}`);
    this.pauseOrResume();
    await keepAwake(true);
  }

  async stop(reason = "The camera is off.", bad = false): Promise<void> {
    if (!this.running) return;
    const ran = this.state !== "starting";
    this.enter("off");
    this.camera.stop();
    this.showControls(false);
    this.session.lock(false);
    showStatus(reason, bad);
    await keepAwake(false);
    if (!ran) return;
    const seconds = (performance.now() - this.started) / 1e3;
    const medians = Object.entries(this.times).map(([name, times]) => [name, percentile(50, times)]);
    await post("camera_stopped", { steps: this.steps, seconds, ...Object.fromEntries(medians) });
  }

  private enter(state: CameraTab["state"]): number {
    this.state = state;
    return ++this.generation;
  }

  /** Start a new stream: the next frame is the first one. */
  private reset(): void {
    const { spec } = this.session.artifact;
    this.pacer = spec.frame_spacing === null ? null : new Pacer(spec.frame_spacing);
    this.spotter = spec.rule && new Spotter(spec.rule, spec.labels);
    this.lastDetection = -Infinity;
    this.fed = 0;
    this.pending = { frames: 0, time: 0 };
    this.worker.reset();
  }

  /** Pause while the page is hidden or the camera sends no picture. Afterwards resume with a new stream. */
  private pauseOrResume(): void {
    const hidden = document.visibilityState === "hidden";
    const idle = hidden || this.camera.muted;
    if (this.state === "on" && idle) {
      this.enter("paused");
      this.dim("paused");
      this.sound?.pause(true);
      showStatus(hidden ? "Paused: the page is hidden." : "Paused: the camera sends no picture.", true);
    } else if (this.state === "paused" && !idle) {
      this.enter("on");
      this.reset(); // a gesture does not continue across a pause
      this.camera.resume();
      this.sound?.pause(false);
      showStatus(`Resumed with a new stream on ${this.session.loaded.runtime}`);
    }
  }

  private async fail(message: string): Promise<void> {
    void post("error", { message });
    await this.stop(message, true);
  }

  /** Show a text in place of the current label, and dim the last detection, because it is not current. */
  private dim(text: string): void {
    element("current-label").textContent = text;
    element<HTMLMeterElement>("score").value = 0;
    element("detected").classList.add("past");
  }

  private showControls(running: boolean): void {
    element("camera-button").textContent = running ? "Stop camera" : "Start camera";
    for (const id of ["switch-button", "mirror-button"]) element<HTMLButtonElement>(id).disabled = !running;
    this.sound?.enable(running);
    if (!running) this.dim("camera off");
  }

  private async switchCamera(): Promise<void> {
    this.camera.facing = this.camera.facing === "user" ? "environment" : "user";
    const listening = this.sound?.on;
    await this.stop();
    await this.start();
    if (listening && this.state === "on") await this.sound!.start();
  }

  private mirror(mirrored: boolean): void {
    this.camera.mirror(mirrored);
    element("mirror-button").setAttribute("aria-pressed", String(mirrored));
  }

  /** Feed a frame of the camera if it is due. Frames that come during a step are skipped. */
  private async process(timestamp: number): Promise<void> {
    if (this.state !== "on") return;
    if (timestamp > this.lastDetection + BRIGHT) element("detected").classList.add("past");
    if (this.busy || (this.pacer && !this.pacer.isDue(timestamp))) return;
    this.busy = true;
    const { generation } = this;
    try {
      const start = performance.now();
      const { data, width, height } = this.camera.grab();
      const grab = (performance.now() - start) * 1e3;
      const prediction = await this.worker.step({ pixels: data, width, height, channels: 4 }, timestamp);
      if (generation !== this.generation) return; // stopped or reset in the meantime
      const passed = (performance.now() - start) * 1e3;
      this.addFrame(passed, prediction !== null);
      if (prediction === null) return;
      this.addTimes({ ...prediction, grab, end_to_end: passed });
      this.show(prediction);
      if ("heard" in prediction) this.sound?.show(prediction);
      const detection = this.spotter?.feed(prediction.logits, timestamp);
      if (detection) this.announce(detection.label, detection.score, timestamp);
    } catch (error) {
      if (generation === this.generation) await this.fail(errorText(error));
    } finally {
      this.busy = false;
    }
  }

  /** Count a frame that took `time` microseconds. A clip artifact answers after some frames, and only keeps the others. */
  private addFrame(time: number, answered: boolean): void {
    const { spec } = this.session.artifact;
    const { pending } = this;
    this.steps += 1;
    this.fed += 1;
    pending.frames += 1;
    pending.time += time;
    const needed = clipLength(spec);
    if (this.fed < needed) this.dim(`collecting frames: ${this.fed} of ${needed}`);
    if (!answered) return;
    // The first answer of a stream is left out: it has more frames than the others.
    if (pending.frames === spec.hop && this.perFrame.push(pending.time / pending.frames) > MEDIAN_STEPS) this.perFrame.shift();
    this.pending = { frames: 0, time: 0 };
  }

  private addTimes(step: Record<keyof CameraTimes, number>): void {
    for (const name of Object.keys(this.times) as (keyof CameraTimes)[]) {
      if (this.times[name].push(step[name]) > MEDIAN_STEPS) this.times[name].shift();
    }
  }

  private show({ index, score }: Prediction): void {
    const label = this.session.artifact.spec.labels[index]!;
    element("current-label").textContent = `now: ${label}`;
    element<HTMLMeterElement>("score").value = score;
    // Without an event rule nothing is announced, so the large text shows the label of the current frame.
    if (!this.spotter && element("detected").textContent !== label) element("detected").textContent = label;
    const rows = (Object.keys(PHASES) as (keyof CameraTimes)[]).map((name): [string, string] => {
      return [PHASES[name], milliseconds(percentile(50, this.times[name], 5))];
    });
    if (this.session.artifact.spec.hop === null) return showList("times", [...rows, ["steps", String(this.steps)]]);
    const perFrame = milliseconds(percentile(50, this.perFrame, 5));
    showList("times", [...rows, ["per frame", perFrame], ["frames", String(this.steps)]]);
  }

  private announce(label: string, score: number, timestamp: number): void {
    this.lastDetection = timestamp;
    const line = element("detected");
    line.textContent = label;
    line.classList.remove("past", "fresh");
    void line.offsetWidth; // makes the browser start the animation again
    line.classList.add("fresh");
    const seconds = timestamp - this.started / 1e3;
    const item = newElement("li", `${label} `);
    item.append(newElement("small", `${seconds.toFixed(1)} s`));
    const list = element("detections");
    list.prepend(item);
    while (list.children.length > LISTED) list.lastElementChild!.remove();
    void post("detection", { label, score, timestamp: seconds });
  }
}

function noTimes(): CameraTimes {
  return { grab: [], pre: [], infer: [], post: [], end_to_end: [] };
}
