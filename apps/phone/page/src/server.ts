/** The machine that serves the page. Every address is below the token in the page's own. */
import type { Plan } from "./loop";

/** What the command wants: `edgeshift.apps.phone.Job`. */
export interface Job {
  file: string;
  mode: string | null;
  modes: Record<string, Plan & { repeats: number }>;
  accelerator: "cpu" | "webgpu";
  threads: number;
  frames: { name: string; count: number; width: number; height: number };
}

/** One page's life: the server listens to the newest only. */
const SESSION = crypto.getRandomValues(new Uint32Array(2)).join("-");
let gone = false;

export async function fetchJob(): Promise<Job> {
  return (await get("job.json")).json() as Promise<Job>;
}

/** All bytes of a file, and how far it is while they come. */
export async function fetchBytes(path: string, tell?: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>> {
  const response = await get(path);
  const reader = response.body!.getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
    tell?.(size);
  }
  const whole = new Uint8Array(size);
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

/** Send something that was found. True if it arrived; the page goes on without the server. */
export async function post(kind: string, fields: Record<string, unknown> = {}): Promise<boolean> {
  if (gone) return false;
  try {
    const response = await fetch("post", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ kind, session: SESSION, ...fields }),
    });
    gone = response.status === 409 || response.status === 429;
    return response.ok;
  } catch {
    return false;
  }
}

/** Tell the server that somebody is still there. */
export function stayAlive(): void {
  if (!gone) void fetch("alive").catch(() => undefined);
}

async function get(path: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path);
  } catch {
    throw new Error("the server is gone: run the command again and scan its new code");
  }
  if (!response.ok) throw new Error(`the server does not give ${path} (${response.status})`);
  return response;
}
