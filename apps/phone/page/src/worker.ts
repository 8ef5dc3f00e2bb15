/** Runs the graph beside the page, so that neither disturbs the other. A fresh one for each repeat of a measurement. */
import { checkFrames } from "./cells";
import { Engine, LITERT, startRuntime } from "./engine";
import { Loop } from "./loop";
import type { Order, Reply } from "./protocol";
import type { Spec } from "./spec";
import { Stream, type Picture } from "./stream";

let spec: Spec;
let stream: Stream;

function say(reply: Reply, transfer: Transferable[] = []): void {
  (globalThis as unknown as { postMessage(message: Reply, transfer: Transferable[]): void }).postMessage(reply, transfer);
}

async function obey(order: Order): Promise<void> {
  if (order.kind === "open") await open(order);
  else if (order.kind === "frame") await answer(order);
  else if (order.kind === "reset") stream.reset();
  else if (order.kind === "check") await check();
  else if (order.kind === "bench") await bench(order);
}

async function open(order: Extract<Order, { kind: "open" }>): Promise<void> {
  const begin = performance.now();
  await startRuntime(order.runtime, order.choice.accelerator);
  const started = performance.now();
  const engine = await Engine.create(order.body, order.spec, order.choice);
  spec = order.spec;
  stream = new Stream(engine, spec);
  const threads = engine.accelerator === "cpu" && order.runtime.variant.includes("threaded") ? order.choice.threads : 1;
  const where = engine.accelerator === "webgpu" ? `WebGPU ${engine.precision}` : `CPU, ${threads} thread${threads > 1 ? "s" : ""}`;
  const kind = order.runtime.variant.includes("compat") ? ", no relaxed SIMD" : "";
  say({
    kind: "opened",
    accelerator: engine.accelerator,
    threads,
    precision: engine.precision,
    whole: engine.whole,
    runtime: `${LITERT} (${where}${kind})`,
    start: (started - begin) / 1e3,
    load: (performance.now() - started) / 1e3,
  });
}

async function answer(order: Extract<Order, { kind: "frame" }>): Promise<void> {
  const { width, height, timestamp, pixels } = order;
  const picture: Picture = { pixels: new Uint8ClampedArray(pixels), width, height, channels: 4 };
  say({ kind: "answered", timestamp, pixels, ...(await stream.step(picture)) }, [pixels]);
}

async function check(): Promise<void> {
  const expected = spec.check;
  if (!expected) throw new Error("the artifact carries no self-check");
  const [first, second] = [await answers(expected.seed), await answers(expected.seed)];
  let error = 0;
  let repeatable = true;
  first.forEach((row, frame) =>
    row.forEach((value, index) => {
      const difference = Math.abs(value - expected.logits[frame]![index]!);
      error = difference <= error ? error : difference; // not a number is worse than any
      repeatable &&= second[frame]![index] === value;
    }),
  );
  stream.reset();
  say({ kind: "checked", logits: first, error, tolerance: expected.tolerance, repeatable });
}

async function answers(seed: number): Promise<number[][]> {
  const { height, width } = spec.frame;
  const rows: number[][] = [];
  stream.reset();
  for (const pixels of checkFrames(seed, spec.check!.logits.length, height, width)) {
    rows.push(Array.from((await stream.step({ pixels, width, height, channels: 3 })).logits));
  }
  return rows;
}

async function bench(order: Extract<Order, { kind: "bench" }>): Promise<void> {
  const { width, height } = order;
  const size = width * height * 3;
  const frames = Array.from({ length: order.count }, (_, index): Picture => {
    return { pixels: order.frames.subarray(index * size, (index + 1) * size), width, height, channels: 3 };
  });
  let warming = true;
  stream.reset();
  const first = (await stream.step(frames[0]!)).total / 1e6;
  const loop = new Loop(stream, frames, (done, minute) => say({ kind: "progress", done, minute: minute ?? null, warming }));
  const { steps, warm } = await loop.warmUp();
  warming = false;
  const timed = await loop.run(order.plan);
  say({ kind: "measured", first, warmup: steps, warm, clock: clockStep(), ...timed });
}

/** The smallest step of the clock, of a few, in microseconds: browsers blunt it. */
function clockStep(): number {
  let least = Infinity;
  for (let index = 0; index < 20; index++) {
    const begin = performance.now();
    let now = begin;
    while (now === begin) now = performance.now();
    least = Math.min(least, now - begin);
  }
  return Math.round(least * 1e4) / 10;
}

/** Orders are carried out one after the other; who wants none of them any more ends the worker. */
let queue: Promise<void> = Promise.resolve();
self.onmessage = (event: MessageEvent<Order>) => {
  queue = queue.then(() => obey(event.data)).catch((error: unknown) => {
    say({ kind: "trouble", message: error instanceof Error ? error.message : String(error) });
  });
};
