/** Runs the graph with LiteRT in this worker, with one set of states. */
import { loadAndCompile, loadLiteRt, supportsFeature, Tensor, type CompiledModel } from "@litertjs/core";
import type { Spec, TensorSpec } from "./spec";

export const LITERT = "LiteRT.js 2.5.3";

/** What runs the graph: the CPU with a number of threads, or the GPU. */
export interface Backend {
  accelerator: "cpu" | "webgpu";
  threads: number;
}

/** A build of the runtime: its name, and blob URLs of its script (which threads load again) and of its WebAssembly. */
export interface Runtime {
  build: string;
  script: string;
  binary: string;
}

/** Return the name of the runtime's build that this browser needs for a backend. */
export async function buildFor({ accelerator, threads }: Backend): Promise<string> {
  if (!(await supportsFeature("relaxedSimd"))) return "litert_wasm_compat_internal";
  if (accelerator === "webgpu" && (await supportsFeature("jspi"))) return "litert_wasm_jspi_internal";
  if (accelerator === "cpu" && threads > 1 && (await canUseThreads())) return "litert_wasm_threaded_internal";
  return "litert_wasm_internal";
}

/** Whether this browser can run a step on more than one thread. */
export async function canUseThreads(): Promise<boolean> {
  if (!globalThis.crossOriginIsolated || !(await supportsFeature("relaxedSimd"))) return false;
  return supportsFeature("threads");
}

/** Start the runtime in this worker. A worker can do this once. */
export async function startRuntime(runtime: Runtime, accelerator: Backend["accelerator"]): Promise<void> {
  // LiteRT opens the GPU if it finds one, even to run on the CPU. This would disturb measurements of the CPU.
  if (accelerator === "cpu") Object.defineProperty(navigator, "gpu", { value: undefined });
  Object.assign(globalThis, {
    // The runtime's threads load its script again, from this address.
    Module: { mainScriptUrlOrBlob: runtime.script, locateFile: () => runtime.binary },
    // `graph-worker.ts` puts the script into this worker, because the page's policy forbids workers to import scripts.
    importScripts: () => undefined,
  });
  await loadLiteRt(`${runtime.build}.js`);
}

export class Engine {
  /** Whether the accelerator runs the whole graph. */
  readonly whole: boolean;
  private inputs: Record<string, Tensor> = {};

  private constructor(
    private readonly model: CompiledModel,
    private readonly spec: Spec,
    /** What runs the graph. LiteRT falls back to the CPU if WebGPU lacks an operator. */
    readonly accelerator: Backend["accelerator"],
    /** Precision of the arithmetic on WebGPU; null on the CPU. */
    readonly precision: "fp16" | "fp32" | null,
  ) {
    compareTensors(model.getInputDetails(), [spec.input, ...spec.states], "input");
    compareTensors(model.getOutputDetails(), [spec.output, ...spec.states], "output");
    this.whole = accelerator === "cpu" || model.isFullyAccelerated;
    this.reset();
  }

  /** Compile a graph. The runtime must have been started. */
  static async create(graph: Uint8Array, spec: Spec, backend: Backend): Promise<Engine> {
    // WebGPU computes in half precision by default. An fp32 artifact was checked in fp32, so it runs in fp32.
    const precision = spec.precision === "fp32" ? "fp32" : "fp16";
    const model =
      backend.accelerator === "webgpu"
        ? await loadAndCompile(graph, { accelerator: "webgpu", gpuOptions: { precision } })
        : await loadAndCompile(graph, { accelerator: "wasm", cpuOptions: { numThreads: backend.threads } });
    const webgpu = model.options.accelerator === "webgpu";
    return new Engine(model, spec, webgpu ? "webgpu" : "cpu", webgpu ? precision : null);
  }

  /** Return an engine with states of its own that runs the same graph. */
  another(): Engine {
    return new Engine(this.model, this.spec, this.accelerator, this.precision);
  }

  /** Run one frame of height * width * 3 values, or a clip of them, and advance the states. Returns the logits. */
  async step(frame: Float32Array): Promise<Float32Array> {
    const { input, output, states } = this.spec;
    const tensor = new Tensor(frame, input.shape);
    const outputs = await this.model.run({ ...this.inputs, [input.name]: tensor });
    const logits = outputs[output.name]!;
    const values = (await logits.data()) as Float32Array;
    logits.delete();
    tensor.delete();
    // The next step reads the buffer that this step wrote. Nothing is copied, and on WebGPU states stay on the GPU.
    for (const { name } of states) {
      this.inputs[name]!.delete();
      this.inputs[name] = outputs[name]!;
    }
    return values;
  }

  /** Return copies of the states, by name. */
  async states(): Promise<Record<string, Float32Array>> {
    const values: Record<string, Float32Array> = {};
    for (const { name } of this.spec.states) values[name] = Float32Array.from((await this.inputs[name]!.data()) as Float32Array);
    return values;
  }

  /** Replace the states by copies of these. */
  setStates(values: Record<string, Float32Array>): void {
    for (const { name, shape } of this.spec.states) {
      this.inputs[name]?.delete();
      this.inputs[name] = new Tensor(values[name]!.slice(), shape);
    }
  }

  /** Set the states to their values at the start of a stream. */
  reset(): void {
    const values = this.spec.states.map(({ name, shape, start }): [string, Float32Array] => {
      return [name, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(start)];
    });
    this.setStates(Object.fromEntries(values));
  }
}

/** Throw an error if the tensors of the graph are not those of the description. */
function compareTensors(
  tensors: readonly { name: string; shape: Int32Array; dtype: string }[], specs: TensorSpec[], side: string,
): void {
  for (const { name, shape, dtype } of specs) {
    const tensor = tensors.find((candidate) => candidate.name === name);
    if (!tensor || tensor.dtype !== dtype || tensor.shape.join() !== shape.join()) {
      throw new Error(`the graph's ${side} ${name} is missing, or differs in type or shape from the description`);
    }
  }
  if (tensors.length !== specs.length) throw new Error(`the graph has an ${side} that is not in the description`);
}
