/**
 * The timed loops. A timed step of a clip artifact is one answer: the frames since the last answer, and one run. Modes, warm-up and the count of missed frames follow `benchmarks/latency/loop.py`, except for its
 * shorter warm-up windows on slow devices, which are left out here.
 */
import { percentile } from "./percentiles";
import { clipLength } from "./ring";
import type { Spec } from "./spec";
import { microseconds, type Phase, type Picture, type Prediction, type Stream } from "./stream";

/** How long a measurement lasts: `TimingPlan` in `job.py`. */
export interface TimingPlan {
  steps: number;
  seconds: number;
  repeats: number;
  fps: number | null;
  minutes: number | null;
}

/** One minute of a sustained run: end-to-end percentiles in seconds; null: too few steps. */
export interface MinutePoint {
  minute: number;
  steps: number;
  p50: number | null;
  p90: number | null;
}

/** Times of the timed steps, in order, microseconds. */
export type Samples = Record<Phase, number[]>;

export interface Timings extends Samples {
  /** The samples contain one of this many steps. */
  every: number;
  steps: number;
  seconds: number;
  /** Frames that the simulated camera gave, and those without an answer before the next one; null unless paced. */
  offered: number | null;
  missed: number | null;
  minutes: MinutePoint[];
}

/** Called with the share that is done, at most twice a second, and with each minute that ends. */
export type OnProgress = (done: number, minute: MinutePoint | null) => void;

/** Least steps and seconds of the warm-up, its longest duration in seconds, least steps and seconds of a window. */
const WARM_UP = { steps: 10, seconds: 1, limit: 20, windowSteps: 20, windowSeconds: 0.5 };
/** The warm-up ends when the median step times of two successive windows differ by at most this share. */
const SETTLED = 0.02;
/** Milliseconds between two reports of progress. */
const PROGRESS = 500;
const MINUTE = 60e3;
/** Whenever this many samples (an even number) have been collected, every second one of them is dropped. */
const MOST = 400_000;

export class Loop {
  private reported = 0;
  private fed = 0;
  /** Number of pictures of a step. */
  private readonly hop: number;

  constructor(
    private readonly stream: Stream,
    private readonly spec: Spec,
    private readonly pictures: Picture[],
    private readonly onProgress: OnProgress,
  ) {
    this.hop = spec.hop ?? 1;
  }

  /** Start a new stream and time its first step, microseconds. Earlier frames of a clip's first answer are not timed. */
  async first(): Promise<number> {
    this.stream.reset();
    for (let index = this.hop; index < clipLength(this.spec); index++) await this.feed();
    return (await this.step()).end_to_end;
  }

  /** Step until the step time has settled. Returns the number of steps, and whether it settled. */
  async warmUp(): Promise<{ steps: number; warm: boolean }> {
    const start = performance.now();
    for (let steps = 0, previous = 0; ; ) {
      const window: number[] = [];
      const windowStart = performance.now();
      while (window.length < WARM_UP.windowSteps || performance.now() - windowStart < WARM_UP.windowSeconds * 1e3) {
        window.push((await this.step()).end_to_end);
        steps += 1;
        await this.pause(0);
      }
      const median = percentile(50, window, 1)!;
      const seconds = (performance.now() - start) / 1e3;
      const settled = previous > 0 && Math.abs(median - previous) <= SETTLED * previous;
      if (steps >= WARM_UP.steps && seconds >= WARM_UP.seconds && settled) return { steps, warm: true };
      if (seconds >= WARM_UP.limit) return { steps, warm: false };
      previous = median;
    }
  }

  /** Run the timed loop of a plan. */
  async run({ steps, seconds, fps, minutes }: TimingPlan): Promise<Timings> {
    if (minutes !== null) return this.runSustained(minutes);
    return fps === null ? this.runSteady(steps, seconds) : this.runPaced(steps, seconds, fps);
  }

  /** Step without pauses until both `steps` and `seconds` are reached. */
  private async runSteady(steps: number, seconds: number): Promise<Timings> {
    const kept = new KeptSamples();
    const start = performance.now();
    for (;;) {
      kept.add(await this.step());
      const passed = (performance.now() - start) / 1e3;
      if (passed >= seconds && kept.steps >= steps) return kept.timings(passed);
      await this.pause(Math.min(kept.steps / steps, passed / Math.max(seconds, 1e-3)));
    }
  }

