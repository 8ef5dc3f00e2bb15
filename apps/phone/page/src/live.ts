/** The camera, the label, and what was announced. */
import { Camera } from "./camera";
import { Pacer } from "./pacer";
import { element, facts, milliseconds, node, status, words } from "./page";
import { p } from "./quantiles";
import { Spotter } from "./rule";
import { post } from "./server";
import type { Session } from "./session";
import { keepAwake } from "./wake";

/** Steps over which times are shown; announcements that are shown; seconds that one stays bright. */
const SHOWN = 100;
const HISTORY = 30;
const BRIGHT = 4;

export class Live {
  private readonly camera: Camera;
  private pacer: Pacer | null = null;
  private spotter: Spotter | null = null;
  private waiting = false;
  private steps = 0;
  private began = 0;
  private announced = -Infinity;
  private times: Record<"grab" | "pre" | "infer" | "post" | "end_to_end", number[]> = none();

  constructor(private readonly session: Session) {
    this.camera = new Camera(element<HTMLVideoElement>("video"), session.artifact.spec.frame.fit);
    element("watch").onclick = () => void (this.camera.running ? this.stop() : this.start());
    element("turn").onclick = () => void this.turn();
    element("mirror").onclick = () => this.mirror(!this.camera.mirrored);
  }

  get running(): boolean {
    return this.camera.running;
  }

  async start(): Promise<void> {
    const { spec } = this.session.artifact;
    this.session.lock(true, "watch");
    this.pacer = spec.frame_spacing === null ? null : new Pacer(spec.frame_spacing);
    this.spotter = spec.rule && new Spotter(spec.rule, spec.labels);
    this.session.runner.reset();
    this.times = none();
    this.steps = 0;
    this.began = performance.now();
    try {
      await this.camera.start((timestamp) => void this.see(timestamp));
    } catch (error) {
      this.camera.stop();
      this.session.lock(false);
      return status(words(error), true);
    }
    this.mirror(this.camera.mirrored);
    this.controls(true);
    await keepAwake(true);
    status(`Running on ${this.session.opened.runtime}`);
  }

  async stop(): Promise<void> {
    this.camera.stop();
    this.controls(false);
    this.session.lock(false);
    await keepAwake(false);
    status("The camera is off.");
    const seconds = (performance.now() - this.began) / 1e3;
    const medians = Object.fromEntries(Object.entries(this.times).map(([name, all]) => [name, p(50, all)]));
    await post("watched", { steps: this.steps, seconds, ...medians });
  }

  private controls(running: boolean): void {
    element("watch").textContent = running ? "Stop camera" : "Start camera";
    for (const id of ["turn", "mirror"]) element<HTMLButtonElement>(id).disabled = !running;
    if (!running) element("now-label").textContent = "no camera";
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
    if (timestamp > this.announced + BRIGHT) element("label").classList.add("past");
    if (this.waiting || (this.pacer && !this.pacer.takes(timestamp))) return;
    this.waiting = true;
    try {
      const begin = performance.now();
      const image = this.camera.grab();
      const grabbed = performance.now();
      const { data, width, height } = image;
      const answer = await this.session.runner.frame(data.buffer as ArrayBuffer, width, height, timestamp);
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
      if (this.camera.running) {
        await this.stop();
        status(words(error), true);
        void post("trouble", { message: words(error) });
      }
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
    void post("spotted", { label, score, timestamp: seconds });
  }
}

function none(): Live["times"] {
  return { grab: [], pre: [], infer: [], post: [], end_to_end: [] };
}
