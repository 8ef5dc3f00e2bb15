/** Sends requests to the server. Paths are relative to the page's own address, which contains the token. */
import type { Backend } from "./engine";
import type { TimingPlan } from "./loop";
import type { Frames } from "./protocol";

/** The settings of the page: `PageJob` in `job.py`, and the size of the frames. */
export interface PageJob extends Backend {
  file: string;
  mode: string | null;
  modes: Record<string, TimingPlan>;
  /** Number of clips to run for `edgeshift eval`; null: none. */
  clips: number | null;
  frames: { name: string; count: number; width: number; height: number };
}

/** A clip of a data set, whose frames have the network's size and channel order. */
export interface Clip {
  index: number;
  frames: Frames;
}

/** Identifies this load of the page. The server accepts messages of the newest load only. */
const SESSION = crypto.getRandomValues(new Uint32Array(2)).join("-");
let refused = false;

export async function fetchJob(): Promise<PageJob> {
  return (await get("job.json")).json() as Promise<PageJob>;
}

/** Fetch a file. `report` is called with the number of bytes that have arrived. */
export async function fetchBytes(
  path: string, report: (bytes: number) => void = () => undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  let size = 0;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(part, output) {
      report((size += part.length));
      output.enqueue(part);
    },
  });
  const response = await get(path);
  return new Uint8Array(await new Response(response.body!.pipeThrough(counter)).arrayBuffer());
}

/** Fetch the first clip from an index on that has no answer yet; null: there is none (`clips.py`). */
export async function fetchClip(first: number, size: { width: number; height: number }): Promise<Clip | null> {
  const response = await get(`clip/${first}`);
  if (response.status === 204) return null;
  const bytes = new Uint8Array(await response.arrayBuffer());
  const header = new DataView(bytes.buffer);
  const frames = { data: bytes.subarray(8), count: header.getUint32(4, true), ...size };
  return { index: header.getUint32(0, true), frames };
}

/** Send a message (`messages.py`). Returns true if it arrived. Without the server the page keeps working. */
export async function post(kind: string, fields: object = {}): Promise<boolean> {
  if (refused) return false;
  try {
    const response = await fetch("post", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ kind, session: SESSION, ...fields }),
    });
    refused = response.status === 409 || response.status === 429;
    return response.ok;
  } catch {
    return false;
  }
}

/** Send a request that shows that the page is still open, unless the page is hidden. */
export function keepAlive(): void {
  if (!refused && document.visibilityState === "visible") void fetch("alive").catch(() => undefined);
}

async function get(path: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path);
  } catch {
    throw new Error("no connection to the server: run the command again and open its new address");
  }
  if (!response.ok) throw new Error(`the server refused to send ${path || "the page"} (HTTP ${response.status})`);
  return response;
}
