/** An artifact taken apart: the graph, and the zip behind it (`edgeshift/artifact/zip_trailer.py`). */
import { ArtifactError, readSpec, type Spec } from "./spec";

export interface Artifact {
  spec: Spec;
  /** The graph, without what is behind it. */
  body: Uint8Array<ArrayBuffer>;
}

const SPEC = "edgeshift/spec.json";
/** Length of the hash that is the zip's comment, and of the record before it. */
const HASH = 64;
const END = 22;
const MAX_DESCRIPTION = 4 << 20;
const STORED = 0;
const DEFLATED = 8;

/** Read an artifact and check its hash. */
export async function readArtifact(data: Uint8Array<ArrayBuffer>): Promise<Artifact> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const end = data.length - HASH - END;
  if (end < 0 || view.getUint32(end, true) !== 0x06054b50) throw new ArtifactError("it is cut short, or not one of ours");
  const told = new TextDecoder().decode(data.subarray(data.length - HASH));
  if ((await sha256(data.subarray(0, data.length - HASH))) !== told) throw new ArtifactError("it was damaged on the way");
  const entries = view.getUint16(end + 10, true);
  let place = view.getUint32(end + 16, true);
  let start = data.length;
  let description: string | null = null;
  for (let index = 0; index < entries; index++) {
    const packed = view.getUint32(place + 20, true);
    const [nameLength, extra, comment] = [28, 30, 32].map((at) => view.getUint16(place + at, true)) as [number, number, number];
    const header = view.getUint32(place + 42, true);
    start = Math.min(start, header);
    const name = new TextDecoder().decode(data.subarray(place + 46, place + 46 + nameLength));
    if (name === SPEC) {
      const from = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
      description = await unpack(data.subarray(from, from + packed), view.getUint16(place + 10, true));
    }
    place += 46 + nameLength + extra + comment;
  }
  if (description === null) throw new ArtifactError("it carries no description");
  const spec = readSpec(description);
  if (spec.body_bytes !== start) throw new ArtifactError("its graph is not the one that its description is of");
  return { spec, body: data.slice(0, start) };
}

async function unpack(data: Uint8Array<ArrayBuffer>, method: number): Promise<string> {
  if (method !== STORED && method !== DEFLATED) throw new ArtifactError(`its description is packed in way ${method}`);
  const packed = new Blob([data]).stream();
  const stream = method === DEFLATED ? packed.pipeThrough(new DecompressionStream("deflate-raw")) : packed;
  const text = new TextDecoder();
  const reader = stream.getReader();
  let found = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return found + text.decode();
    found += text.decode(value, { stream: true });
    if (found.length > MAX_DESCRIPTION) throw new ArtifactError("its description is over the limit");
  }
}

async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
