/** What all parts of the page share: the job, the artifact, and the worker that has it open. */
import type { Artifact } from "./artifact";
import { canThread, type Choice } from "./engine";
import { element, status, words } from "./page";
import type { Opened } from "./protocol";
import { Closed, Runner } from "./runner";
import type { Job } from "./server";

export class Session {
  opened!: Opened;
  choice: Choice;
  private runner: Runner | null = null;
  private opening: Promise<Runner> | null = null;
  /** Counts what was begun: what was given up meanwhile is let go. */
  private turn = 0;

  constructor(
    readonly job: Job,
    readonly artifact: Artifact,
  ) {
    this.choice = { accelerator: job.accelerator, threads: job.threads };
  }

  /** The worker that is there, or a fresh one where there is none any more. */
  usable(): Promise<Runner> {
    return this.opening && this.runner && !this.runner.closed ? this.opening : this.open();
  }

  /** A fresh worker, for the choice that is made. */
  open(): Promise<Runner> {
    this.close();
    return (this.opening = this.begin(this.turn));
  }

  /** End the worker, whatever it is doing, also while it starts. */
  close(): void {
    this.turn += 1;
    this.runner?.close();
  }

  private async begin(turn: number): Promise<Runner> {
    const asked = this.choice;
    let trouble = "";
    let runner: Runner;
    try {
      runner = await this.load(turn);
    } catch (error) {
      if (error instanceof Closed || asked.accelerator === "webgpu" || asked.threads === 1) throw error;
      trouble = words(error);
      this.choice = { accelerator: "cpu", threads: 1 }; // threads need more of a browser than one alone
      runner = await this.load(turn);
    }
    const { accelerator, threads, runtime, whole } = this.opened;
    if (asked.accelerator === "cpu") this.choice = { accelerator: "cpu", threads };
    element<HTMLSelectElement>("choice").value = name(this.choice);
    if (accelerator !== asked.accelerator) status(`WebGPU does not take the whole graph here: it runs on ${runtime}`, true);
    else if (threads < asked.threads) status(`${name(asked)}: ${trouble || "not in this browser"}; it runs on ${runtime}`, true);
    else status(`Ready: ${runtime}${whole ? "" : ", in part on the processor"}`, !whole);
    return runner;
  }

  private async load(turn: number): Promise<Runner> {
    const runner = await Runner.start(this.choice, status);
    if (turn !== this.turn) {
      runner.close();
      throw new Closed();
    }
    this.runner = runner;
    this.opened = await runner.load(this.artifact, this.choice);
    return runner;
  }

  /** Switch everything that begins something, while something runs or does not. */
  lock(busy: boolean, ...but: string[]): void {
    for (const id of ["watch", "bench", "check", "choice", "mode"]) {
      element<HTMLButtonElement>(id).disabled = busy && !but.includes(id);
    }
  }
}

/** What a phone can be asked to run on: one thread, the threads that seem worth it, the graphics unit. */
export async function choices(job: Job): Promise<Choice[]> {
  const found: Choice[] = [{ accelerator: "cpu", threads: 1 }];
  if (await canThread()) {
    const cores = navigator.hardwareConcurrency || 1;
    for (const threads of [2, 4]) if (threads <= cores) found.push({ accelerator: "cpu", threads });
  }
  if ("gpu" in navigator) found.push({ accelerator: "webgpu", threads: 1 });
  const asked = { accelerator: job.accelerator, threads: job.threads };
  return found.some((one) => name(one) === name(asked)) ? found : [...found, asked];
}

export function name({ accelerator, threads }: Choice): string {
  return accelerator === "webgpu" ? "WebGPU" : `CPU, ${threads} thread${threads > 1 ? "s" : ""}`;
}
