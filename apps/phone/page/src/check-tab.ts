/** The tab "Self-check": compares the logits that this phone computes with the expected ones in the artifact. */
import { element, errorText, showList, showStatus, type ListRow } from "./dom";
import { post } from "./server";
import type { Session } from "./session";

export class CheckTab {
  constructor(private readonly session: Session) {
    element("check-button").onclick = () => void this.run();
    element("check-sound").hidden = session.artifact.spec.sound === null;
  }

  /** Run the self-check. Returns whether it passed; null: the artifact has none, or the check could not run. */
  async run(): Promise<boolean | null> {
    const { session } = this;
    if (!session.artifact.spec.check) {
      showList("check-results", [["self-check", "this artifact has none"]]);
      return null;
    }
    const { hop, sound } = session.artifact.spec;
    session.lock(true);
    try {
      const { ok, error, tolerance, state_error, state_tolerance, repeatable, logits } = await (await session.currentWorker()).check();
      showList("check-results", [
        ["self-check", ok ? "passed" : "FAILED", ok ? "good" : "bad"],
        ["error of the logits", bounded(error, tolerance)],
        ["error of the states", state_error === null ? "not compared" : bounded(state_error, state_tolerance!)],
        ["repeatable", repeatable ? "yes" : "NO", repeatable ? "" : "bad"],
        [hop === null ? "frames" : "clips", String(logits.length - (sound ? 1 : 0))],
        ...(sound ? [["sounds", "1"] as ListRow] : []),
        ["runtime", session.loaded.runtime],
      ]);
      showStatus(ok ? "The self-check passed." : "The self-check FAILED: do not trust the labels.", !ok);
      const { accelerator, threads, runtime } = session.loaded;
      // Logits are sent only if the check passed, because JSON has no NaN and no infinity.
      const errors = { error: finite(error), state_error: state_error === null ? null : finite(state_error) };
      const limits = { tolerance, state_tolerance };
      await post("self_check", {
        accelerator, threads, runtime, repeatable, ...errors, ...limits, logits: ok ? logits : [],
      });
      return ok;
    } catch (error) {
      showStatus(errorText(error), true);
      void post("error", { message: errorText(error) });
      return null;
    } finally {
      session.lock(false);
    }
  }
}

function bounded(error: number, limit: number): string {
  return `${error.toPrecision(2)} (at most ${limit.toPrecision(2)} allowed)`;
}

/** Return an error as a number for JSON, which has no NaN and no infinity. A large number stands for them. */
function finite(error: number): number {
  return Number.isFinite(error) ? error : 1e9;
}
