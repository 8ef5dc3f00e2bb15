/** Starts the page: fetches the artifact, loads it and fills the tabs. If the command asks for a mode, measures it. */
import { readArtifact } from "./artifact";
import { describeBrowser } from "./browser";
import { CameraTab } from "./camera-tab";
import { CheckTab } from "./check-tab";
import { runClips } from "./clips";
import { element, errorText, showStatus } from "./dom";
import { fetchBytes, fetchJob, keepAlive, post } from "./server";
import { backendName, listBackends, Session } from "./session";
import { TimingTab } from "./timing-tab";

const TABS = ["camera", "timing", "check"];
/** Milliseconds between two requests that show that the page is open: a third of the shortest time limit (`--idle`). */
const KEEP_ALIVE = 60e3;

async function main(): Promise<void> {
  const job = await fetchJob();
  await post("page_opened", await describeBrowser());
  showStatus("Fetching the artifact…");
  const artifact = await readArtifact(await fetchBytes("artifact"));
  element("model").textContent = job.file;
  document.title = `${job.file} · edgeshift`;
  const session = new Session(job, artifact);
  const [camera, check, timing] = [new CameraTab(session), new CheckTab(session), new TimingTab(session)];
  for (const tab of TABS) {
    element(`tab-${tab}`).onclick = () => {
      if (tab !== "camera" && camera.running) void camera.stop(); // out of sight, it would only warm up the phone
      showTab(tab);
    };
  }
  setInterval(keepAlive, KEEP_ALIVE);
  await fillBackends(session);
  element("finish-button").onclick = () => void finish();
  session.lock(true);
  try {
    await session.newWorker();
  } catch (error) {
    await post("error", { message: errorText(error) });
    if (job.mode !== null || job.clips !== null) await post("finished"); // the command does not wait until the user chooses another backend
    return showStatus(errorText(error), true);
  } finally {
    session.lock(false);
  }
  if (artifact.spec.problems.length > 0) {
    showStatus(`The artifact FAILED its comparison with the original: ${artifact.spec.problems.join("; ")}`, true);
  } else if (!artifact.spec.weights.trained) showStatus("The weights are untrained, so the labels mean nothing.", true);
  if (job.clips !== null) {
    showTab("check");
    if ((await check.run()) !== false) await runClips(session, job.clips);
    await post("finished");
    return;
  }
  if (job.mode === null) return;
  showTab("timing");
  if ((await check.run()) === false) await post("finished");
  else await timing.run(job.mode);
}

/** Fill the list of backends. When the user chooses one, start a new worker on it. */
async function fillBackends(session: Session): Promise<void> {
  const backends = await listBackends(session.job);
  const select = element<HTMLSelectElement>("backend");
  select.append(...backends.map((backend) => new Option(backendName(backend), backendName(backend))));
  select.value = backendName(session.backend);
  select.onchange = async () => {
    const previous = session.backend;
    session.backend = backends.find((backend) => backendName(backend) === select.value)!;
    session.lock(true);
    try {
      await session.newWorker();
    } catch (error) {
      const problem = `${select.value}: ${errorText(error)}`;
      session.backend = previous;
      select.value = backendName(previous);
      const result = await session.newWorker().then(() => `running on ${select.value} again`, errorText);
      showStatus(`${problem}; ${result}`, true);
    }
    session.lock(false);
  };
}

async function finish(): Promise<void> {
  const stopped = (await post("finished")) ? "The server has stopped." : "The server had already stopped.";
  showStatus(`${stopped} The camera and the self-check on this page still work.`);
}

function showTab(tab: string): void {
  for (const other of TABS) {
    element(other).hidden = other !== tab;
    const button = element(`tab-${other}`);
    if (other === tab) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

main().catch((error: unknown) => {
  showStatus(errorText(error), true);
  void post("error", { message: errorText(error) });
});
