/** Runs the clips of `edgeshift eval`: fetches one after the other, and sends the logits of each. */
import { errorText, showStatus } from "./dom";
import { fetchClip, post } from "./server";
import type { Session } from "./session";
import { keepAwake } from "./wake-lock";

/** Run all clips that have no answer yet. The next clip is fetched while one runs. */
export async function runClips(session: Session, count: number): Promise<void> {
  const { width, height } = session.artifact.spec.frame;
  session.lock(true);
  await keepAwake(true);
  try {
    const worker = await session.currentWorker();
    let next = fetchClip(0, { width, height });
    for (;;) {
      const clip = await next;
      if (clip === null) break;
      showStatus(`Accuracy: clip ${clip.index + 1} of ${count}. Keep this page open.`);
      next = fetchClip(clip.index + 1, { width, height });
      next.catch(() => undefined); // an error is reported when the clip is needed
      const logits = encode(await worker.clip(clip.frames));
      if (!(await post("clip", { index: clip.index, logits }))) throw new Error("the server does not accept the results");
    }
    showStatus("Accuracy: all clips were run.");
  } catch (error) {
    showStatus(errorText(error), true);
    await post("error", { message: errorText(error) });
  } finally {
    session.lock(false);
    await keepAwake(false);
  }
}

/** Return the bytes of logits in base64. */
function encode(logits: Float32Array): string {
  let text = "";
  for (const byte of new Uint8Array(logits.buffer)) text += String.fromCharCode(byte);
  return btoa(text);
}
