/** LiteRT in this worker: one graph, one set of states that stay where the graph left them. */
import { loadAndCompile, loadLiteRt, supportsFeature, Tensor, type CompiledModel } from "@litertjs/core";
import type { Spec, Tensor as TensorSpec } from "./spec";

export const LITERT = "LiteRT.js 2.5.3";

/** What runs the graph: the processor with so many threads, or the graphics unit. */
export interface Choice {
  accelerator: "cpu" | "webgpu";
  threads: number;
}

/** Where the runtime's parts are, already fetched: the script that its threads load, and its WebAssembly. */
export interface Runtime {
  variant: string;
  script: string;
  binary: string;
}

/** A variant of the runtime by what it needs. */
export type Variant = "compat" | "plain" | "threaded" | "jspi";

const FILES: Record<Variant, string> = {
  compat: "litert_wasm_compat_internal",
  plain: "litert_wasm_internal",
  threaded: "litert_wasm_threaded_internal",
  jspi: "litert_wasm_jspi_internal",
};

/** Which variant this browser can run a choice with. */
export async function variantFor(choice: Choice): Promise<string> {
  if (!(await supportsFeature("relaxedSimd"))) return FILES.compat;
  if (choice.accelerator === "webgpu") return (await supportsFeature("jspi")) ? FILES.jspi : FILES.plain;
  return choice.threads > 1 && (await canThread()) ? FILES.threaded : FILES.plain;
}

/** Whether more than one thread can work on a step here. */
export async function canThread(): Promise<boolean> {
  if (!globalThis.crossOriginIsolated || !(await supportsFeature("relaxedSimd"))) return false;
  return supportsFeature("threads");
}

/** Start the runtime in this worker: once for its life. */
export async function startRuntime(runtime: Runtime, accelerator: Choice["accelerator"]): Promise<void> {
  // LiteRT takes hold of the graphics unit wherever it can: not beside a measurement of the processor.
  if (accelerator === "cpu") Object.defineProperty(navigator, "gpu", { value: undefined });
  Object.assign(globalThis, {
    // Its threads load the script again, from here; by itself it would take ours for it.
    Module: { mainScriptUrlOrBlob: runtime.script, locateFile: () => runtime.binary },
    // It is in this worker already (`runner.ts`), which may import nothing: only the name has to look like one.
    importScripts: () => undefined,
  });
  await loadLiteRt(`${runtime.variant}.js`);
}

export class Engine {
  private readonly frame: number;
  private readonly logits: number;
  /** For each state, its place among the inputs and among the outputs. */
  private readonly places: { from: number; to: number; spec: TensorSpec }[];
  private inputs: (Tensor | null)[];

  private constructor(
    private readonly model: CompiledModel,
    private readonly spec: Spec,
    /** What runs the graph in truth: LiteRT falls back to the processor where WebGPU lacks something. */
    readonly accelerator: Choice["accelerator"],
    /** Of the arithmetic on WebGPU; null on the processor. */
    readonly precision: "fp16" | "fp32" | null,
  ) {
    const inputs = shapes(model.getInputDetails());
    const outputs = shapes(model.getOutputDetails());
    this.frame = placeOf(inputs, spec.input, "inputs");
    this.logits = placeOf(outputs, spec.output, "outputs");
    this.places = spec.states.map((state) => ({
      to: placeOf(inputs, state, "inputs"),
      from: placeOf(outputs, state, "outputs"),
      spec: state,
    }));
    this.inputs = new Array<Tensor | null>(inputs.size).fill(null);
    if (inputs.size !== spec.states.length + 1 || outputs.size !== spec.states.length + 1) {
      throw new Error("the graph has tensors that its description does not name");
    }
    this.reset();
  }

  /** Compile a graph; `startRuntime` comes first. */
  static async create(body: Uint8Array, spec: Spec, choice: Choice): Promise<Engine> {
    // What was proven in fp32 is run in it; WebGPU's default is half precision.
    const precision = spec.precision === "fp32" ? "fp32" : "fp16";
    const model =
      choice.accelerator === "webgpu"
        ? await loadAndCompile(body, { accelerator: "webgpu", gpuOptions: { precision } })
        : await loadAndCompile(body, { accelerator: "wasm", cpuOptions: { numThreads: choice.threads } });
    const webgpu = model.options.accelerator === "webgpu";
    return new Engine(model, spec, webgpu ? "webgpu" : "cpu", webgpu ? precision : null);
  }

  /** Whether the graph runs as a whole where it was asked to. */
  get whole(): boolean {
    return this.accelerator === "cpu" || this.model.isFullyAccelerated;
  }

  /** Run one frame of height * width * 3 values and advance the states. Returns the logits. */
  async step(frame: Float32Array): Promise<Float32Array> {
    const input = new Tensor(frame, this.spec.input.shape);
    this.inputs[this.frame] = input;
    const outputs = await this.model.run(this.inputs as Tensor[]);
    const logits = outputs[this.logits]!;
    const values = (await logits.data()) as Float32Array;
    logits.delete();
    input.delete();
    // A next state is the very buffer that the step after reads: nothing is copied, on WebGPU nothing leaves it.
    for (const { from, to } of this.places) {
      this.inputs[to]!.delete();
      this.inputs[to] = outputs[from]!;
    }
    return values;
  }

  /** Forget everything: the next step is the first. */
  reset(): void {
    for (const { to, spec } of this.places) {
      this.inputs[to]?.delete();
      const values = new Float32Array(spec.shape.reduce((a, b) => a * b, 1)).fill(spec.start);
      this.inputs[to] = new Tensor(values, spec.shape);
    }
  }
}

interface Detail {
  name: string;
  index: number;
  shape: Int32Array;
  dtype: string;
}

function shapes(details: readonly Detail[]): Map<string, Detail> {
  return new Map(details.map((detail) => [detail.name, detail]));
}

function placeOf(found: Map<string, Detail>, wanted: TensorSpec, side: string): number {
  const detail = found.get(wanted.name);
  if (!detail || detail.dtype !== wanted.dtype || detail.shape.join() !== wanted.shape.join()) {
    throw new Error(`among the graph's ${side}, ${wanted.name} is not what its description promises`);
  }
  return detail.index;
}
