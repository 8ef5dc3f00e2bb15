/** The worker, as the page sees it: promises instead of messages. */
import { variantFor, type Choice } from "./engine";
import type { Artifact } from "./artifact";
import type { Minute, Plan } from "./loop";
import type { Answered, Checked, Measured, Opened, Order, Reply } from "./protocol";
import { fetchBytes } from "./server";

/** Milliseconds that a runtime may take to start; one that waits for its threads in vain says nothing. */
const PATIENCE = 45e3;

/** The runtime's WebAssembly by variant, fetched once: a new worker starts from memory. */
const binaries = new Map<string, string>();

export interface Frames {
  data: Uint8Array;
  count: number;
  width: number;
  height: number;
}

export class Runner {
  private waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void } | null = null;
  /** Told while a measurement runs. */
  progress: (done: number, minute: Minute | null, warming: boolean) => void = () => undefined;

  private constructor(private readonly worker: Worker) {
    worker.onmessage = (event: MessageEvent<Reply>) => this.hear(event.data);
    worker.onerror = (event) => this.fail(new Error(event.message || "the worker could not start"));
  }

  /** A fresh worker with the artifact ready. */
  static async open(artifact: Artifact, choice: Choice, tell: (text: string) => void): Promise<[Runner, Opened]> {
    const variant = await variantFor(choice);
    let binary = binaries.get(variant);
    if (!binary) {
      const data = await fetchBytes(`litert/${variant}.wasm`, (bytes) => tell(`Fetching the runtime: ${(bytes / 1e6).toFixed(1)} MB`));
      binary = URL.createObjectURL(new Blob([data], { type: "application/wasm" }));
      binaries.set(variant, binary);
    }
    tell("Starting the runtime…");
    const runner = new Runner(new Worker(new URL("./worker.ts", import.meta.url)));
    const runtime = { folder: new URL("litert/", location.href).href, variant, binary };
    const timer = setTimeout(() => runner.fail(new Error("the runtime does not start here")), PATIENCE);
    try {
      const { body, spec } = artifact;
      return [runner, (await runner.ask({ kind: "open", runtime, body, spec, choice })) as Opened];
    } catch (error) {
      runner.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  check(): Promise<Checked> {
    return this.ask({ kind: "check" }) as Promise<Checked>;
  }

  /** Null: it was stopped. */
  async bench(frames: Frames, plan: Plan): Promise<Measured | null> {
    const { data, count, width, height } = frames;
    const reply = await this.ask({ kind: "bench", frames: data, count, width, height, plan });
    return reply.kind === "measured" ? reply : null;
  }

  /** Feed the pixels of a picture, RGBA; they are given away, and come back with the answer. */
  frame(pixels: ArrayBuffer, width: number, height: number, timestamp: number): Promise<Answered> {
    return this.ask({ kind: "frame", pixels, width, height, timestamp }, [pixels]) as Promise<Answered>;
  }

  reset(): void {
    this.worker.postMessage({ kind: "reset" } satisfies Order);
  }

  /** End a measurement that runs. */
  stop(): void {
    this.worker.postMessage({ kind: "stop" } satisfies Order);
  }

  close(): void {
    this.worker.terminate();
    this.fail(new Error("closed"));
  }

  private ask(order: Order, transfer: Transferable[] = []): Promise<Reply> {
    if (this.waiting) return Promise.reject(new Error("the worker is busy"));
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.worker.postMessage(order, transfer);
    });
  }

  private hear(reply: Reply): void {
    if (reply.kind === "progress") return this.progress(reply.done, reply.minute, reply.warming);
    if (reply.kind === "trouble") return this.fail(new Error(reply.message));
    this.waiting?.resolve(reply);
    this.waiting = null;
  }

  private fail(error: Error): void {
    this.waiting?.reject(error);
    this.waiting = null;
  }
}
