/** The web worker that runs the graph, outside the page's own thread. Each repeat of a measurement starts a new one. */
import { Engine, LITERT, startRuntime } from "./engine";
import { Loop } from "./loop";
import { listening, openStream, type ListeningStream } from "./open-stream";
import type { Frames, Loaded, Measurement, WorkerReply, WorkerRequest } from "./protocol";
import { clipLength } from "./ring";
import { checkPicture } from "./check-sound";
import { checkFrames, compareRuns, type CheckResult, type CheckRun } from "./selfcheck";
import { SoundClipStream } from "./sound-clip-stream";
import type { Spec } from "./spec";
import { microseconds, Stream, type Picture } from "./stream";

let spec: Spec;
let engine: Engine;
let stream: Stream | ListeningStream;

async function answer(request: WorkerRequest): Promise<void> {
  const { kind } = request;
  if (kind === "load") send({ kind, result: await load(request) });
  else if (kind === "frame") send({ kind, result: await stream.step(request.picture, request.timestamp) });
  else if (kind === "hear") listening(stream).hear(request.samples, request.timestamp, request.rate);
  else if (kind === "deafen") listening(stream).deafen();
  else if (kind === "reset") stream.reset();
  else if (kind === "check") send({ kind, result: await check() });
  else if (kind === "clip") send({ kind, result: await runClip(request.frames) });
  else send({ kind, result: await measure(request) });
}

function send(reply: WorkerReply): void {
  (globalThis as unknown as { postMessage(message: WorkerReply): void }).postMessage(reply);
}

async function load(request: Extract<WorkerRequest, { kind: "load" }>): Promise<Loaded> {
  const { runtime, graph, backend } = request;
  const begin = performance.now();
  await startRuntime(runtime, backend.accelerator);
  const started = performance.now();
  engine = await Engine.create(graph, request.spec, backend);
  spec = request.spec;
  stream = openStream(engine, spec);
  const { accelerator, precision, whole } = engine;
  const threads = accelerator === "cpu" && runtime.build.includes("threaded") ? backend.threads : 1;
  const where = accelerator === "webgpu" ? `WebGPU ${precision}` : `CPU, ${threads} thread${threads > 1 ? "s" : ""}`;
  const simd = runtime.build.includes("compat") ? ", no relaxed SIMD" : "";
  return {
    accelerator, threads, precision, whole,
    runtime: `${LITERT} (${where}${simd})`,
    start: (started - begin) / 1e3,
    load: (performance.now() - started) / 1e3,
  };
}

/** Run the frames and the sound of the self-check twice, and compare the results with the expected ones. */
async function check(): Promise<CheckResult> {
  if (!spec.check) throw new Error("the artifact has no self-check");
  const [first, second] = [await checkRun(spec.check.seed), await checkRun(spec.check.seed)];
  stream.reset();
  return compareRuns(spec, stream.accelerator, first, second);
}

async function checkRun(seed: number): Promise<CheckRun> {
  const { sound, frame: { height, width } } = spec;
  const logits: number[][] = [];
  const [rows, length] = [spec.check!.logits.length - (sound ? 1 : 0), clipLength(spec)];
  const frames = checkFrames(seed, rows + length - 1, height, width);
  // The logits of frames must contain no sound, not even that of a quiet room.
  const alone = spec.hop === null ? new Stream(engine, spec) : stream;
  alone.reset();
  for (let row = 0; row < rows; row++) {
    if (spec.hop !== null) alone.reset(); // each row is a window of the frames, and the windows overlap
    for (const pixels of frames.slice(row, row + length)) {
      const prediction = await alone.step({ pixels, width, height, channels: 3 });
      if (prediction) logits.push(Array.from(alone instanceof SoundClipStream ? alone.frameLogits : prediction.logits));
    }
  }
  if (sound) logits.push(Array.from(await listening(stream).answerTo(checkPicture(seed, sound, width))));
  return { logits, states: await alone.states() };
}

function picturesOf({ data, count, width, height }: Frames): Picture[] {
  const size = width * height * 3;
  return Array.from({ length: count }, (_, index) => {
    return { pixels: data.subarray(index * size, (index + 1) * size), width, height, channels: 3 };
  });
}

/** Run a clip as a new sequence. Returns the logits of its answers, one after the other. */
async function runClip(frames: Frames): Promise<Float32Array> {
  const answers: number[] = [];
  // The frames have the network's size and channel order already.
  const fitted = new Stream(engine, { ...spec, frame: { ...spec.frame, fit: "squash", order: "rgb" } });
  fitted.reset();
  for (const picture of picturesOf(frames)) {
    const prediction = await fitted.step(picture);
    for (const logit of prediction?.logits ?? []) answers.push(logit);
  }
  return Float32Array.from(answers);
}

async function measure({ frames, plan }: Extract<WorkerRequest, { kind: "measure" }>): Promise<Measurement> {
  const pictures = picturesOf(frames);
  let warming = true;
  const loop = new Loop(stream, spec, pictures, (done, minute) => send({ kind: "progress", done, minute, warming }));
  const first = (await loop.first()) / 1e6;
  const { steps, warm } = await loop.warmUp();
  warming = false;
  const timings = await loop.run(plan);
  return { first, warmup: steps, warm, clock: clockStep(), ...timings };
}

/** Return the resolution of the clock, microseconds: the smallest of 20 steps. Browsers make their clocks coarse. */
function clockStep(): number {
  let smallest = Infinity;
  for (let index = 0; index < 20; index++) {
    const begin = performance.now();
    let now = begin;
    while (now === begin) now = performance.now();
    smallest = Math.min(smallest, now - begin);
  }
  return microseconds(smallest);
}

/** Requests are answered one after the other. To cancel a request, the page ends the worker. */
let queue: Promise<void> = Promise.resolve();
self.onmessage = (event: MessageEvent<WorkerRequest>) => {
  queue = queue.then(() => answer(event.data)).catch((error: unknown) => {
    send({ kind: "error", message: error instanceof Error ? error.message : String(error) });
  });
};
