/** The camera, the label, and what was announced. */
import { Camera } from "./camera";
import { Pacer } from "./pacer";
import { element, facts, milliseconds, node, status, words } from "./page";
import { p } from "./quantiles";
import { Spotter } from "./rule";
import type { Runner } from "./runner";
import { post } from "./server";
import type { Session } from "./session";
import { keepAwake } from "./wake";

/** Steps over which times are shown; announcements that are shown; seconds that one stays bright. */
const SHOWN = 100;
const HISTORY = 30;
const BRIGHT = 4;

export class Live {
  private readonly camera: Camera;
  private runner!: Runner;
  private state: "off" | "starting" | "on" | "paused" = "off";
  /** Counts changes of state: an answer to what was before one is dropped. */
  private life = 0;
  private pacer: Pacer | null = null;
  private spotter: Spotter | null = null;
  private waiting = false;
  private steps = 0;
  private began = 0;
  private announced = -Infinity;
  private times: Record<"grab" | "pre" | "infer" | "post" | "end_to_end", number[]> = none();

  constructor(private readonly session: Session) {
    this.camera = new Camera(element<HTMLVideoElement>("video"), session.artifact.spec.frame.fit);
    element("watch").onclick = () => void (this.running ? this.stop() : this.start());
    element("turn").onclick = () => void this.turn();
    element("mirror").onclick = () => this.mirror(!this.camera.mirrored);
    document.addEventListener("visibilitychange", () => this.attend());
  }

  /** It runs, or is about to. */
  get running(): boolean {
    return this.state !== "off";
  }

  async start(): Promise<void> {
    if (this.running) return;
    const now = this.enter("starting");
    this.session.lock(true); // a second tap would ask for a second camera
    try {
      this.runner = await this.session.usable();
      if (now !== this.life) return;
      const see = (timestamp: number) => void this.see(timestamp);
      if (!(await this.camera.start(see, () => this.attend(), () => void this.lose()))) return;
    } catch (error) {
      if (now !== this.life) return;
      this.enter("off");
      this.camera.stop();
      this.session.lock(false);
      return status(words(error), true);
    }
    this.enter("on");
    this.forget();
    this.times = none();
    this.steps = 0;
    this.began = performance.now();
    this.session.lock(true, "watch");
    this.mirror(this.camera.mirrored);
    this.controls(true);
    status(`Running on ${this.session.opened.runtime}`);
    this.attend();
    await keepAwake(true);
  }

  async stop(why = "The camera is off.", bad = false): Promise<void> {
    if (!this.running) return;
    const watched = this.state !== "starting";
    this.enter("off");
    this.camera.stop();
    this.controls(false);
    this.session.lock(false);
    status(why, bad);
    await keepAwake(false);
    if (!watched) return;
    const seconds = (performance.now() - this.began) / 1e3;
    const medians = Object.fromEntries(Object.entries(this.times).map(([name, all]) => [name, p(50, all)]));
    await post("camera_stopped", { steps: this.steps, seconds, ...medians });
  }

  private enter(state: Live["state"]): number {
    this.state = state;
    return ++this.life;
  }

  /** Nothing is known of what comes next: the next frame is the first. */
  private forget(): void {
    const { spec } = this.session.artifact;
    this.pacer = spec.frame_spacing === null ? null : new Pacer(spec.frame_spacing);
    this.spotter = spec.rule && new Spotter(spec.rule, spec.labels);
    this.announced = -Infinity;
    this.runner.reset();
  }

  /** Pause where there is nothing to see; go on, from the beginning, where there is again. */
  private attend(): void {
    const hidden = document.visibilityState === "hidden";
    if (this.state === "on" && (hidden || this.camera.silent)) {
      this.enter("paused");
      this.blank("paused");
      status(hidden ? "Paused: the page is hidden." : "Paused: the camera gives no picture.", true);
    } else if (this.state === "paused" && !hidden && !this.camera.silent) {
      this.enter("on");
      this.forget(); // a gesture does not go on across a gap
      this.camera.again();
      status(`Back after a pause, begun anew: running on ${this.session.opened.runtime}`);
    }
  }

