/** Starts web workers that run the graph, and turns their messages into promises. */
import type { Artifact } from "./artifact";
import { buildFor, type Backend, type Runtime } from "./engine";
import type { MinutePoint, TimingPlan } from "./loop";
import type { Frames, Loaded, Measurement, WorkerReply, WorkerRequest } from "./protocol";
import type { CheckResult } from "./selfcheck";
import { fetchBytes } from "./server";
import type { HeardPrediction } from "./sound-stream";
import type { Picture, Prediction } from "./stream";
import workerScript from "./worker.ts?worker&url";

/** Longest time for loading, seconds. A runtime whose threads do not start would wait without end. */
const LOAD_LIMIT = 45;

/** The blob URL of a worker's script, and its runtime. */
type WorkerFiles = { script: string; runtime: Runtime };

/** Files of each build of the runtime. They stay in memory, so that workers start even after the server has stopped. */
const fetched = new Map<string, WorkerFiles>();

async function fetchWorkerFiles(build: string, report: (text: string) => void): Promise<WorkerFiles> {
  const known = fetched.get(build);
  if (known) return known;
  const binary = await fetchBytes(`litert/${build}.wasm`, (bytes) => {
    report(`Fetching the runtime: ${(bytes / 1e6).toFixed(1)} MB`);
  });
  const [script, worker] = [await fetchBytes(`litert/${build}.js`), await fetchBytes(workerScript)];
  const url = (parts: BlobPart[], type: string) => URL.createObjectURL(new Blob(parts, { type }));
  const files = {
    // The runtime's script and the worker's own become one script, so that the page's policy need not allow imports.
    script: url([script, "\n;\n", worker], "text/javascript"),
    runtime: { build, script: url([script], "text/javascript"), binary: url([binary], "application/wasm") },
  };
  fetched.set(build, files);
  return files;
}

/** The error with which requests to a worker end when it is closed. */
export class Closed extends Error {
  override message = "stopped";
}

export class GraphWorker {
  private waiting: { resolve: (result: unknown) => void; reject: (error: Error) => void } | null = null;
  closed = false;
  /** Called while a measurement runs. */
  onProgress: (done: number, minute: MinutePoint | null, warming: boolean) => void = () => undefined;

  private constructor(
    private readonly worker: Worker,
    private readonly runtime: Runtime,
  ) {
    worker.onmessage = (event: MessageEvent<WorkerReply>) => this.receive(event.data);
    worker.onerror = (event) => this.fail(new Error(event.message || "the worker did not start"));
  }

  /** Start a worker. `load` must be called next. */
  static async start(backend: Backend, report: (text: string) => void): Promise<GraphWorker> {
    const { script, runtime } = await fetchWorkerFiles(await buildFor(backend), report);
    report("Starting the runtime…");
    return new GraphWorker(new Worker(script), runtime);
  }

  /** Load the artifact. If that fails, the worker is closed. */
  async load({ graph, spec }: Artifact, backend: Backend): Promise<Loaded> {
    const timer = setTimeout(() => this.fail(new Error("the runtime did not start")), LOAD_LIMIT * 1e3);
    try {
      return await this.request<Loaded>({ kind: "load", runtime: this.runtime, graph, spec, backend });
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  check = (): Promise<CheckResult> => this.request({ kind: "check" });

  /** Run a clip of fitted frames as a new sequence. Returns the logits of its answers, one after the other. */
  clip = (frames: Frames): Promise<Float32Array> => this.request({ kind: "clip", frames });

  measure = (frames: Frames, plan: TimingPlan): Promise<Measurement> => this.request({ kind: "measure", frames, plan });

  /**
   * Run one picture, as `Stream.step`. Its pixels are moved to the worker, so the caller cannot use them afterwards. The
   * prediction of a network with a sound segment is a `HeardPrediction`.
   */
  step(picture: Picture, timestamp: number): Promise<Prediction | HeardPrediction | null> {
    return this.request({ kind: "frame", picture, timestamp }, [picture.pixels.buffer]);
  }

  /** Give the network the next samples of the microphone, as `SoundStream.hear`. They are moved to the worker. */
  hear(samples: Float32Array<ArrayBuffer>, timestamp: number, rate: number): void {
    this.worker.postMessage({ kind: "hear", samples, timestamp, rate } satisfies WorkerRequest, [samples.buffer]);
  }

  /** Make the network forget the sound. */
  deafen(): void {
    this.worker.postMessage({ kind: "deafen" } satisfies WorkerRequest);
  }

  /** Start a new stream: the next frame is the first one. */
  reset(): void {
    this.worker.postMessage({ kind: "reset" } satisfies WorkerRequest);
  }

  /** End the worker at once, whatever it is doing. */
  close(): void {
    this.closed = true;
    this.worker.terminate();
    this.fail(new Closed());
  }

  private request<T>(request: WorkerRequest, transfer: Transferable[] = []): Promise<T> {
    if (this.closed) return Promise.reject(new Closed());
    if (this.waiting) return Promise.reject(new Error("the worker is busy"));
    return new Promise<T>((resolve, reject) => {
      this.waiting = { resolve: resolve as (result: unknown) => void, reject };
      this.worker.postMessage(request, transfer);
    });
  }

  private receive(reply: WorkerReply): void {
    if (reply.kind === "progress") return this.onProgress(reply.done, reply.minute, reply.warming);
    if (reply.kind === "error") return this.fail(new Error(reply.message));
    this.waiting?.resolve(reply.result);
    this.waiting = null;
  }

  private fail(error: Error): void {
    this.waiting?.reject(error);
    this.waiting = null;
  }
}
