/** The screen stays on while somebody holds it, where the browser can do that. */
let lock: WakeLockSentinel | null = null;
let wanted = false;

/** Keep the screen on, or let it go again. */
export async function keepAwake(awake: boolean): Promise<void> {
  wanted = awake;
  if (!awake) {
    await lock?.release().catch(() => undefined);
    lock = null;
    return;
  }
  try {
    lock ??= (await navigator.wakeLock?.request("screen")) ?? null;
    lock?.addEventListener("release", () => (lock = null));
  } catch {
    lock = null; // refused, as with a battery that is low: the user's own setting decides
  }
}

// A lock ends when the page is left; it comes back with it.
document.addEventListener("visibilitychange", () => {
  if (wanted && document.visibilityState === "visible") void keepAwake(true);
});
