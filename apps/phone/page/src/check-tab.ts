/** The tab "Self-check": compares the logits that this phone computes with the expected ones in the artifact. */
import { element, errorText, showList, showStatus } from "./dom";
import { post } from "./server";
import type { Session } from "./session";

export class CheckTab {
  constructor(private readonly session: Session) {
    element("check-button").onclick = () => void this.run();
  }

  /** Run the self-check. Returns whether it passed; null: the artifact has none, or the check could not run. */
  async run(): Promise<boolean | null> {
    const { session } = this;
    if (!session.artifact.spec.check) {
      showList("check-results", [["self-check", "this artifact has none"]]);
      return null;
    }
    session.lock(true);
    try {
      const { ok, error, tolerance, repeatable, logits } = await (await session.currentWorker()).check();
      showList("check-results", [
        ["self-check", ok ? "passed" : "FAILED", ok ? "good" : "bad"],
        ["largest logit error", `${error.toPrecision(2)} (at most ${tolerance.toPrecision(2)} allowed)`],
        ["repeatable", repeatable ? "yes" : "NO", repeatable ? "" : "bad"],
        ["frames", String(logits.length)],
        ["runtime", session.loaded.runtime],
      ]);
      showStatus(ok ? "The self-check passed." : "The self-check FAILED: do not trust the labels.", !ok);
      const { accelerator, threads, runtime } = session.loaded;
      // JSON has no NaN and no infinity: a large error stands for them, and logits are sent only if the check passed.
      const values = { error: Number.isFinite(error) ? error : 1e9, logits: ok ? logits : [] };
      await post("self_check", { accelerator, threads, runtime, tolerance, repeatable, ...values });
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
