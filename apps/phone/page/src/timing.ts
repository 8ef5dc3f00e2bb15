/** Measurements: modes, repeats in fresh workers, figures. */
import type { Minute } from "./loop";
import { element, facts, milliseconds, status, table, words } from "./page";
import type { Measured } from "./protocol";
import { p } from "./quantiles";
import type { Frames, Runner } from "./runner";
import { fetchBytes, post } from "./server";
import type { Session } from "./session";
import { keepAwake } from "./wake";

const TITLES: Record<string, string> = {
  rapid: "Rapid",
  quick: "Quick",
  normal: "Normal",
  paced: "Paced, as from a camera",
  sustained: "Sustained: does it throttle?",
};

export class Timing {
  private frames: Frames | null = null;
  private running = false;
  /** Why it was broken off. */
  private cancelled: string | null = null;

  constructor(private readonly session: Session) {
    const select = element<HTMLSelectElement>("mode");
    for (const mode of Object.keys(session.job.modes)) select.append(new Option(TITLES[mode] ?? mode, mode));
    select.value = session.job.mode ?? "quick";
    select.onchange = () => this.describe();
    element("bench").onclick = () => void (this.running ? this.cancel("stopped by hand") : this.run(select.value));
    document.addEventListener("visibilitychange", () => {
      // Browsers slow hidden pages down: what was timed then would be no measurement.
      if (this.running && document.visibilityState === "hidden") this.cancel("the page was left");
    });
    this.describe();
  }

  /** Time all repeats of a mode; where the command asked for it, say when they all arrived. */
  async run(mode: string): Promise<void> {
    const { session } = this;
    const { repeats, ...plan } = session.job.modes[mode]!;
    this.running = true;
    this.cancelled = null;
    session.lock(true, "bench");
    element("bench").textContent = "Stop timing";
    facts("figures", []);
    table("points", []);
    await keepAwake(true);
    const all: Measured[] = [];
    let arrived = 0;
    const run = crypto.getRandomValues(new Uint32Array(1))[0]!;
    try {
      this.frames ??= await this.fetchFrames();
      for (let repeat = 0; repeat < repeats && this.cancelled === null; repeat++) {
        const runner = await session.open();
        const { opened } = session;
        const { checked, error } = await this.proven(runner);
        if (error) throw error;
        const minutes: Minute[] = [];
        runner.progress = (done, minute, warming) => {
          const share = `${warming ? "warming up" : `${Math.round(Math.min(done, 1) * 100)} %`}`;
          status(`${TITLES[mode]}: ${repeat + 1} of ${repeats}, ${share}`);
          element<HTMLProgressElement>("progress").value = (repeat + Math.min(done, 1)) / repeats;
          if (!minute) return;
          minutes.push(minute);
          this.points(minutes);
          void post("minute", { run, repeat, point: minute });
        };
        const found = await runner.bench(this.frames, plan);
        all.push(found);
        const { kind: _, ...fields } = found;
        const { accelerator, threads, precision, runtime, start, load } = opened;
        const how = { accelerator, threads, precision, runtime, start, load, checked };
        const sent = await post("repeat", { run, repeat, mode, ...how, ...fields });
        arrived += Number(sent);
        this.show(all, opened.runtime, sent);
      }
    } catch (error) {
      if (this.cancelled === null) await this.trouble(words(error));
    }
    this.running = false;
    session.lock(false);
    element("bench").textContent = "Start timing";
    await keepAwake(false);
    if (all.length < repeats) {
      if (this.cancelled !== null) status(this.cancelled, true);
      return;
    }
    element<HTMLProgressElement>("progress").value = 1;
    if (arrived < repeats) return status(`${TITLES[mode]}: done, but not all was sent: the server is gone.`, true);
    status(`${TITLES[mode]}: done, ${repeats} of ${repeats}.`);
    // Also if it was begun again by hand: the command waits for nothing else.
    if (session.job.mode === mode && (await post("finished"))) status("Timed, and sent. The server has stopped.");
  }

  private async proven(runner: Runner): Promise<{ checked: boolean | null; error?: Error }> {
    if (!this.session.artifact.spec.check) return { checked: null };
    const { error, tolerance, repeatable } = await runner.check();
    if (repeatable && error <= tolerance) return { checked: true };
    return { checked: false, error: new Error("its self-check fails here: there is nothing to time") };
  }

  private cancel(why: string): void {
    if (this.cancelled !== null) return;
    this.cancelled = `timing was broken off: ${why}`;
    this.session.close(); // in whatever phase it is: what waits for the worker is told
    void this.trouble(this.cancelled);
  }

  private async trouble(message: string): Promise<void> {
    status(message, true);
    await post("error", { message });
  }

  private async fetchFrames(): Promise<Frames> {
    status("Fetching frames…");
    const { count, width, height } = this.session.job.frames;
    return { data: await fetchBytes("frames.bin"), count, width, height };
  }

  private describe(): void {
    const plan = this.session.job.modes[element<HTMLSelectElement>("mode").value]!;
    const times = plan.repeats > 1 ? `, ${plan.repeats} times` : "";
    const what = plan.minutes
      ? `${plan.minutes} minutes without a pause, a point each minute`
      : `at least ${plan.steps} steps and ${plan.seconds} s` + (plan.fps ? `, ${plan.fps} frames a second` : "");
    element("plan").textContent = `${what}${times}. Keep the page in front; do not touch it.`;
  }

  private show(all: Measured[], runtime: string, sent: boolean): void {
    const middle = (name: "infer" | "end_to_end", percent: number): string => {
      const found = all.map((one) => p(percent, one[name])).filter((value): value is number => value !== null);
      return milliseconds(found.length ? p(50, found, 1) : null);
    };
    const last = all[all.length - 1]!;
    facts("figures", [
      ["infer p50", middle("infer", 50), "big"],
      ["infer p90", middle("infer", 90)],
      ["end to end p50", middle("end_to_end", 50)],
      ["end to end p90", middle("end_to_end", 90)],
      ["steps", all.map((one) => one.steps).join(", ")],
      ...(last.missed === null ? [] : [["missed frames", all.map((one) => `${one.missed} of ${one.offered}`).join(", ")] as [string, string]]),
      ["warm", all.every((one) => one.warm) ? "yes" : "not settled in 20 s"],
      ["run by", runtime],
      ["sent", sent ? "yes" : "NO: the server is gone", sent ? undefined : "bad"],
    ]);
  }

  private points(minutes: Minute[]): void {
    const shown = (seconds: number | null) => milliseconds(seconds === null ? null : seconds * 1e6);
    const rows = minutes.map(({ minute, p50, p90 }) => [String(minute + 1), shown(p50), shown(p90)]);
    table("points", [["minute", "p50", "p90"], ...rows]);
  }
}
