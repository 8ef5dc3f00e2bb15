/** The check that the artifact carries. */
import { element, facts, status, words } from "./page";
import { post } from "./server";
import type { Session } from "./session";

export class Proof {
  constructor(private readonly session: Session) {
    element("check").onclick = () => void this.run();
  }

  /** Whether the phone computes what the maker computed; null: the artifact carries no check, or it broke off. */
  async run(): Promise<boolean | null> {
    const { session } = this;
    if (!session.artifact.spec.check) {
      facts("verdict", [["self-check", "the file carries none"]]);
      return null;
    }
    session.lock(true);
    try {
      const { error, tolerance, repeatable, logits } = await (await session.usable()).check();
      const ok = repeatable && error <= tolerance;
      facts("verdict", [
        ["self-check", ok ? "passed" : "FAILED", ok ? "good" : "bad"],
        ["largest error", `${error.toPrecision(2)} (allowed: ${tolerance.toPrecision(2)})`],
        ["twice the same", repeatable ? "yes" : "NO", repeatable ? undefined : "bad"],
        ["frames", String(logits.length)],
        ["run by", session.opened.runtime],
      ]);
      status(ok ? "The self-check passed." : "The self-check FAILED: do not trust the labels.", !ok);
      const { accelerator, threads, runtime } = session.opened;
      // A number that is none cannot be written as JSON; what is wrong is known already.
      const told = { error: Number.isFinite(error) ? error : 1e9, logits: ok ? logits : [] };
      await post("self_check", { accelerator, threads, runtime, tolerance, repeatable, ...told });
      return ok;
    } catch (error) {
      status(words(error), true);
      void post("error", { message: words(error) });
      return null;
    } finally {
      session.lock(false);
    }
  }
}
