/** The worker, as the page sees it: promises instead of messages. */
import { variantFor, type Choice, type Runtime } from "./engine";
import type { Artifact } from "./artifact";
import type { Minute, Plan } from "./loop";
import type { Answered, Checked, Measured, Opened, Order, Reply } from "./protocol";
import { fetchBytes } from "./server";
import workerScript from "./worker.ts?worker&url";

/** Milliseconds that a runtime may take to start; one that waits for its threads in vain says nothing. */
const PATIENCE = 45e3;

/** What a worker is made of: addresses of what was fetched. */
interface Parts {
  worker: string;
  script: string;
  binary: string;
}

/** By the runtime's variant. Fetched once: a new worker starts from memory, also when the server is gone. */
const kept = new Map<string, Parts>();

async function partsOf(variant: string, tell: (text: string) => void): Promise<Parts> {
  const known = kept.get(variant);
  if (known) return known;
  const told = (bytes: number) => tell(`Fetching the runtime: ${(bytes / 1e6).toFixed(1)} MB`);
  const binary = await fetchBytes(`litert/${variant}.wasm`, told);
  const [script, worker] = [await fetchBytes(`litert/${variant}.js`), await fetchBytes(workerScript)];
  const parts = {
    // The runtime's script comes with ours: so no script has to be let in but the worker itself.
    worker: address([script, "\n;\n", worker], "text/javascript"),
    script: address([script], "text/javascript"),
    binary: address([binary], "application/wasm"),
  };
  kept.set(variant, parts);
  return parts;
}

function address(parts: BlobPart[], type: string): string {
  return URL.createObjectURL(new Blob(parts, { type }));
}

/** A worker was ended on purpose: whoever waited for it gets this. */
export class Closed extends Error {
  constructor() {
    super("it was stopped");
  }
}

export interface Frames {
  data: Uint8Array;
  count: number;
  width: number;
  height: number;
}

export class Runner {
  private waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void } | null = null;
  closed = false;
  /** Told while a measurement runs. */
  progress: (done: number, minute: Minute | null, warming: boolean) => void = () => undefined;

  private constructor(
    private readonly worker: Worker,
    private readonly runtime: Runtime,
  ) {
    worker.onmessage = (event: MessageEvent<Reply>) => this.hear(event.data);
    worker.onerror = (event) => this.fail(new Error(event.message || "the worker could not start"));
  }

  /** A fresh worker, for `load`. */
  static async start(choice: Choice, tell: (text: string) => void): Promise<Runner> {
    const variant = await variantFor(choice);
    const { worker, script, binary } = await partsOf(variant, tell);
    tell("Starting the runtime…");
    return new Runner(new Worker(worker), { variant, script, binary });
  }

  /** Make the artifact ready. If that fails, the worker is ended. */
  async load({ body, spec }: Artifact, choice: Choice): Promise<Opened> {
    const timer = setTimeout(() => this.fail(new Error("the runtime does not start here")), PATIENCE);
    try {
      return (await this.ask({ kind: "open", runtime: this.runtime, body, spec, choice })) as Opened;
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  check(): Promise<Checked> {
    return this.ask({ kind: "check" }) as Promise<Checked>;
  }

  bench({ data, count, width, height }: Frames, plan: Plan): Promise<Measured> {
    return this.ask({ kind: "bench", frames: data, count, width, height, plan }) as Promise<Measured>;
  }

  /** Feed the pixels of a picture, RGBA; they are given away, and come back with the answer. */
  frame(pixels: ArrayBuffer, width: number, height: number, timestamp: number): Promise<Answered> {
    return this.ask({ kind: "frame", pixels, width, height, timestamp }, [pixels]) as Promise<Answered>;
  }

  reset(): void {
    this.worker.postMessage({ kind: "reset" } satisfies Order);
  }

  /** End it, whatever it is doing: orders that wait would only be heard between two steps. */
  close(): void {
    this.closed = true;
    this.worker.terminate();
    this.fail(new Closed());
  }

  private ask(order: Order, transfer: Transferable[] = []): Promise<Reply> {
    if (this.closed) return Promise.reject(new Closed()); // it would never answer
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