  /** Simulate a camera that has a new frame every 1/fps seconds, and step on the newest frame. */
  private async runPaced(steps: number, seconds: number, fps: number): Promise<Timings> {
    const kept = new KeptSamples();
    const spacing = 1e3 / fps;
    const start = performance.now();
    for (let index = 0, missed = 0; ; ) {
      await waitUntil(start + index * spacing);
      const answer = await this.stream.step(this.pictures[index % this.pictures.length]!);
      if (answer) kept.add(answer); // a clip artifact only keeps most frames
      const passed = performance.now() - start;
      const newest = Math.max(index + 1, Math.floor(passed / spacing));
      // This frame is missed if the next one has come already, and so are the frames that were skipped after it.
      missed += (passed >= (index + 1) * spacing ? 1 : 0) + newest - index - 1;
      index = newest;
      if (passed >= seconds * 1e3 && kept.steps >= steps) {
        return { ...kept.timings(passed / 1e3), offered: index, missed };
      }
      await this.pause(Math.min(kept.steps / steps, passed / 1e3 / seconds));
    }
  }

  /** Step without pauses for a number of minutes, with percentiles for each minute. */
  private async runSustained(minutes: number): Promise<Timings> {
    const kept = new KeptSamples();
    const points: MinutePoint[] = [];
    const start = performance.now();
    for (let minute = 0; minute < minutes; minute++) {
      const seconds: number[] = [];
      while (performance.now() < start + (minute + 1) * MINUTE) {
        const prediction = await this.step();
        kept.add(prediction);
        seconds.push(prediction.end_to_end / 1e6);
        await this.pause((performance.now() - start) / (minutes * MINUTE));
      }
      const [p50, p90] = [percentile(50, seconds), percentile(90, seconds)];
      this.onProgress((minute + 1) / minutes, (points[minute] = { minute, steps: seconds.length, p50, p90 }));
    }
    return { ...kept.timings((performance.now() - start) / 1e3), minutes: points };
  }

  /** Run one step: the next picture, or all pictures of the next answer of a clip artifact. */
  private async step(): Promise<Prediction> {
    const start = performance.now();
    for (let index = 1; index < this.hop; index++) await this.feed();
    const kept = microseconds(performance.now() - start);
    const answer = await this.feed();
    if (answer === null) throw new Error("the artifact gave no answer after a hop");
    if (this.hop === 1) return answer;
    return { ...answer, pre: kept + answer.pre, end_to_end: microseconds(performance.now() - start) };
  }

  private feed(): Promise<Prediction | null> {
    return this.stream.step(this.pictures[this.fed++ % this.pictures.length]!);
  }

  /** Report progress and let the browser do its own work, at most twice a second. Called between two steps. */
  private async pause(done: number): Promise<void> {
    const now = performance.now();
    if (now - this.reported < PROGRESS) return;
    this.reported = now;
    this.onProgress(done, null);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

class KeptSamples {
  private samples: Samples = { pre: [], infer: [], post: [], end_to_end: [] };
  private every = 1;
  steps = 0;

  add(prediction: Prediction): void {
    if (this.steps++ % this.every !== 0) return;
    const names = Object.keys(this.samples) as Phase[];
    for (const name of names) this.samples[name].push(prediction[name]);
    if (this.samples.pre.length < MOST) return;
    for (const name of names) this.samples[name] = this.samples[name].filter((_, index) => index % 2 === 0);
    this.every *= 2;
  }

  timings(seconds: number): Timings {
    const { samples, every, steps } = this;
    return { ...samples, every, steps, seconds, offered: null, missed: null, minutes: [] };
  }
}

/** Sleep until shortly before a time, then loop until it comes, because browsers' timers are up to 4 ms late. */
async function waitUntil(due: number): Promise<void> {
  const rest = due - performance.now() - 5;
  if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
  while (performance.now() < due) await Promise.resolve();
}