  private async lose(): Promise<void> {
    const why = "the camera was lost: another program may have it, or it was forbidden; start it again";
    void post("error", { message: why });
    await this.stop(why, true);
  }

  /** What is shown is of the past. */
  private blank(why: string): void {
    element("now-label").textContent = why;
    element<HTMLMeterElement>("score").value = 0;
    element("label").classList.add("past");
  }

  private controls(running: boolean): void {
    element("watch").textContent = running ? "Stop camera" : "Start camera";
    for (const id of ["turn", "mirror"]) element<HTMLButtonElement>(id).disabled = !running;
    if (!running) this.blank("no camera");
  }

  private async turn(): Promise<void> {
    this.camera.facing = this.camera.facing === "user" ? "environment" : "user";
    await this.stop();
    await this.start();
  }

  private mirror(mirrored: boolean): void {
    this.camera.mirror(mirrored);
    element("mirror").setAttribute("aria-pressed", String(mirrored));
  }

  /** A frame of the camera. While a step runs, frames pass; the next one after it is looked at. */
  private async see(timestamp: number): Promise<void> {
    if (this.state !== "on") return;
    if (timestamp > this.announced + BRIGHT) element("label").classList.add("past");
    if (this.waiting || (this.pacer && !this.pacer.takes(timestamp))) return;
    this.waiting = true;
    const now = this.life;
    try {
      const begin = performance.now();
      const image = this.camera.grab();
      const grabbed = performance.now();
      const { data, width, height } = image;
      const answer = await this.runner.frame(data.buffer as ArrayBuffer, width, height, timestamp);
      if (now !== this.life) return; // it was stopped, or begun anew
      const samples = { grab: (grabbed - begin) * 1e3, end_to_end: (performance.now() - begin) * 1e3 };
      for (const [name, value] of Object.entries({ ...samples, pre: answer.pre, infer: answer.infer, post: answer.post })) {
        const all = this.times[name as keyof typeof this.times];
        if (all.push(value) > SHOWN) all.shift();
      }
      this.steps += 1;
      this.show(answer.index, answer.score);
      const event = this.spotter?.feed(answer.logits, timestamp);
      if (event) this.announce(event.label, event.score, timestamp);
    } catch (error) {
      if (now !== this.life) return;
      void post("error", { message: words(error) });
      await this.stop(words(error), true);
    } finally {
      this.waiting = false;
    }
  }

  private show(index: number, score: number): void {
    const label = this.session.artifact.spec.labels[index]!;
    element("now-label").textContent = `now: ${label}`;
    element<HTMLMeterElement>("score").value = score;
    // Without a rule nothing is announced: the label of the frame is all there is.
    if (!this.spotter && element("label").textContent !== label) element("label").textContent = label;
    facts("timings", [
      ...(["grab", "pre", "infer", "post"] as const).map((name): [string, string] => [name, milliseconds(p(50, this.times[name], 5))]),
      ["end to end", milliseconds(p(50, this.times.end_to_end, 5))],
      ["steps", String(this.steps)],
    ]);
  }

  private announce(label: string, score: number, timestamp: number): void {
    this.announced = timestamp;
    const line = element("label");
    line.textContent = label;
    line.classList.remove("past", "fresh");
    void line.offsetWidth; // begins the flash anew
    line.classList.add("fresh");
    const seconds = timestamp - this.began / 1e3;
    const item = node("li", `${label} `);
    item.append(node("small", `${seconds.toFixed(1)} s`));
    const history = element("history");
    history.prepend(item);
    while (history.children.length > HISTORY) history.lastElementChild!.remove();
    void post("detection", { label, score, timestamp: seconds });
  }
}

function none(): Live["times"] {
  return { grab: [], pre: [], infer: [], post: [], end_to_end: [] };
}
