/** The timed loops, as `benchmarks/latency/loop.py` runs them: same warm-up, same modes, same count of misses. */
import { p, settled } from "./quantiles";
import type { Answer, Picture, Stream } from "./stream";

export interface Minute {
  minute: number;
  steps: number;
  /** Seconds, end to end; null: too few steps to say. */
  p50: number | null;
  p90: number | null;
}

/** Microseconds of every timed step, in order. */
export interface Samples {
  pre: number[];
  infer: number[];
  post: number[];
  end_to_end: number[];
}

export interface Timed extends Samples {
  /** Which of the steps were kept; 1: all of them. */
  every: number;
  steps: number;
  seconds: number;
  /** Frames that the camera of a paced run gave, and those not answered before the next one. */
  offered: number | null;
  missed: number | null;
  minutes: Minute[];
}

/** What a loop tells while it runs: the share that is done. Nothing is told more than twice a second. */
export type Told = (done: number, minute?: Minute) => void;

/** What is to be timed: so many steps and seconds at least; frames a second of a camera, or minutes, where asked for. */
export interface Plan {
  steps: number;
  seconds: number;
  fps: number | null;
  minutes: number | null;
}

const WARM = { steps: 10, seconds: 1, cap: 20, windowSteps: 20, windowSeconds: 0.5 };
const BREATH = 500;
const MINUTE = 60e3;
/** Samples that are kept, an even number; of more, every second one is let go, again and again. */
const MOST = 400_000;

export class Loop {
  private told = 0;

  constructor(
    private readonly stream: Stream,
    private readonly frames: Picture[],
    private readonly tell: Told,
  ) {}

  /** Step until the time of a step has settled: how many it took, and whether it had. */
  async warmUp(): Promise<{ steps: number; warm: boolean }> {
    const begin = performance.now();
    let steps = 0;
    let last = 0;
    for (;;) {
      const window: number[] = [];
      const start = performance.now();
      while (window.length < WARM.windowSteps || performance.now() - start < WARM.windowSeconds * 1e3) {
        window.push((await this.step(steps++)).total);
        await this.breathe(0);
      }
      const now = p(50, window, 1)!;
      const seconds = (performance.now() - begin) / 1e3;
      if (steps >= WARM.steps && seconds >= WARM.seconds && settled(now, last)) return { steps, warm: true };
      if (seconds >= WARM.cap) return { steps, warm: false };
      last = now;
    }
  }

  /** Time what is planned. */
  async run(plan: Plan): Promise<Timed> {
    if (plan.minutes !== null) return this.sustained(plan.minutes);
    return plan.fps === null ? this.steady(plan.steps, plan.seconds) : this.paced(plan.steps, plan.seconds, plan.fps);
  }

  /** Step after step, until there are so many and so much time has passed. */
  private async steady(steps: number, seconds: number): Promise<Timed> {
    const kept = new Kept();
    const begin = performance.now();
    for (;;) {
      kept.add(await this.step(kept.steps));
      const passed = (performance.now() - begin) / 1e3;
      if (passed >= seconds && kept.steps >= steps) return kept.timed(passed);
      await this.breathe(Math.min(kept.steps / steps, passed / Math.max(seconds, 1e-3)));
    }
  }

  /** One frame each 1/fps, as from a camera that keeps only its newest. */
  private async paced(steps: number, seconds: number, fps: number): Promise<Timed> {
    const kept = new Kept();
    const spacing = 1e3 / fps;
    const begin = performance.now();
    for (let index = 0, late = 0; ; ) {
      await until(begin + index * spacing);
      kept.add(await this.step(index));
      const passed = performance.now() - begin;
      const newest = Math.max(index + 1, Math.floor(passed / spacing));
      // This one was late if the next is already there; those between were never looked at.
      late += (passed >= (index + 1) * spacing ? 1 : 0) + newest - index - 1;
      index = newest;
      if (passed >= seconds * 1e3 && kept.steps >= steps) {
        return { ...kept.timed(passed / 1e3), offered: index, missed: late };
      }
      await this.breathe(Math.min(kept.steps / steps, passed / 1e3 / seconds));
    }
  }

  /** Step after step, with a point a minute. */
  private async sustained(minutes: number): Promise<Timed> {
    const kept = new Kept();
    const points: Minute[] = [];
    const begin = performance.now();
    for (let minute = 0; minute < minutes; minute++) {
      const totals: number[] = [];
      while (performance.now() < begin + (minute + 1) * MINUTE) {
        const answer = await this.step(kept.steps);
        kept.add(answer);
        totals.push(answer.total);
        await this.breathe((performance.now() - begin) / (minutes * MINUTE));
      }
      const seconds = (micro: number | null) => (micro === null ? null : micro / 1e6);
      points.push({ minute, steps: totals.length, p50: seconds(p(50, totals)), p90: seconds(p(90, totals)) });
      this.tell((minute + 1) / minutes, points[minute]);
    }
    return { ...kept.timed((performance.now() - begin) / 1e3), minutes: points };
  }

  private step(index: number): Promise<Answer> {
    return this.stream.step(this.frames[index % this.frames.length]!);
  }

  /** Between two steps, twice a second: tell how far it is, and let the browser do what waits. */
  private async breathe(done: number): Promise<void> {
    const now = performance.now();
    if (now - this.told < BREATH) return;
    this.told = now;
    this.tell(done);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** Samples as they come. */
class Kept {
  private samples: Samples = { pre: [], infer: [], post: [], end_to_end: [] };
  private every = 1;
  steps = 0;

  add({ pre, infer, post, total }: Answer): void {
    const { samples } = this;
    if (this.steps++ % this.every !== 0) return;
    samples.pre.push(pre);
    samples.infer.push(infer);
    samples.post.push(post);
    samples.end_to_end.push(total);
    if (samples.pre.length < MOST) return;
    for (const name of Object.keys(samples) as (keyof Samples)[]) {
      samples[name] = samples[name].filter((_, index) => index % 2 === 0);
    }
    this.every *= 2;
  }

  timed(seconds: number): Timed {
    const { samples, every, steps } = this;
    return { ...samples, every, steps, seconds, offered: null, missed: null, minutes: [] };
  }
}

/** Sleep until shortly before a time, then spin: timers of browsers are up to four milliseconds late. */
async function until(due: number): Promise<void> {
  const rest = due - performance.now() - 5;
  if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
  while (performance.now() < due) await Promise.resolve();
}
