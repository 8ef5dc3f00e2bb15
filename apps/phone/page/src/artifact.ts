/** Reads an artifact: the graph, then a zip archive (`edgeshift/artifact/zip_trailer.py`) with the description. */
import { readSpec, type Spec } from "./spec";

export interface Artifact {
  spec: Spec;
  /** The graph without the zip archive. */
  graph: Uint8Array<ArrayBuffer>;
}

const SPEC = "edgeshift/spec.json";
/** Bytes of the zip archive's comment, which is a SHA-256 hash in hexadecimal, and of the end record before it. */
const [HASH, END_RECORD] = [64, 22];
const END_MAGIC = 0x06054b50;
const [STORED, DEFLATED] = [0, 8];

/** Read an artifact. Throws an error if its hash is wrong, or if its description is missing or not of this graph. */
export async function readArtifact(data: Uint8Array<ArrayBuffer>): Promise<Artifact> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const end = data.length - HASH - END_RECORD;
  if (end < 0 || view.getUint32(end, true) !== END_MAGIC) {
    throw new Error("the artifact is incomplete, or was not made by edgeshift");
  }
  const hash = new TextDecoder().decode(data.subarray(data.length - HASH));
  if ((await sha256(data.subarray(0, data.length - HASH))) !== hash) throw new Error("the artifact is damaged");
  const entries = view.getUint16(end + 10, true);
  let entry = view.getUint32(end + 16, true);
  let graphEnd = data.length;
  let description: string | null = null;
  for (let index = 0; index < entries; index++) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((at) => view.getUint16(entry + at, true));
    const header = view.getUint32(entry + 42, true);
    graphEnd = Math.min(graphEnd, header);
    if (new TextDecoder().decode(data.subarray(entry + 46, entry + 46 + nameLength!)) === SPEC) {
      const start = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
      const packed = data.subarray(start, start + view.getUint32(entry + 20, true));
      description = await decompress(packed, view.getUint16(entry + 10, true));
    }
    entry += 46 + nameLength! + extraLength! + commentLength!;
  }
  if (description === null) throw new Error("the artifact has no description");
  const spec = readSpec(description);
  if (spec.body_bytes !== graphEnd) throw new Error("the description belongs to another graph");
  return { spec, graph: data.slice(0, graphEnd) };
}

async function decompress(data: Uint8Array<ArrayBuffer>, method: number): Promise<string> {
  if (method !== STORED && method !== DEFLATED) throw new Error(`unknown compression method ${method}`);
  const stream = new Blob([data]).stream();
  return new Response(method === STORED ? stream : stream.pipeThrough(new DecompressionStream("deflate-raw"))).text();
}

async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
