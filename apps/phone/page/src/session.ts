/** What all parts of the page share: the job, the artifact, and the worker that has it open. */
import type { Artifact } from "./artifact";
import { canThread, type Choice } from "./engine";
import { element, status } from "./page";
import type { Opened } from "./protocol";
import { Runner } from "./runner";
import type { Job } from "./server";

export class Session {
  runner!: Runner;
  opened!: Opened;
  choice: Choice;
  /** Something runs that nothing else must disturb. */
  busy = false;

  constructor(
    readonly job: Job,
    readonly artifact: Artifact,
  ) {
    this.choice = { accelerator: job.accelerator, threads: job.threads };
  }

  /** A fresh worker, for the choice that is made. */
  async open(): Promise<Opened> {
    this.runner?.close();
    try {
      [this.runner, this.opened] = await Runner.open(this.artifact, this.choice, status);
    } catch (error) {
      if (this.choice.accelerator === "webgpu" || this.choice.threads === 1) throw error;
      this.choice = { accelerator: "cpu", threads: 1 }; // threads need more of a browser than one alone
      return this.open();
    }
    const fallen = this.opened.accelerator !== this.choice.accelerator;
    status(
      fallen
        ? `WebGPU does not take the whole graph here: it runs on ${this.opened.runtime}`
        : `Ready: ${this.opened.runtime}${this.opened.whole ? "" : ", in part on the processor"}`,
      fallen || !this.opened.whole,
    );
    return this.opened;
  }

  /** Switch everything that begins something, while something runs or does not. */
  lock(busy: boolean, ...but: string[]): void {
    this.busy = busy;
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
