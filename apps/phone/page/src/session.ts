/** The state that all tabs share: the job, the artifact, and the worker that has loaded the artifact. */
import type { Artifact } from "./artifact";
import { element, errorText, showStatus } from "./dom";
import { canUseThreads, type Backend } from "./engine";
import { Closed, GraphWorker } from "./graph-worker";
import type { Loaded } from "./protocol";
import type { PageJob } from "./server";

export class Session {
  /** What runs the graph in the current worker. */
  loaded!: Loaded;
  /** The backend that the user chose. */
  backend: Backend;
  private worker: GraphWorker | null = null;
  private loading: Promise<GraphWorker> | null = null;
  /** Counts workers. A worker that was replaced while it was starting is closed. */
  private generation = 0;

  constructor(
    readonly job: PageJob,
    readonly artifact: Artifact,
  ) {
    this.backend = { accelerator: job.accelerator, threads: job.threads };
  }

  /** Return the current worker, or a new one if it was closed. */
  currentWorker(): Promise<GraphWorker> {
    return this.loading && this.worker && !this.worker.closed ? this.loading : this.newWorker();
  }

  /** Replace the worker by a new one that runs on `backend`. */
  newWorker(): Promise<GraphWorker> {
    this.close();
    return (this.loading = this.start(this.generation));
  }

  /** End the worker, even while it is loading. */
  close(): void {
    this.generation += 1;
    this.worker?.close();
  }

  /** Disable the controls that start something while something runs, except those in `except`. */
  lock(busy: boolean, ...except: string[]): void {
    for (const id of ["camera-button", "timing-button", "check-button", "backend", "mode"]) {
      element<HTMLButtonElement>(id).disabled = busy && !except.includes(id);
    }
  }

  private async start(generation: number): Promise<GraphWorker> {
    const wanted = this.backend;
    let worker: GraphWorker;
    let problem = "not available in this browser";
    try {
      worker = await this.load(generation);
    } catch (error) {
      if (error instanceof Closed || wanted.accelerator === "webgpu" || wanted.threads === 1) throw error;
      problem = errorText(error);
      this.backend = { accelerator: "cpu", threads: 1 }; // several threads may fail where one thread works
      worker = await this.load(generation);
    }
    const { accelerator, threads, runtime, whole } = this.loaded;
    if (wanted.accelerator === "cpu") this.backend = { accelerator: "cpu", threads };
    element<HTMLSelectElement>("backend").value = backendName(this.backend);
    if (accelerator !== wanted.accelerator) showStatus(`WebGPU cannot run this graph; running on ${runtime}`, true);
    else if (threads < wanted.threads) showStatus(`${backendName(wanted)}: ${problem}; running on ${runtime}`, true);
    else showStatus(`Ready: ${runtime}${whole ? "" : ", partly on the CPU"}`, !whole);
    return worker;
  }

  private async load(generation: number): Promise<GraphWorker> {
    const worker = await GraphWorker.start(this.backend, showStatus);
    if (generation !== this.generation) {
      worker.close();
      throw new Closed();
    }
    this.worker = worker;
    this.loaded = await worker.load(this.artifact, this.backend);
    return worker;
  }
}

/** List the backends of this phone: one thread, two and four threads if it has the cores, and WebGPU if it has that. */
export async function listBackends(job: PageJob): Promise<Backend[]> {
  const backends: Backend[] = [{ accelerator: "cpu", threads: 1 }];
  const cores = (await canUseThreads()) ? navigator.hardwareConcurrency || 1 : 1;
  for (const threads of [2, 4]) if (threads <= cores) backends.push({ accelerator: "cpu", threads });
  if ("gpu" in navigator) backends.push({ accelerator: "webgpu", threads: 1 });
  return backends.some((backend) => backendName(backend) === backendName(job)) ? backends : [...backends, job];
}

export function backendName({ accelerator, threads }: Backend): string {
  return accelerator === "webgpu" ? "WebGPU" : `CPU, ${threads} thread${threads > 1 ? "s" : ""}`;
}
