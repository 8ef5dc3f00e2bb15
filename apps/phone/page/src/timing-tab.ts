/** The tab "Timing": measures latency in the modes of `edgeshift bench`, and sends the results to the server. */
import { element, errorText, showList, showStatus, showTable } from "./dom";
import type { MinutePoint } from "./loop";
import { milliseconds, percentile } from "./percentiles";
import type { Frames, Measurement } from "./protocol";
import { fetchBytes, post } from "./server";
import type { Session } from "./session";
import type { Phase } from "./stream";
import { keepAwake } from "./wake-lock";

const TITLES: Record<string, string> = {
  rapid: "Rapid",
  quick: "Quick",
  normal: "Normal",
  paced: "Paced (at a camera's frame rate)",
  sustained: "Sustained (does it slow down?)",
};

export class TimingTab {
  private frames: Frames | null = null;
  private running = false;
  /** Why the measurement was cancelled; null: it was not cancelled. */
  private cancelled: string | null = null;

  constructor(private readonly session: Session) {
    const select = element<HTMLSelectElement>("mode");
    for (const mode of Object.keys(session.job.modes)) select.append(new Option(TITLES[mode] ?? mode, mode));
    select.value = session.job.mode ?? "quick";
    select.onchange = () => this.describePlan(select.value);
    element("timing-button").onclick = () => {
      void (this.running ? this.cancel("stopped by hand") : this.run(select.value));
    };
    document.addEventListener("visibilitychange", () => {
      // Browsers slow hidden pages down, so their times are not valid.
      if (this.running && document.visibilityState === "hidden") this.cancel("the page was hidden");
    });
    this.describePlan(select.value);
  }

  /** Measure all repeats of a mode. If the command requested this mode, finish when all of them have been sent. */
  async run(mode: string): Promise<void> {
    const { session } = this;
    const plan = session.job.modes[mode]!;
    this.running = true;
    this.cancelled = null;
    session.lock(true, "timing-button");
    element("timing-button").textContent = "Stop timing";
    showList("results", []);
    showTable("minutes", [], []);
    await keepAwake(true);
    const measured: Measurement[] = [];
    let sent = 0;
    const run = crypto.getRandomValues(new Uint32Array(1))[0]!;
    try {
      this.frames ??= await this.fetchFrames();
      while (measured.length < plan.repeats && this.cancelled === null) {
        if (await this.measureRepeat(mode, run, measured)) sent += 1;
      }
    } catch (error) {
      if (this.cancelled === null) await this.reportError(errorText(error));
    }
    this.running = false;
    session.lock(false);
    element("timing-button").textContent = "Start timing";
    await keepAwake(false);
    if (this.cancelled !== null) showStatus(this.cancelled, true);
    if (measured.length < plan.repeats) return;
    element<HTMLProgressElement>("progress").value = 1;
    if (sent < plan.repeats) {
      return showStatus(`${TITLES[mode]}: done, but not all results were sent, because the server has stopped.`, true);
    }
    showStatus(`${TITLES[mode]}: done, ${plan.repeats} of ${plan.repeats} repeats.`);
    // The command waits for this mode, even if the user has cancelled and restarted its measurement.
    if (session.job.mode !== mode || !(await post("finished"))) return;
    showStatus("All results were sent. The server has stopped.");
  }

  /** Measure one repeat in a new worker, add it to `measured`, and send it. Returns whether it arrived. */
  private async measureRepeat(mode: string, run: number, measured: Measurement[]): Promise<boolean> {
    const { session } = this;
    const plan = session.job.modes[mode]!;
    const repeat = measured.length;
    const worker = await session.newWorker();
    const { accelerator, threads, precision, runtime, start, load } = session.loaded;
    const checked = session.artifact.spec.check ? (await worker.check()).ok : null;
    if (checked === false) throw new Error("the self-check failed on this phone, so nothing was timed");
    const minutes: MinutePoint[] = [];
    worker.onProgress = (done, point, warming) => {
      const share = warming ? "warming up" : `${Math.round(Math.min(done, 1) * 100)}%`;
      showStatus(`${TITLES[mode]}: repeat ${repeat + 1} of ${plan.repeats}, ${share}`);
      element<HTMLProgressElement>("progress").value = (repeat + Math.min(done, 1)) / plan.repeats;
      if (!point) return;
      minutes.push(point);
      this.showMinutes(minutes);
      void post("minute", { run, repeat, point });
    };
    const measurement = await worker.measure(this.frames!, plan);
    measured.push(measurement);
    const backend = { accelerator, threads, precision, runtime, start, load };
    const arrived = await post("repeat", { run, repeat, mode, ...backend, checked, ...measurement });
    this.showResults(measured, runtime, arrived);
    return arrived;
  }

  private cancel(reason: string): void {
    if (this.cancelled !== null) return;
    this.cancelled = `timing was cancelled: ${reason}`;
    this.session.close(); // this also ends the worker's current request, with an error
    void this.reportError(this.cancelled);
  }

  private async reportError(message: string): Promise<void> {
    showStatus(message, true);
    await post("error", { message });
  }

  private async fetchFrames(): Promise<Frames> {
    showStatus("Fetching frames…");
    const { count, width, height } = this.session.job.frames;
    return { data: await fetchBytes("frames.bin"), count, width, height };
  }

  private describePlan(mode: string): void {
    const { steps, seconds, repeats, fps, minutes } = this.session.job.modes[mode]!;
    const rate = fps ? `, at ${fps} frames per second` : "";
    const unit = this.session.artifact.spec.hop === null ? "steps" : "answers";
    const length = minutes ? `${minutes} minutes without a pause` : `at least ${steps} ${unit} and ${seconds} s${rate}`;
    const text = `Repeats: ${repeats}. Each takes ${length}. Keep this page open and do not touch the screen.`;
    element("plan").textContent = text;
  }

  private showResults(measured: Measurement[], runtime: string, sent: boolean): void {
    const { hop } = this.session.artifact.spec;
    const median = (phase: Phase, percent: number, frames = 1): string => {
      const values = measured.map((repeat) => percentile(percent, repeat[phase])).filter((value) => value !== null);
      const middle = percentile(50, values, 1);
      return milliseconds(middle === null ? null : middle / frames);
    };
    const paced = measured.filter((repeat) => repeat.missed !== null);
    const missed = paced.map((repeat) => `${repeat.missed} of ${repeat.offered}`);
    showList("results", [
      ["infer p50", median("infer", 50), "big"],
      ["infer p90", median("infer", 90)],
      ["end to end p50", median("end_to_end", 50)],
      ["end to end p90", median("end_to_end", 90)],
      // A paced run times only the last frame of each answer.
      ...(hop !== null && !paced.length ? [["per frame p50", median("end_to_end", 50, hop)] as [string, string]] : []),
      [hop === null ? "steps" : `answers, each for ${hop} frames`, measured.map((repeat) => repeat.steps).join(", ")],
      ...(missed.length ? [["missed frames", missed.join(", ")] as [string, string]] : []),
      ["warm-up", measured.every((repeat) => repeat.warm) ? "settled" : "not settled after 20 s"],
      ["runtime", runtime],
      ["results sent", sent ? "yes" : "NO: the server has stopped", sent ? "" : "bad"],
    ]);
  }

  private showMinutes(minutes: MinutePoint[]): void {
    const time = (seconds: number | null) => milliseconds(seconds === null ? null : seconds * 1e6);
    const rows = minutes.map(({ minute, p50, p90 }) => [`${minute + 1}`, time(p50), time(p90)]);
    showTable("minutes", ["minute", "p50", "p90"], rows);
  }
}
