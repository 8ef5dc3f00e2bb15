/** The page: fetch the artifact, open it, and let the three parts begin; on its own, where the command asked for a mode. */
import { readArtifact } from "./artifact";
import { oneLine } from "./line";
import { Live } from "./live";
import { element, status, words } from "./page";
import { Proof } from "./proof";
import { fetchBytes, fetchJob, post, stayAlive } from "./server";
import { choices, name, Session } from "./session";
import { Timing } from "./timing";

const PARTS = ["camera", "timing", "proof"];
/**
 * Milliseconds between signs of life, a third of what the command waits at least. They come while something is timed as
 * well: one small request a minute weighs nothing, and a slow phone's repeat takes longer than the command waits.
 */
const ALIVE = 60e3;

async function main(): Promise<void> {
  const job = await fetchJob();
  await post("page_opened", { ...(await self_()) });
  status("Fetching the artifact…");
  const artifact = await readArtifact(await fetchBytes("artifact"));
  element("model").textContent = job.file;
  document.title = `${job.file} · edgeshift`;
  const session = new Session(job, artifact);
  const [live, proof, timing] = [new Live(session), new Proof(session), new Timing(session)];
  for (const part of PARTS) {
    element(`tab-${part}`).onclick = () => {
      if (part !== "camera" && live.running) void live.stop(); // nobody looks, and it warms the phone
      turnTo(part);
    };
  }
  setInterval(() => {
    if (document.visibilityState === "visible") stayAlive();
  }, ALIVE);
  await offer(session);
  element("done").onclick = () => void post("finished").then((sent) => status(`${sent ? "The server has stopped" : "The server is gone already"}. What has run on this page still runs.`));
  session.lock(true);
  try {
    await session.open();
  } catch (error) {
    await post("error", { message: words(error) });
    if (job.mode !== null) await post("finished"); // nobody is there to choose another way
    session.lock(false); // whoever is may
    return status(words(error), true);
  }
  session.lock(false);
  if (!artifact.spec.weights.trained) status("These weights are untrained: the labels mean nothing.", true);
  if (job.mode === null) return;
  turnTo("timing");
  const right = await proof.run();
  if (right === false) await post("finished");
  else await timing.run(job.mode);
}

/** Fill the list of what to run on, and open a fresh worker when another is chosen. */
async function offer(session: Session): Promise<void> {
  const list = await choices(session.job);
  const select = element<HTMLSelectElement>("choice");
  select.append(...list.map((choice) => new Option(name(choice), name(choice))));
  select.value = name(session.choice);
  select.onchange = async () => {
    const before = session.choice;
    session.choice = list.find((choice) => name(choice) === select.value)!;
    session.lock(true);
    try {
      await session.open();
    } catch (error) {
      const refused = `${select.value}: ${words(error)}`;
      session.choice = before;
      select.value = name(before);
      const back = await session.open().then(() => `it runs on ${name(session.choice)} again`, words);
      status(`${refused}; ${back}`, true);
    }
    session.lock(false);
  };
}

function turnTo(part: string): void {
  for (const other of PARTS) {
    element(other).hidden = other !== part;
    const tab = element(`tab-${other}`);
    if (other === part) tab.setAttribute("aria-current", "true");
    else tab.removeAttribute("aria-current");
  }
}

/** What the browser says of the phone. Nothing that it does not tell every page. */
async function self_(): Promise<Record<string, unknown>> {
  const { userAgentData, deviceMemory } = navigator as Navigator & { userAgentData?: Hints; deviceMemory?: number };
  const hints = await userAgentData?.getHighEntropyValues(["model", "architecture", "platformVersion"]).catch(() => null);
  const gpu = await adapter().catch(() => null);
  return {
    agent: oneLine(navigator.userAgent),
    model: oneLine(hints?.model ?? "") || null,
    architecture: oneLine(hints?.architecture ?? "") || null,
    platform: oneLine([userAgentData?.platform, hints?.platformVersion].filter(Boolean).join(" ")) || null,
    cores: navigator.hardwareConcurrency || 1,
    memory: deviceMemory ?? null,
    isolated: globalThis.crossOriginIsolated,
    gpu,
  };
}

interface Hints {
  platform?: string;
  getHighEntropyValues(names: string[]): Promise<{ model?: string; architecture?: string; platformVersion?: string } | null>;
}

/** The graphics unit, as WebGPU names it; null: there is none to use. */
async function adapter(): Promise<string | null> {
  const gpu = (navigator as Navigator & { gpu?: { requestAdapter(): Promise<{ info?: Record<string, string> } | null> } }).gpu;
  const found = await gpu?.requestAdapter();
  if (!found) return null;
  const { vendor, architecture, description } = found.info ?? {};
  return oneLine([vendor, architecture, description].filter(Boolean).join(" ")) || "unnamed";
}

main().catch((error: unknown) => {
  status(words(error), true);
  void post("error", { message: words(error) });
});
